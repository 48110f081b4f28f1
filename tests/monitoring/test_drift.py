"""Drift: a batch that is like the training data raises no alarm, one that is not does, and says in what."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from ferkit.bundles.bundle import SHIPPED, Bundle, load_bundle
from ferkit.bundles.card import CARD
from ferkit.cli.commands import drift as command
from ferkit.cli.model_choice import choose_model
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS
from ferkit.data.statistics import face_statistics
from ferkit.errors import ConfigError, DataError
from ferkit.inference.predictor import FacePrediction
from ferkit.inference.results import FaceTable, Finding, read_face_table, table_of, table_schema
from ferkit.monitoring.drift import Baseline, Change, DriftSettings, _judged, drift, drift_table
from ferkit.monitoring.profile import PROFILE, Profile, Sample, bundle_sha256, prediction_profile, write_profile
from ferkit.registry.client import RegistryError
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from tests.detection.test_detection import drawn_faces
from tests.inference.test_resumable_table import classify
from tests.toys.bundle import write_toy_bundle

MADE_WITH = {"model": "a" * 64, "target": "fer", "answers_by": "vote"}


@pytest.fixture(scope="module")
def faces():
    """(4000, 48, 48): drawn faces in many lights."""
    rng = np.random.default_rng(0)
    drawn = drawn_faces()[rng.integers(24, size=4000)].astype(np.float32)
    contrast, brightness = rng.uniform(0.4, 1.2, (4000, 1, 1)), rng.normal(0, 15, (4000, 1, 1))
    noise = rng.normal(0, 1, (4000, 48, 48)) * rng.uniform(0, 8, (4000, 1, 1))
    return np.clip(drawn * contrast + brightness + noise, 0, 255).astype(np.uint8)


def table(images, made_with=MADE_WITH, boxes=None, faceless=0, probabilities=None):
    """The table that `ferkit predict --no-detect` would write of these pictures."""
    if probabilities is None:
        probabilities = classify(images) ** 4 if len(images) else np.zeros((0, 7))
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    sides = boxes if boxes is not None else [48] * len(probabilities)
    findings = [
        Finding(
            f"{index}.png", (640, 480),
            [FacePrediction((0, 0, side, side), 1.0, FER_EMOTIONS[int(row.argmax())], row)], images[index : index + 1],
        )
        for index, (row, side) in enumerate(zip(probabilities, sides, strict=True))
    ]  # fmt: skip
    findings += [Finding(f"none {index}.png", (640, 480), [], images[:0]) for index in range(faceless)]
    rows = table_of(findings, table_schema(FER_EMOTIONS, made_with)).to_pandas()
    return FaceTable("batch.parquet", rows, FER_EMOTIONS, made_with)


def moved(changes):
    return {change.statistic for change in changes if change.verdict == "moved"}


def by_name(changes):
    return {change.statistic: change for change in changes}


# Alarms


@pytest.mark.parametrize("size", [40, 400])
def test_what_is_alike_raises_no_alarm(faces, size):
    alarms, tests = 0, 0
    rng = np.random.default_rng(1)
    whole = Baseline.of_table(table(faces[:2000]))
    for _ in range(20):
        changes = drift(table(faces[3000 + rng.permutation(1000)[:size]]), whole)
        alarms += bool(moved(changes))
        tests += sum(bool(change.measure) for change in changes)
    # With alpha at 0.01, two or more of twenty would come in 2 % of all cases even if nothing but alpha held them back.
    assert alarms <= 1
    assert tests == 20 * (3 + 2 + 2 + 1 + 1 + 7)


def test_p_values_hold_without_the_least_sizes(faces):
    """The tests alone, of pairs of samples: significant as often as alpha says, or less."""
    settings = DriftSettings(alpha=0.1, least_ks=0, least_psi=0, least_h=0)
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(40):
        chosen = rng.permutation(4000)
        before, now = table(faces[chosen[:500]]), table(faces[chosen[500:700]])
        alarms += bool(moved(drift(now, Baseline.of_table(before), settings)))
    # 4 are expected at most; 10 or more would come in 0.5 % of all cases.
    assert alarms <= 9


def test_dark_pictures_are_dark(faces):
    dark = (faces[3000:3400] * 0.5).astype(np.uint8)
    changes = by_name(drift(table(dark), Baseline.of_table(table(faces[:3000]))))
    assert changes["brightness"].verdict == changes["contrast"].verdict == "moved"
    assert changes["sharpness"].verdict != "moved"
    low, high = (np.median(images.mean(axis=(1, 2))) for images in (dark, faces[:3000]))
    assert float(changes["brightness"].batch.split()[0]) == pytest.approx(low, abs=1)
    assert float(changes["brightness"].training.split()[0]) == pytest.approx(high, abs=1)


def test_blurred_pictures_are_blurred(faces):
    coarse = faces[3000:3400].reshape(400, 16, 3, 16, 3).mean(axis=(2, 4)).repeat(3, axis=1).repeat(3, axis=2)
    smooth = np.stack([np.apply_along_axis(np.convolve, 1, face, np.ones(3) / 3, mode="same") for face in coarse])
    changes = by_name(drift(table(smooth.astype(np.uint8)), Baseline.of_table(table(faces[:3000]))))
    assert changes["sharpness"].verdict == "moved"
    assert changes["brightness"].verdict != "moved"


def test_only_happy_pictures(faces):
    images = faces[:2000]
    probabilities = classify(images) ** 8
    happy = probabilities[:, :].copy()
    happy[:, FER_EMOTIONS.index("happy")] += 1
    changes = by_name(
        drift(table(images, probabilities=happy), Baseline.of_table(table(images, probabilities=probabilities)))
    )
    assert changes["emotions together"].verdict == changes["happy"].verdict == "moved"
    assert (changes["happy"].batch, changes["emotions together"].batch) == ("100.0 %", "2,000 faces")
    assert not {"brightness", "contrast", "sharpness"} & moved(changes.values())


def test_a_trifle_in_many_faces_is_no_alarm(faces):
    images = np.concatenate([faces] * 3)
    brighter = np.clip(images.astype(int) + 3, 0, 255).astype(np.uint8)
    changes = by_name(drift(table(brighter), Baseline.of_table(table(images))))
    assert changes["brightness"].verdict == "slightly"
    assert changes["brightness"].p < 0.01
    assert 0 < changes["brightness"].distance < 0.1


def test_a_difference_that_may_be_chance_is_unclear(faces):
    few = by_name(drift(table(faces[3000:3006] // 2), Baseline.of_table(table(faces[:3000]))))
    assert few["brightness"].verdict in ("unclear", "moved")
    assert {change.verdict for change in few.values() if change.measure} >= {"unclear"}


def test_sizes_and_pictures_without_a_face_are_held_against_a_table(faces):
    before = Baseline.of_table(table(faces[:400], boxes=[100 + index % 50 for index in range(400)], faceless=20))
    now = table(faces[:400], boxes=[40 + index % 50 for index in range(400)], faceless=200)
    changes = by_name(drift(now, before))
    assert moved(changes.values()) == {"face size", "pictures without a face"}
    assert (changes["pictures without a face"].training, changes["pictures without a face"].batch) == (
        "4.8 %",
        "33.3 %",
    )
    assert changes["face size"].distance == 1


def test_corrected_p_values_are_holms():
    changes = [Change(str(p), "", "", "h", 1.0, p) for p in (0.01, 0.04, 0.03)] + [Change("none", "", "")]
    judged = _judged(changes, DriftSettings(alpha=0.05))
    assert [change.p for change in judged] == pytest.approx([0.03, 0.06, 0.06, 1.0])
    assert [change.verdict for change in judged] == ["moved", "unclear", "unclear", ""]


# Samples


def test_a_sample_keeps_the_distribution():
    values = np.random.default_rng(3).normal(size=5000)
    sample = Sample.of(values)
    at = np.linspace(-4, 4, 101)
    for side in ("left", "right"):
        share = np.array([(values <= x if side == "right" else values < x).mean() for x in at])
        assert sample.cumulative(at, side) == pytest.approx(share, abs=0.004)
    assert sample.quantile(0.5) == pytest.approx(np.median(values), abs=1e-3)


def test_a_sample_with_one_value_jumps_there():
    sample = Sample.of(np.full(9, 7.0))
    assert sample.cumulative(np.array([6.9, 7.0, 7.1]), "left").tolist() == [0, 0, 1]
    assert sample.cumulative(np.array([6.9, 7.0, 7.1]), "right").tolist() == [0, 1, 1]


def test_answers_are_counted():
    probabilities = np.eye(7)[[3, 3, 0]] * 0.4 + 0.6 / 7
    answers = prediction_profile(probabilities, FER_EMOTIONS)
    assert answers.emotions == {"angry": 1, "disgust": 0, "fear": 0, "happy": 2, "sad": 0, "surprise": 0, "neutral": 0}
    assert answers.confidence.quantile(0.5) == pytest.approx(0.4 + 0.6 / 7, rel=1e-4)
    assert prediction_profile(np.eye(7), FER_EMOTIONS).entropy.quantile(1) == 0


# The profile of a bundle


@pytest.fixture(scope="module")
def training():
    return generate(SyntheticSettings(count=400, seed=0)).faces


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory, training):
    folder = write_toy_bundle(tmp_path_factory.mktemp("bundle"), flip=True)
    write_profile(folder, Bundle(folder), training)
    return folder


def test_a_profile_says_what_training_looks_like_and_what_the_model_says(bundle_folder, training):
    profile = Profile.read(bundle_folder)
    assert profile.pictures == {
        name: Sample.of(values) for name, values in face_statistics(training.of_split("Training").images).items()
    }
    public = training.of_split("PublicTest").images
    bundle = Bundle(bundle_folder)
    assert profile.answers["vote"] == {
        target: prediction_profile(bundle.predict(public, target), bundle.classes(target))
        for target in ("fer", "ferplus")
    }
    of_tiny = bundle.predict(public, "fer", model="tiny")
    assert profile.answers["tiny"]["fer"] == prediction_profile(of_tiny, FER_EMOTIONS)
    assert profile.answers["tiny"]["fer"] != profile.answers["vote"]["fer"]


def test_answers_that_are_known_are_not_asked_for_again(bundle_folder, training, tmp_path):
    bundle, public = Bundle(bundle_folder), training.of_split("PublicTest").images
    card = bundle.card
    probabilities = {name: bundle.predict_network(name, public) for name in card.networks}
    shutil.copy(bundle_folder / CARD, tmp_path)
    idle = Bundle(bundle_folder)
    idle.predict_network = None
    assert write_profile(tmp_path, idle, training, probabilities) == Profile.read(bundle_folder)


def test_a_profile_holds_no_picture(bundle_folder):
    """Numbers that are quantiles of one number a picture, and counts: far fewer than there are pixels."""
    stored = json.loads((bundle_folder / PROFILE).read_text())
    assert set(stored) == {"format", "model", "pictures", "answers"}
    assert (bundle_folder / PROFILE).stat().st_size < 60_000


def test_a_profile_of_format_1_is_read(bundle_folder, tmp_path):
    """As models have it that were registered or exported before they could be asked by name."""
    told = json.loads((bundle_folder / PROFILE).read_text())
    answers = told.pop("answers")
    earlier = {**told, "format": 1, "answers": answers["vote"], "single_answers": answers["tiny"]}
    (tmp_path / PROFILE).write_text(json.dumps(earlier))
    assert Profile.read(tmp_path) == Profile.read(bundle_folder)


def test_without_public_test_the_answers_are_left_out(tmp_path, training):
    folder = write_toy_bundle(tmp_path)
    profile = write_profile(folder, Bundle(folder), training.of_split("Training"))
    assert profile.answers == {}
    with pytest.raises(DataError, match="no picture for Training"):
        write_profile(folder, Bundle(folder), training.of_split("PublicTest"))


def test_a_profile_that_is_missing_or_broken(tmp_path):
    with pytest.raises(DataError, match=r"profile\.json: no such file, so nothing says what this model was trained on"):
        Profile.read(tmp_path)
    (tmp_path / PROFILE).write_text('{"format": 1, "pictures": {"a": {"count": 2, "quantiles": [2, 1]}}}')
    with pytest.raises(DataError, match="not a profile that this ferkit reads") as caught:
        Profile.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_answers_of_another_model_are_left_out(bundle_folder, faces):
    profile = Profile.read(bundle_folder)
    same = Baseline.of_profile(profile, table(faces[:50], {**MADE_WITH, "model": profile.model}))
    tiny = {**MADE_WITH, "model": profile.model, "answers_by": "tiny"}
    # As ferkit wrote it before models had names.
    earlier = {"model": profile.model, "target": "fer", "single": True}
    by_tiny, before = (Baseline.of_profile(profile, table(faces[:50], each)) for each in (tiny, earlier))
    other = Baseline.of_profile(profile, table(faces[:50]))
    unknown = Baseline.of_profile(profile, table(faces[:50], {}))
    assert same.emotions == unknown.emotions == profile.answers["vote"]["fer"].emotions
    assert by_tiny.emotions == before.emotions == profile.answers["tiny"]["fer"].emotions
    assert (other.emotions, set(other.numbers)) == ({}, set(profile.pictures))
    changes = by_name(drift(table(faces[:50]), other))
    assert {name for name, change in changes.items() if change.measure} == {"brightness", "contrast", "sharpness"}


# The command


def run(*words):
    app = typer.Typer()
    command.register(app)
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "40"})


@pytest.fixture
def written(tmp_path, faces, bundle_folder):
    """Files: a batch like another, a dark one, one of nobody."""
    made_with = {**MADE_WITH, "model": Profile.read(bundle_folder).model}
    for name, each in (
        ("may", table(faces[:400], made_with)),
        ("june", table(faces[400:800], made_with)),
        ("dark", table(faces[800:1200] // 2, made_with)),
        ("nobody", table(faces[:0], made_with, faceless=5)),
    ):
        schema = table_schema(FER_EMOTIONS, made_with)
        pq.write_table(pa.Table.from_pandas(each.rows, schema, preserve_index=False), tmp_path / f"{name}.parquet")
    return tmp_path


def test_one_table_says_what_moved(written):
    done = run(written / "dark.parquet", "--against", written / "may.parquet", "--to", written / "new" / "drift.csv")
    assert done.exit_code == 0
    title, training, _, heading, *rows, _, summary, _ = done.stdout.splitlines()
    assert title == f"{written / 'dark.parquet'}: 400 faces in 400 pictures"
    assert training == f"training: {written / 'may.parquet'}, 400 faces"
    assert heading.split() == ["statistic", "training", "batch", "distance", "verdict"]
    assert [row.split("  ")[0] for row in rows] == [
        *("brightness", "contrast", "sharpness", "face size", "score", "confidence", "entropy"),
        *("pictures without a face", "emotions together", *FER_EMOTIONS),
    ]
    assert rows[0].endswith("moved")
    assert summary.startswith("moved: brightness, contrast")
    numbers = pd.read_csv(written / "new" / "drift.csv", keep_default_na=False)
    assert list(numbers.columns) == ["statistic", "training", "batch", "measure", "distance", "p", "verdict"]
    assert numbers["statistic"].tolist()[0] == "brightness"


def test_the_status_says_whether_anything_moved(written):
    assert run(written / "dark.parquet", "--against", written / "may.parquet", "--fail").exit_code == 3
    done = run(written / "june.parquet", "--against", written / "may.parquet", "--fail")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "nothing moved")


def test_against_a_bundle_and_a_configuration(written, bundle_folder):
    done = run(written / "dark.parquet", "--against", bundle_folder)
    assert f"training: {bundle_folder}, " in done.stdout
    assert "answers to " in done.stdout
    [faceless] = [line for line in done.stdout.splitlines() if line.startswith("pictures without")]
    assert faceless.split()[-4:] == ["-", "0.0", "%", "-"] or faceless.split()[-5:] == ["-", "0.0", "%", "-", "-"]
    (written / "run.yaml").write_text(
        "name: a\ndata: {source: synthetic, count: 200}\ntargets: [{name: fer}]\nbackbones: [{name: fernet}]\n"
    )
    done = run(written / "dark.parquet", "--against", written / "run.yaml")
    assert done.exit_code == 0, done.exception
    assert "pictures of Training and their labels" in done.stdout


def test_the_shipped_models_have_a_profile_of_their_own():
    profile = Profile.read(SHIPPED)
    assert profile.model == bundle_sha256(SHIPPED)
    assert set(profile.answers["vote"]) == set(load_bundle().targets)
    assert profile.pictures["brightness"].count > 20_000


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["gone.parquet"], DataError, r"gone\.parquet: no such file, expected a table"),
        (["notes.csv"], DataError, r"notes\.csv: columns a, b, expected a table"),
        (["broken.parquet"], DataError, r"broken\.parquet: cannot be read \("),
        (["nobody.parquet", "--against", "may.parquet"], DataError, "no face in 5 pictures, nothing to compare"),
        (["may.parquet", "--against", "plus.yaml"], ConfigError, "no target fer, which the batch was made for"),
        (["may.parquet", "--against", "elsewhere"], ConfigError, "elsewhere: no such model"),
        (["may.parquet", "--to", "drift.txt"], ConfigError, r"ends with \.csv"),
    ],
)
def test_what_cannot_be_compared(written, monkeypatch, words, error, message):
    monkeypatch.chdir(written)
    (written / "notes.csv").write_text("a,b\n1,2\n")
    (written / "broken.parquet").write_bytes(b"PAR1")
    (written / "plus.yaml").write_text(
        "name: a\ndata: {source: synthetic, count: 200}\ntargets: [{name: ferplus}]\nbackbones: [{name: fernet}]\n"
    )
    caught = run(*words).exception
    assert isinstance(caught, error)
    assert re.search(message, str(caught))
    assert "\n" not in str(caught)


def test_tables_of_two_models_are_compared_by_their_pictures(written, faces):
    changes = drift(
        table(faces[:400]), Baseline.of_table(read_face_table(written / "may.parquet")).without_predictions()
    )
    assert {change.statistic for change in changes if change.measure} == {
        *("brightness", "contrast", "sharpness", "face size", "score", "pictures without a face"),
    }
    assert drift_table(changes).shape == (16, 7)


# Models that are named


def test_a_bundle_is_a_model(bundle_folder):
    chosen = choose_model(f"{bundle_folder}#tiny", "ferplus")
    images = drawn_faces()[:3]
    assert (chosen.classify(images) == Bundle(bundle_folder).predict(images, "ferplus", model="tiny")).all()
    assert (chosen.classes, chosen.sha256) == (FERPLUS_EMOTIONS, Profile.read(bundle_folder).model)


def test_without_a_champion_there_is_nothing_to_ask():
    with pytest.raises(RegistryError, match="models:/ferkit@champion: no model was promoted yet"):
        choose_model("models:/ferkit@champion", "fer")
