"""A folder of faces with classes of other names, from the source to predictions and scores that bear these names."""

import pandas as pd
import pytest
from PIL import Image

from ferkit.config.run_config import RunConfig
from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.evaluation.evaluate import EvaluationSettings, evaluate
from ferkit.preparation.validation import validate
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.reporting.grids import prediction_grid
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import read_data

NAMES = {"happy": "amused", "sad": "blue", "surprise": "Startled", "angry": "spare"}
MOOD = ("amused", "blue", "Startled")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on faces of four classes, one of which the target leaves out: configuration, data, folder, scores."""
    root = tmp_path_factory.mktemp("moods")
    drawn = generate(SyntheticSettings(count=400, duplicates=0, non_faces=0)).faces
    for at in range(len(drawn)):
        if name := NAMES.get(FER_EMOTIONS[drawn.label[at]]):
            place = root / "faces" / name / f"{at}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawn.images[at]).save(place)
    config = RunConfig.model_validate(
        {
            "name": "moods",
            "data": {"source": "folder", "path": root / "faces", "test_fraction": 0.2},
            "targets": [{"name": "mood", "map": {"spare": None}}],
            "balancing": {"method": "random_over_sampler", "class_weight": True},
            "backbones": [{"name": "fernet", "width": 4, "depth": 1}],
            "training": {"network": {"epochs": 2, "learning_rate": 0.003}},
            "evaluation": {"bootstrap": 100},
            "registry": {"register": False},
        }
    )
    data = read_data(config)
    return config, data, RunFolder(root / "out"), train_run(config, data, root / "out")


def test_the_run_reads_learns_and_is_judged_with_its_own_names(run):
    _, data, folder, scores = run
    assert data.faces.classes == ("amused", "blue", "spare", "Startled")
    assert {"recall_amused", "recall_blue", "recall_Startled"} <= set(scores.columns)
    assert not [name for name in scores.columns if name.startswith("recall_") and name[7:] not in MOOD]
    assert set(scores.target) == {"mood"}
    assert set(scores.labels) == {"own"}
    assert scores.subset.unique().tolist()[:2] == ["PublicTest", "PublicTest, no duplicates"]
    pd.testing.assert_frame_equal(folder.read_evaluations("mood"), scores, check_dtype=False)


def test_predictions_keep_their_classes_and_are_judged_again_as_they_were(run):
    config, data, folder, scores = run
    [training] = config.trained()
    judged = []
    for split in ("PublicTest", "PrivateTest"):
        predictions = folder.member(training.name).read_predictions("mood", split)
        assert predictions.classes == MOOD
        spare = data.faces.classes.index("spare")
        there = data.faces.row[(data.faces.split == SPLITS.index(split)) & (data.faces.label != spare)]
        assert predictions.row.tolist() == there.tolist()
        judged.append(predictions)
    target = config.targets[0]
    again = evaluate("fernet", judged, data.ingested, target, EvaluationSettings(bootstrap=100), config.seed)
    assert again.classes == MOOD
    expected = scores[scores.model == "fernet"].set_index("subset").accuracy
    assert again.to_table().set_index("subset").accuracy.to_dict() == pytest.approx(expected.to_dict())
    for right in (True, False):
        sheet = prediction_grid(again, data.ingested, "PrivateTest", right=right, most=4, seed=0)
        assert sheet.startswith(b"\x89PNG")


def test_validation_counts_the_classes_of_the_data(run):
    _, data, _, _ = run
    found = validate(data.ingested, ValidationSettings(minimum_training=50, minimum_evaluation=1))
    subjects = set(found.expectations.subject)
    assert {"amused Training pictures", "Startled Training pictures"} <= subjects
    assert "fear Training pictures" not in subjects
