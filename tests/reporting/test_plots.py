from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.evaluation.evaluate import Evaluation, EvaluationSettings, evaluate
from ferkit.evaluation.reliability import reliability
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.reporting import plots
from ferkit.reporting.grids import made_faces, prediction_grid

CELL = 3 * 48 + 2


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def count_of(png: bytes, colour: tuple[int, int, int]) -> int:
    """Pixels of exactly this colour."""
    return int((picture(png) == colour).all(axis=-1).sum())


BLUE, ORANGE = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def history(epochs: int, head: int = 0) -> pd.DataFrame:
    at = np.arange(epochs)
    return pd.DataFrame(
        {
            "epoch": at,
            "phase": ["head"] * head + ["network"] * (epochs - head),
            "loss": 2.0 / (at + 1),
            "accuracy": at / epochs,
            "val_loss": 2.5 / (at + 1),
            "val_accuracy": at / epochs / 2,
            "learning_rate": np.full(epochs, 1e-3),
        }
    )


def test_confusion_matrix_is_darker_where_the_share_is_larger() -> None:
    confusion = np.array([[90, 10], [50, 50]])
    shown = picture(plots.confusion_matrix(confusion, ("angry", "happy"), "fernet"))
    colours, counts = np.unique(shown.reshape(-1, 3), axis=0, return_counts=True)
    fills = colours[np.argsort(counts)[::-1][:4]].sum(axis=1)
    # White paper, the two cells of 50 %, and those of 10 % and 90 %: one colour a share.
    assert len(set(fills)) == 4
    other = plots.confusion_matrix(confusion.T, ("angry", "happy"), "fernet")
    assert not np.array_equal(picture(other), shown)


def test_confusion_matrix_of_a_class_without_pictures() -> None:
    assert picture(plots.confusion_matrix(np.array([[3, 0], [0, 0]]), ("angry", "disgust"), "t")).shape[-1] == 3


@pytest.mark.parametrize(("epochs", "head"), [(1, 0), (6, 2), (40, 5)])
def test_training_curves_draw_both_splits(epochs: int, head: int) -> None:
    png = plots.training_curves(history(epochs, head), "fernet on fer")
    assert count_of(png, BLUE) > 20
    assert count_of(png, ORANGE) > 20


def test_class_counts_draw_bars_as_high_as_the_counts() -> None:
    before, after = np.array([100, 10]), np.array([100, 100])
    small, large = (
        count_of(plots.class_counts(before, counts, ("happy", "disgust"), "t"), BLUE) for counts in (before, after)
    )
    assert large / small == pytest.approx(200 / 110, rel=0.05)


def test_reliability_diagram_and_weights_and_accuracies_are_pictures() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(7, 0.3), 200).astype(np.float32)
    label = generator.integers(0, 7, 200).astype(np.int8)
    assert count_of(plots.reliability_diagram(reliability(probabilities, label), "t"), BLUE) > 50
    uneven = plots.ensemble_weights(Ensemble("fer", "weighted", ("vggface", "fernet"), (0.9, 0.1)), "t")
    even = plots.ensemble_weights(Ensemble("fer", "weighted", ("vggface", "fernet"), (0.5, 0.5)), "t")
    assert count_of(even, BLUE) > 1.5 * count_of(uneven, BLUE), "the longest bar fills the figure"
    table = pd.DataFrame(
        {
            "model": ["a", "a", "b", "b"],
            "subset": ["PrivateTest", "PrivateTest, no duplicates"] * 2,
            "accuracy": [0.7, 0.69, 0.71, 0.7],
            "accuracy_low": [0.68] * 4,
            "accuracy_high": [0.72] * 4,
        }
    )
    png = plots.accuracies(table, "t")
    assert count_of(png, BLUE) > 50
    assert count_of(png, ORANGE) > 50


def test_the_same_numbers_give_the_same_bytes_and_pyplot_is_not_touched() -> None:
    import sys

    first, again = (plots.training_curves(history(5), "t") for _ in range(2))
    assert first == again
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def judged() -> tuple[Evaluation, FaceDataset]:
    """56 test faces, each of one grey that is its row; the model always says happy."""
    count = 56
    images = np.repeat(np.arange(count, dtype=np.uint8), 48 * 48).reshape(count, 48, 48)
    label = (np.arange(count) % 7).astype(np.int8)
    faces = FaceDataset(images, label, np.full(count, 2, dtype=np.int8), np.arange(count, dtype=np.int64))
    probabilities = np.full((count, 7), 0.05, dtype=np.float32)
    probabilities[:, 3] = 0.7
    order = np.random.default_rng(0).permutation(count)
    predictions = Predictions("fer", "PrivateTest", faces.row[order], probabilities)
    return evaluate("fernet", [predictions], faces, TargetSettings(), EvaluationSettings(bootstrap=100), 0), faces


def greys(png: bytes) -> list[int]:
    """Grey value of each picture of the sheet, read from its middle; white cells are empty."""
    sheet = picture(png)[..., 0]
    row_height = (sheet.shape[0] - 2) // max(1, round((sheet.shape[0] - 2) / (CELL + 14)))
    middles = [
        int(sheet[top + 72, left + 72])
        for top in range(2, sheet.shape[0] - 2, row_height)
        for left in range(2, sheet.shape[1] - 2, CELL)
    ]
    return [grey for grey in middles if grey != 255]


def test_grids_show_right_and_wrong_predictions_evenly_over_the_labels() -> None:
    evaluation, faces = judged()
    right = greys(prediction_grid(evaluation, faces, "PrivateTest", right=True, most=40, seed=0))
    wrong = greys(prediction_grid(evaluation, faces, "PrivateTest", right=False, most=12, seed=0))
    assert sorted(right) == [row for row in range(56) if row % 7 == 3]
    labels = [row % 7 for row in wrong]
    assert labels == sorted(labels)
    assert np.bincount(labels, minlength=7).tolist() == [2, 2, 2, 0, 2, 2, 2]
    other = greys(prediction_grid(evaluation, faces, "PrivateTest", right=False, most=12, seed=1))
    assert other != wrong


def test_a_grid_of_nothing_is_still_a_picture() -> None:
    evaluation, faces = judged()
    only_wrong = Evaluation(
        evaluation.model,
        "fer",
        evaluation.protocol,
        evaluation.scores,
        evaluation.predictions,
        {"PrivateTest": np.zeros(56, dtype=np.int8)},
    )
    assert greys(prediction_grid(only_wrong, faces, "PrivateTest", right=True, most=5, seed=0)) == []


def test_made_faces_shows_made_pictures_only() -> None:
    images = np.stack([np.full((48, 48), grey, dtype=np.uint8) for grey in (10, 20, 200)])
    training = TrainingSet(
        images,
        np.eye(7, dtype=np.float32)[[0, 1, 1]],
        np.array([4, 5, -1]),
        np.arange(3),
    )
    assert greys(made_faces(training, FER_EMOTIONS, most=10, seed=0)) == [200]
    none = oversample(
        FaceDataset(images, np.zeros(3, dtype=np.int8), np.zeros(3, dtype=np.int8), np.arange(3)),
        TargetSettings(),
        BalancingSettings(),
        0,
    )
    assert greys(made_faces(none, FER_EMOTIONS, most=10, seed=0)) == []
