"""Whether stored or exported networks say what those said that they were made from: one limit a precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import Target
from ferkit.errors import FerkitError
from ferkit.models.face_model import TargetProbabilities

__all__ = ["LIMITS", "Agreement", "Limits", "ParityError", "Precision", "compare", "require_parity", "violations"]


class ParityError(FerkitError):
    """A file that says something else than the model it was made from."""


@dataclass(frozen=True)
class Limits:
    """How far a file may be from the model it was made from.

    Attributes
    ----------
    largest, mean
        Difference of a probability: the largest of all pictures and classes, and the mean.
    agreement
        Least share of pictures whose most probable class is the same; one picture that is not is no verdict.
    accuracy
        Most that may be lost on labelled pictures; judged from `FEWEST_LABELLED` on.
    """

    largest: float
    mean: float
    agreement: float
    accuracy: float


# float16: weights. int8_weights: weights as int8 with a scale a channel, computing in float32; what shipped models may
# lose by storing. mixed_weights: the largest kernels so, the others as float16. int8_dynamic: as int8_weights, and
# activations as they come, a picture at a time. int8: weights and activations, whose range was seen before, for phones.
# On the shipped models and 1,000 pictures of PublicTest the worst were: docs/guides/export.md.
Precision = Literal["float32", "float16", "mixed_weights", "int8_weights", "int8_dynamic", "int8"]
LIMITS: dict[Precision, Limits] = {
    "float32": Limits(largest=1e-3, mean=1e-5, agreement=0.998, accuracy=0.002),
    "float16": Limits(largest=0.05, mean=2e-3, agreement=0.99, accuracy=0.005),
    "mixed_weights": Limits(largest=0.05, mean=2e-3, agreement=0.99, accuracy=0.001),
    "int8_weights": Limits(largest=0.2, mean=5e-3, agreement=0.99, accuracy=0.001),
    "int8_dynamic": Limits(largest=0.3, mean=0.01, agreement=0.97, accuracy=0.005),
    "int8": Limits(largest=0.4, mean=0.015, agreement=0.95, accuracy=0.015),
}
# Below, a single picture moves the accuracy by more than what is judged.
FEWEST_LABELLED = 500


@dataclass(frozen=True)
class Agreement:
    """A file beside its Keras model, for one target.

    Attributes
    ----------
    pictures
        How many were compared.
    largest, mean
        Difference of a probability: the largest of all pictures and classes, and the mean.
    agreement
        Share of pictures whose most probable class is the same.
    labelled
        Pictures that have a label.
    keras_accuracy, accuracy
        Of the Keras model and of the file on those; None if there are none.
    """

    pictures: int
    largest: float
    mean: float
    agreement: float
    labelled: int = 0
    keras_accuracy: float | None = None
    accuracy: float | None = None


def compare(
    expected: TargetProbabilities, found: TargetProbabilities, labels: Mapping[Target, NDArray[np.integer[Any]]]
) -> dict[Target, Agreement]:
    """How the answers `found` agree with those `expected`, by target.

    Parameters
    ----------
    expected, found
        (N, classes) by target.
    labels
        (N,) class of each picture by target, -1 where there is none; a target without labels is left out.

    Raises
    ------
    ParityError
        If the targets or shapes differ, or a probability is no number.
    """
    shapes, others = ({target: each.shape for target, each in answers.items()} for answers in (expected, found))
    if shapes != others:
        raise ParityError(f"the file answers {others}, expected {shapes}.")
    agreements = {}
    for target, truth in expected.items():
        predicted = found[target]
        if not np.isfinite(predicted).all():
            raise ParityError(f"{target}: {int((~np.isfinite(predicted)).any(axis=1).sum())} answers hold no numbers.")
        difference = np.abs(predicted - truth)
        right = [_accuracy(each, labels.get(target)) for each in (truth, predicted)]
        known = int((labels[target] >= 0).sum()) if target in labels else 0
        agreement = float((predicted.argmax(axis=1) == truth.argmax(axis=1)).mean())
        agreements[target] = Agreement(
            len(truth), float(difference.max()), float(difference.mean()), agreement, known, right[0], right[1]
        )
    return agreements


def require_parity(
    name: str,
    expected: TargetProbabilities,
    found: TargetProbabilities,
    precision: Precision,
    labels: Mapping[Target, NDArray[np.integer[Any]]] | None = None,
) -> dict[Target, Agreement]:
    """How answers agree, see `compare`, if they do within the limits of `precision`.

    Parameters
    ----------
    name
        Of what answers, for the error.

    Raises
    ------
    ParityError
        If they do not.
    """
    agreements = compare(expected, found, labels or {})
    if wrong := violations(agreements, LIMITS[precision]):
        raise ParityError(f"{name} does not say what the trained networks say: {'; '.join(wrong)}.")
    return agreements


def violations(agreements: Mapping[Target, Agreement], limits: Limits) -> list[str]:
    """What is beyond the limits, a line each."""
    lines = []
    for target, each in agreements.items():
        if each.largest > limits.largest:
            lines.append(f"{target}: largest difference {each.largest:.2g}, at most {limits.largest:g}")
        if each.mean > limits.mean:
            lines.append(f"{target}: mean difference {each.mean:.2g}, at most {limits.mean:g}")
        if round((1 - each.agreement) * each.pictures) > max(1, (1 - limits.agreement) * each.pictures):
            lines.append(f"{target}: the same class for {each.agreement:.1%}, at least {limits.agreement:.1%}")
        if each.accuracy is not None and each.keras_accuracy is not None and each.labelled >= FEWEST_LABELLED:
            lost = each.keras_accuracy - each.accuracy
            if lost > limits.accuracy:
                lines.append(f"{target}: {lost:.2%} of accuracy lost, at most {limits.accuracy:.2%}")
    return lines


def _accuracy(probabilities: NDArray[np.float32], labels: NDArray[np.integer[Any]] | None) -> float | None:
    if labels is None or not (labels >= 0).any():
        return None
    known = labels >= 0
    return float((probabilities[known].argmax(axis=1) == labels[known]).mean())
