"""Two runs beside each other: the settings that differ, the numbers, and whether the difference may be chance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferkit.config.run_config import RunConfig
from ferkit.errors import DataError
from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.paired_tests import PairedComparison, compare_paired
from ferkit.tracking.parameters import run_parameters

__all__ = ["ComparedModel", "compared_models", "differing_settings", "evaluations_of"]

_Models = Mapping[tuple[str, str], Evaluation]


@dataclass(frozen=True)
class ComparedModel:
    """A model that two runs have, on one split.

    Attributes
    ----------
    target, model, split
        What is compared.
    first, second
        Accuracies on the pictures that both predicted.
    comparison
        Of these pictures.
    """

    target: str
    model: str
    split: str
    first: float
    second: float
    comparison: PairedComparison


def differing_settings(first: RunConfig, second: RunConfig) -> dict[str, tuple[str, str]]:
    """The parameters in which two configurations differ, each with both values; empty text where one has none.

    Examples
    --------
    >>> config = RunConfig.model_validate(
    ...     {"name": "x", "data": {"source": "synthetic"}, "backbones": [{"name": "fernet"}]}
    ... )
    >>> differing_settings(config, config.model_copy(update={"seed": 3}))
    {'seed': ('0', '3')}
    """
    before, now = run_parameters(first), run_parameters(second)
    names = dict.fromkeys([*before, *now])
    return {name: (before.get(name, ""), now.get(name, "")) for name in names if before.get(name) != now.get(name)}


def evaluations_of(steps: Mapping[str, Any]) -> dict[tuple[str, str], Evaluation]:
    """The evaluations that steps of ZenML (``zenml.models.StepRunResponse``) made, by target and model."""
    found = {}
    for step in steps.values():
        for output, artifacts in step.outputs.items():
            if output.endswith("_evaluation"):
                for target, each in artifacts[0].load().items():
                    found[target, each.model] = each
    return found


def compared_models(first: _Models, second: _Models, *, draws: int = 2000) -> list[ComparedModel]:
    """Compare the models that both runs have by name, on the pictures of each split that both predicted.

    Parameters
    ----------
    first, second
        Evaluations by target and model, see `evaluations_of`.
    draws
        Times that the pictures are drawn anew for the interval.

    Raises
    ------
    DataError
        If they have no model in common, or other labels for the same rows.
    """
    common = [key for key in first if key in second]
    if not common:
        raise DataError("the two runs have no model of the same target and name.")
    return [each for key in common for each in _of_model(first[key], second[key], draws)]


def _of_model(first: Evaluation, second: Evaluation, draws: int) -> Iterator[ComparedModel]:
    for split, before in first.predictions.items():
        now = second.predictions.get(split)
        if now is None:
            continue
        _, at_first, at_second = np.intersect1d(before.row, now.row, return_indices=True)
        labels = first.labels[split][at_first]
        if first.classes != second.classes or not np.array_equal(labels, second.labels[split][at_second]):
            raise DataError(f"{first.target}/{first.model}, {split}: the two runs judged other data or other labels.")
        one, other = before.label[at_first], now.label[at_second]
        found = compare_paired(one, other, labels, len(first.classes), draws=draws, confidence=0.95, seed=0)
        accuracy, next_accuracy = (float((each == labels).mean()) for each in (one, other))
        yield ComparedModel(first.target, first.model, split, accuracy, next_accuracy, found)
