"""Temperature scaling: it finds a planted temperature, changes no decision, and reads PublicTest alone."""

import numpy as np
import pytest

from ferkit.errors import DataError
from ferkit.evaluation.reliability import reliability
from ferkit.models.predictions import Predictions
from ferkit.models.temperature import apply_temperature, fit_temperature

CLASSES = 7


def overconfident(factor: float, count: int = 8000, split: str = "PublicTest") -> tuple[Predictions, np.ndarray]:
    """Labels drawn from a softmax, and predictions whose logits are `factor` times too large."""
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 1.5, (count, CLASSES))
    right = apply_temperature(np.exp(logits), 1.0)
    label = (right.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    predicted = apply_temperature(right, 1 / factor)
    return Predictions("fer", split, np.arange(count), predicted), np.eye(CLASSES, dtype=np.float32)[label]


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(factor: float) -> None:
    assert fit_temperature(*overconfident(factor)) == pytest.approx(factor, rel=0.05)


def test_it_mends_calibration_and_changes_no_decision() -> None:
    predictions, labels = overconfident(3.0)
    scaled = apply_temperature(predictions.probabilities, fit_temperature(predictions, labels))
    label = labels.argmax(axis=1).astype(np.int8)
    assert reliability(predictions.probabilities, label).expected_calibration_error > 0.15
    assert reliability(scaled, label).expected_calibration_error < 0.02
    np.testing.assert_array_equal(scaled.argmax(axis=1), predictions.label)
    np.testing.assert_allclose(scaled.sum(axis=1), 1, atol=1e-6)


def test_soft_labels_are_matched_and_not_their_largest_class() -> None:
    """Predictions that are the labels' own distributions are as sure as they should be."""
    predictions, _ = overconfident(1.0)
    assert fit_temperature(predictions, predictions.probabilities) == pytest.approx(1.0, abs=0.01)


def test_zeros_ones_and_no_picture_are_survived() -> None:
    certain = np.eye(CLASSES, dtype=np.float32)
    scaled = apply_temperature(certain, 2.0)
    assert np.isfinite(scaled).all()
    np.testing.assert_array_equal(scaled.argmax(axis=1), np.arange(CLASSES))
    assert apply_temperature(np.zeros((0, CLASSES), np.float32), 2.0).shape == (0, CLASSES)
    always_right = Predictions("fer", "PublicTest", np.arange(CLASSES), apply_temperature(certain, 30.0))
    assert 0.05 <= fit_temperature(always_right, certain) < 0.1


def test_other_splits_and_other_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="PublicTest only"):
        fit_temperature(*overconfident(1.0, 20, "PrivateTest"))
    predictions, labels = overconfident(1.0, 20)
    with pytest.raises(DataError, match="equal shapes"):
        fit_temperature(predictions, labels[:10])
