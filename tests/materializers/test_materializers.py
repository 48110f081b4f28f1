"""Each artifact through its materializer and a real folder: the same comes back, and nothing is pickled."""

import atexit
import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
from zenml.enums import VisualizationType
from zenml.materializers.materializer_registry import materializer_registry

from ferkit.data.targets import TargetSettings, labelled
from ferkit.evaluation.evaluate import EvaluationSettings, evaluate
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.reporting.report import Report
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from materializers.evaluations import EnsembleMaterializer, EvaluationsMaterializer
from materializers.faces import FaceDatasetMaterializer, TrainingSetMaterializer
from materializers.models import FaceModelMaterializer, HeadPredictionsMaterializer, PredictionsMaterializer
from materializers.reports import ReportMaterializer
from materializers.tables import TableMaterializer


@pytest.fixture(scope="module")
def faces():
    return generate(SyntheticSettings(count=200)).faces


@pytest.fixture(scope="module", autouse=True)
def _active_stack():
    """Materializers write through the artifact store of the active stack."""
    from ferkit.cli.state.workspace import Workspace

    Workspace.open().activate_stack()


@pytest.fixture
def folder():
    """A folder inside the artifact store, which guards against paths outside it."""
    import uuid

    from zenml.client import Client

    uri = f"{Client().active_stack.artifact_store.path}/{uuid.uuid4()}"
    Client().active_stack.artifact_store.makedirs(uri)
    return uri


def through(materializer, data, folder):
    """What comes back, the hashes of both, and what is shown."""
    used = materializer(folder)
    used.save(data)
    shown = used.save_visualizations(data)
    assert all(isinstance(kind, VisualizationType) for kind in shown.values())
    json.dumps(used.extract_metadata(data))
    again = materializer(folder).load(type(data))
    first, second = used.compute_content_hash(data), used.compute_content_hash(again)
    assert first == second
    assert first
    return again, shown


@pytest.mark.parametrize("votes", [True, False])
def test_faces(faces, folder, votes):
    from dataclasses import replace

    data = faces if votes else replace(faces, votes=None)
    again, shown = through(FaceDatasetMaterializer, data, folder)
    np.testing.assert_array_equal(again.images, data.images)
    assert (again.votes is None) == (not votes)
    assert [path.rsplit("/", 1)[1] for path in shown] == ["faces.png"]


def test_faces_of_other_classes_with_subjects_and_weights(faces, folder):
    from dataclasses import replace

    weight = np.linspace(0, 2, len(faces), dtype=np.float32)
    data = replace(
        faces, classes=tuple("abcdefg"), subject=np.arange(len(faces), dtype=np.int32), weight=weight, votes=None
    )
    again, _ = through(FaceDatasetMaterializer, data, folder)
    assert again.classes == data.classes
    np.testing.assert_array_equal(again.subject, data.subject)
    np.testing.assert_array_equal(again.weight, weight)
    balanced = oversample(data, TargetSettings(name="letters", map={"g": None}), BalancingSettings(), 0)
    kept, _ = through(TrainingSetMaterializer, balanced, folder)
    assert kept.classes == tuple("abcdef")
    np.testing.assert_array_equal(kept.weight, balanced.weight)


@pytest.mark.parametrize("class_weight", [True, False])
def test_training_set(faces, folder, class_weight):
    settings = BalancingSettings(method="random_over_sampler", class_weight=class_weight)
    data = oversample(faces, TargetSettings(), settings, 0)
    again, _ = through(TrainingSetMaterializer, data, folder)
    np.testing.assert_array_equal(again.indices, data.indices)
    assert (again.class_weight is None) == (not class_weight)


def test_table(folder):
    table = pd.DataFrame({"row": [3, 1], "score": [0.5, np.nan], "reason": ["a, b", ""], "dropped": [True, False]})
    again, shown = through(TableMaterializer, table, folder)
    pd.testing.assert_frame_equal(again, table)
    assert list(shown.values()) == [VisualizationType.CSV]
    assert TableMaterializer(folder).compute_content_hash(table.assign(row=[3, 2])) != TableMaterializer(
        folder
    ).compute_content_hash(table)


def predicted(faces, split, target="fer"):
    pictures, labels = labelled(faces.of_split(split), TargetSettings(name=target))
    probabilities = np.random.default_rng(0).dirichlet(np.ones(labels.shape[1]), len(pictures)).astype(np.float32)
    return Predictions(target, split, pictures.row, probabilities)


def test_predictions(faces, folder):
    again, _ = through(PredictionsMaterializer, predicted(faces, "PublicTest"), folder)
    assert again.split == "PublicTest"
    np.testing.assert_array_equal(again.row, faces.of_split("PublicTest").row)


