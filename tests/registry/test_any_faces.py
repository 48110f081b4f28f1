"""Data sets that are not FER-2013, from their source to the page: trained, registered, promoted, exported, drawn.

The third, folders of one's own, goes the same way through the pipeline in `tests.pipelines.test_streamed_run`.
"""

import re
import subprocess
from dataclasses import dataclass
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import InputCard
from ferkit.bundles.explain import explain
from ferkit.bundles.parity import require_parity
from ferkit.config.run_config import RunConfig
from ferkit.data.labels import FER_EMOTIONS
from ferkit.detection.loading import load_detector
from ferkit.export import ExportSource, LiteRTNetwork, ONNXNetwork, write_litert, write_onnx
from ferkit.inference.predictor import Predictor
from ferkit.monitoring.profile import Profile
from ferkit.preparation.balancing import oversample
from ferkit.registry.mlflow_model import signature
from ferkit.registry.models import load_champion
from ferkit.registry.promote import Pictures, find_challenger, promote, roll_back
from ferkit.registry.pyfunc_model import FacesToEmotions
from ferkit.release.run_bundle import TrainedRun
from ferkit.reporting.content import ReportContent
from ferkit.reporting.report import build_report
from ferkit.serving.model.live_model import LiveModel
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.standalone.folder import RunFolder
from tests.toys.browser import SMILES, drawn, draws_the_answer, needs_browser, opened_browser, served_here, visits
from tests.toys.command import forked
from tests.toys.layouts import write_numbered
from tests.toys.registry import register, registry_at
from tests.toys.run import standalone_run
from tests.toys.services import CLEAN

SMALL = {
    "backbones": [{"name": "fernet", "width": 4, "depth": 1, "alias": alias} for alias in ("a", "b")],
    "training": {"network": {"epochs": 1, "learning_rate": 0.003}},
    "evaluation": {"bootstrap": 100},
    "registry": {"gate": {"floors": {"accuracy": 0, "macro_f1": 0, "recall": 0, "expected_calibration_error": 1}}},
}
MOODS = ("at ease", "cross (very)", "glad")
EIGHT = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")


@dataclass
class Used:
    """A run, and the outcome of promoting what was registered of it: by the gate, then by a person."""

    run: TrainedRun
    judged: list[tuple[bool, str]]
    bundle: Bundle
    histories: dict[str, pd.DataFrame]


