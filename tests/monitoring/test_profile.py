"""The profile of a bundle: its training data and what its models say, in numbers, and whose numbers count."""

import json
import shutil

import numpy as np
import pytest

from ferkit.bundles.bundle import SHIPPED, Bundle, load_bundle
from ferkit.bundles.card import CARD
from ferkit.cli.model_choice import choose_model
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS
from ferkit.data.statistics import face_statistics
from ferkit.errors import DataError
from ferkit.monitoring.drift import Baseline, drift
from ferkit.monitoring.profile import PROFILE, Profile, Sample, bundle_sha256, prediction_profile, write_profile
from ferkit.registry.client import RegistryError
from tests.detection.test_detection import drawn_faces
from tests.monitoring.batches import MADE_WITH, by_name, table
from tests.toys.bundle import write_toy_bundle


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


def test_the_shipped_models_have_a_profile_of_their_own():
    profile = Profile.read(SHIPPED)
    assert profile.model == bundle_sha256(SHIPPED)
    assert set(profile.answers["vote"]) == set(load_bundle().targets)
    assert profile.pictures["brightness"].count > 20_000


def test_a_bundle_is_a_model(bundle_folder):
    chosen = choose_model(f"{bundle_folder}#tiny", "ferplus")
    images = drawn_faces()[:3]
    assert (chosen.classify(images) == Bundle(bundle_folder).predict(images, "ferplus", model="tiny")).all()
    assert (chosen.classes, chosen.sha256) == (FERPLUS_EMOTIONS, Profile.read(bundle_folder).model)


def test_without_a_champion_there_is_nothing_to_ask():
    with pytest.raises(RegistryError, match="models:/ferkit@champion: no model was promoted yet"):
        choose_model("models:/ferkit@champion", "fer")