def test_predictions_of_several_heads(faces, folder):
    data = {target: predicted(faces, "PublicTest", target) for target in ("fer", "ferplus")}
    again, _ = through(HeadPredictionsMaterializer, data, folder)
    assert {target: each.content_hash() for target, each in again.items()} == {
        target: each.content_hash() for target, each in data.items()
    }
    of_one = {"fer": data["fer"]}
    hashes = [HeadPredictionsMaterializer(folder).compute_content_hash(each) for each in (data, of_one, {})]
    assert len(set(hashes)) == 3


def test_predictions_of_no_head(folder):
    assert through(HeadPredictionsMaterializer, {}, folder)[0] == {}


def test_ensemble(folder):
    data = Ensemble("fer", "weighted", ("a", "b"), (0.25, 0.75))
    again, shown = through(EnsembleMaterializer, data, folder)
    assert again == data
    assert shown


def test_evaluation(faces, folder):
    data = {}
    for target in ("fer", "ferplus"):
        predictions = [predicted(faces, split, target) for split in ("PublicTest", "PrivateTest")]
        settings = TargetSettings(name=target), EvaluationSettings(bootstrap=100)
        data[target] = evaluate("a", predictions, faces, *settings, 0)
    again, shown = through(EvaluationsMaterializer, data, folder)
    assert list(again) == ["fer", "ferplus"]
    for target, evaluation in again.items():
        pd.testing.assert_frame_equal(evaluation.to_table(), data[target].to_table())
        assert list(evaluation.scores) == list(data[target].scores)
        assert evaluation.content_hash() == data[target].content_hash()
    assert len(shown) == 4


def test_an_evaluation_of_public_test_alone(faces, folder):
    settings = EvaluationSettings(bootstrap=100)
    data = {"fer": evaluate("a", [predicted(faces, "PublicTest")], faces, TargetSettings(), settings, 0)}
    again, shown = through(EvaluationsMaterializer, data, folder)
    assert list(again["fer"].predictions) == ["PublicTest"]
    assert len(shown) == 2


def test_report(folder):
    data = Report("# a\n", "<p>a</p>", {"x.png": b"\x89PNG", "y.png": b"\x89PNG2"})
    again, shown = through(ReportMaterializer, data, folder)
    assert again.figures == data.figures
    assert again.markdown == data.markdown
    assert list(shown.values()) == [VisualizationType.HTML]


def test_model(folder, tmp_path):
    from ferkit.backbones import BackboneSettings, build_network

    network = build_network(BackboneSettings(name="fernet", width=4, depth=1), {"fer": 7}, seed=0)
    data = FaceModel.save(network, "a", "fer", tmp_path / "network.keras")
    again, _ = through(FaceModelMaterializer, data, folder)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    np.testing.assert_allclose(again.predict(pictures), data.predict(pictures), atol=1e-6)
    second = FaceModel.save(network, "a", "fer", tmp_path / "again.keras")
    assert second.content_hash() == data.content_hash(), "the date in the archive is no content"
    other = build_network(BackboneSettings(name="fernet", width=4, depth=1), {"fer": 7}, seed=1)
    assert FaceModel.save(other, "a", "fer", tmp_path / "other.keras").content_hash() != data.content_hash()


def test_a_model_that_is_read_outside_of_a_step_goes_with_the_process(folder, tmp_path, monkeypatch):
    from ferkit.backbones import BackboneSettings, build_network

    network = build_network(BackboneSettings(name="fernet", width=4, depth=1), {"fer": 7}, seed=0)
    at_the_end, register = [], atexit.register

    def registered(*given, **options):
        # Not what other libraries meanwhile have to do at the end.
        keep = at_the_end.append if given[0] is shutil.rmtree else register
        keep(partial(*given, **options))

    monkeypatch.setattr("atexit.register", registered)
    again, _ = through(FaceModelMaterializer, FaceModel.save(network, "a", "fer", tmp_path / "network.keras"), folder)
    assert again.file.exists()
    for call in at_the_end:
        call()
    assert not again.file.parent.exists()


@pytest.mark.parametrize(
    ("kind", "materializer"),
    [
        (FaceModel, FaceModelMaterializer),
        (Predictions, PredictionsMaterializer),
        (Ensemble, EnsembleMaterializer),
        (Report, ReportMaterializer),
    ],
)
def test_zenml_chooses_ours(kind, materializer):
    assert materializer_registry[kind] is materializer


def test_dictionaries_of_others_stay_with_zenml():
    assert materializer_registry[dict].__module__.startswith("zenml.")