def table_of_people(root):
    """Drawn faces in colour, twice as large as FER-2013's, in a table that says who each is and what it shows."""
    drawn = generate(SyntheticSettings(count=200, duplicates=0, non_faces=0)).faces
    lines = []
    for at, emotion in enumerate(FER_EMOTIONS[label] for label in drawn.label):
        name = {"neutral": MOODS[0], "angry": MOODS[1], "fear": MOODS[1], "happy": MOODS[2]}.get(emotion)
        if name:
            grey = Image.fromarray(drawn.images[at]).resize((100, 100))
            Image.merge("RGB", [grey, grey, grey.point(lambda level: level // 2)]).save(root / f"{at}.png")
            lines.append((f"{at}.png", name, f"person {at % 20}"))
    pd.DataFrame(lines, columns=["image", "mood", "person"]).to_csv(root / "faces.csv", index=False)
    data = {"source": "table", "path": root / "faces.csv", "columns": {"label": "mood"}, "test_fraction": 0.2}
    return {
        "name": "people",
        "data": {**data, "stream": True, "side": 96, "colour": "rgb"},
        "targets": [{"name": "mood"}],
    }


def affectnet(root):
    """Folders 0 to 7 as AffectNet has them, with noise for faces."""
    write_numbered(root, {"train": 8, "val": 3}, range(8))
    data = {"source": "published", "layout": "affectnet", "path": root, "validation_fraction": 0.25}
    return {"name": "affectnet", "data": data, "targets": [{"name": "affect"}], "cleaning": {"pixels": False}}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A folder with MLflow's registry, to which MLflow points meanwhile."""
    folder = tmp_path_factory.mktemp("registry")
    with registry_at(f"sqlite:///{folder / 'mlflow.db'}"):
        yield folder


@pytest.fixture(scope="module")
def used(registry, tmp_path_factory):
    """Both sets, one after the other in one registry."""
    found = {}
    for write in (table_of_people, affectnet):
        root = tmp_path_factory.mktemp(write.__name__)
        config = RunConfig.model_validate({**SMALL, **write(root)})
        run = standalone_run(config, root / "run")
        register(run, registry)
        pictures = Pictures(run.ingested, config.evaluation, 0, config.selection)
        challenger = find_challenger("ferkit", None, registry)
        outcome = promote(challenger, pictures, config.registry.gate, registry, force="a person looked at it")
        judged = [(check.passed, check.reason) for check in outcome.verdict.checks]
        trained = {each.label: RunFolder(root / "run").member(each.name) for each in config.trained()}
        histories = {label: files.read_history() for label, files in trained.items()}
        found[config.name] = Used(run, judged, Bundle(load_champion(registry).folder), histories)
    return found


def test_a_table_of_people_in_colour_is_learned_with_its_own_names(used):
    people = used["people"]
    assert people.run.ingested.classes == MOODS
    subject, split = people.run.ingested.subject, people.run.ingested.split
    assert all(len(set(split[subject == each])) == 1 for each in set(subject.tolist()))
    assert (people.bundle.classes(), people.bundle.input) == (MOODS, InputCard(size=96, colour=True))
    assert all(passed for passed, _ in people.judged)
    card = (people.bundle.folder / "MODEL_CARD.md").read_text()
    assert "an RGB 96x96 picture of a face" in card
    assert "`mood`: the data's own (at ease, cross (very), glad)" in card


def test_a_layout_as_it_is_published_keeps_its_contempt_and_is_not_compared_with_other_classes(used):
    affect = used["affectnet"]
    assert (affect.bundle.classes(), affect.bundle.input) == (EIGHT, InputCard())
    [reason] = [reason for passed, reason in affect.judged if not passed]
    assert reason.startswith("the champion answers for mood, the challenger for affect: nothing is compared")
    assert "contempt" in Profile.read(affect.bundle.folder).answers["vote"]["affect"].emotions


@pytest.mark.parametrize("name", ["people", "affectnet"])
def test_the_champion_reads_faces_and_says_where_it_looked(used, name):
    bundle = used[name].bundle
    picture = np.random.default_rng(0).integers(0, 256, (140, 120, 3), dtype=np.uint8)
    for detector in (None, load_detector("blazeface")):
        predictor = Predictor(bundle.predict, bundle.classes(), detector, bundle.input)
        for face in predictor.predict(picture):
            assert face.emotion in bundle.classes()
    crops = Predictor(bundle.predict, bundle.classes(), None, bundle.input).find(picture)
    assert crops.images.shape == (1, *bundle.input.shape)
    heat = explain(bundle, crops.images, bundle.targets[0], class_index=1)
    assert heat.shape == (1, bundle.input.size, bundle.input.size)


def test_mlflow_is_answered_with_the_classes_and_the_first_target(used):
    bundle, model = used["people"].bundle, FacesToEmotions()
    model.load_context(SimpleNamespace(artifacts={"bundle": str(bundle.folder)}))
    answers = model.predict(pd.DataFrame({"picture": [np.zeros((70, 60, 3), np.uint8)]}))
    assert tuple(answers.probabilities[0]) == MOODS
    parameters = {each.name: each.default for each in signature(bundle.targets[0]).params.params}
    assert parameters["target"] == "mood"


@pytest.mark.parametrize("name", ["people", "affectnet"])
def test_the_report_is_about_its_classes(used, name):
    run, bundle = used[name].run, used[name].bundle
    [target], [ensemble] = run.config.targets, run.ensembles
    content = ReportContent(
        config=run.config.to_yaml(), seed=0, data_hash=run.ingested.content_hash(), commit=None, versions={},
        stages={"ingest": run.ingested}, expectations=pd.DataFrame(), quarantined=pd.DataFrame(),
        manifest=pd.DataFrame({"dropped": []}),
        training_sets={target.name: oversample(run.faces, target, run.config.balancing, 0)},
        histories={(target.name, label): history for label, history in used[name].histories.items()},
        ensembles={target.name: ensemble}, evaluations=run.evaluations, settings=run.config.evaluation,
    )  # fmt: skip
    report = build_report(content).markdown
    for each in bundle.classes():
        assert re.search(rf"^\|.*{re.escape(each)}", report, flags=re.MULTILINE), each
    assert not set(FER_EMOTIONS) - set(bundle.classes()) & set(re.findall(r"\w+", report))
    assert ensemble.members == ("a", "b")


@pytest.mark.parametrize("name", ["people", "affectnet"])
@pytest.mark.parametrize(
    ("write", "runtime", "suffix"), [(write_onnx, ONNXNetwork, "onnx"), (write_litert, LiteRTNetwork, "tflite")]
)
def test_what_is_exported_answers_the_same(used, tmp_path, name, write, runtime, suffix):
    source = ExportSource.of_bundle(used[name].bundle)
    images = np.random.default_rng(1).integers(0, 256, (9, *source.input.shape), dtype=np.uint8)
    write(source.network, tmp_path / f"file.{suffix}")
    found = runtime(tmp_path / f"file.{suffix}")(images)
    require_parity(name, source.predict(images), found, "float32")
    assert {target: len(names) for target, names in source.classes.items()} == {
        target: found[target].shape[1] for target in used[name].bundle.targets
    }


@needs_browser
def test_the_page_draws_what_predict_says_of_whichever_is_the_champion(used, registry, tmp_path):
    drawn(SMILES).save(tmp_path / "one.png")

    def predicted(version: int) -> pd.Series:
        command = forked("predict", "one.png", "--model", f"models:/ferkit/{version}", "--to", f"{version}.csv")
        state = {"FERKIT_HOME": str(registry / "home"), "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
        done = subprocess.run(command, cwd=tmp_path, env=CLEAN | state, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return pd.read_csv(tmp_path / f"{version}.csv").iloc[0]

    model = LiveModel(registry)
    model.check_registry()
    with served_here(model) as address, opened_browser() as browser, visits(browser) as visit:
        seen = visit(address, reduced_motion="reduce")
        draws_the_answer(seen, tmp_path / "one.png", "ferkit version 2", EIGHT, predicted(2))
        roll_back("ferkit", "so that the other one is seen")
        model.check_registry()
        draws_the_answer(seen, tmp_path / "one.png", "ferkit version 1", MOODS, predicted(1))
        assert all("422" in complaint for complaint in seen.complaints)
        seen.complaints.clear()
