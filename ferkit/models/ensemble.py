"""Soft voting: several models' probabilities averaged, with weights that only PublicTest may choose."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.errors import ConfigError, DataError
from ferkit.models.predictions import Predictions
from ferkit.models.selection import SelectionSettings, selection_predictions
from ferkit.settings import Settings

__all__ = ["Ensemble", "EnsembleSettings", "combine", "fit_ensemble", "selection_ensemble"]

Method = Literal["mean", "weighted"]

_TOLERANCE = 1e-6
_MOST_ITERATIONS = 20_000
# A member that carries less changes no decision worth running its network for.
_LEAST_WEIGHT = 1e-3
_SELECTION_ROUNDS = 100
_TINY = float(np.finfo(np.float32).tiny)


class EnsembleSettings(Settings):
    """How the models of a run are combined.

    Attributes
    ----------
    method
        ``mean``: all members count the same. ``weighted``: weights that are best for `objective` on PublicTest.
    members
        Models that take part; all of them if empty.
    objective
        What ``weighted`` optimises. ``accuracy``: greedy selection with replacement (Caruana et al., "Ensemble
        Selection from Libraries of Models", ICML 2004), at equal accuracy by log loss. ``log_loss``: the
        cross-entropy of the mixture, which has one optimum; it judges the probabilities, and may give a confident
        member most of the weight where an even mixture would decide better.
    """

    method: Method = "weighted"
    members: tuple[str, ...] | None = Field(None, min_length=1)
    objective: Literal["accuracy", "log_loss"] = "accuracy"


@dataclass(frozen=True)
class Ensemble:
    """A weighted mean of models.

    Attributes
    ----------
    target
        What every member predicts.
    method
        How the weights came about.
    members
        Names of the models.
    weights
        One a member, from 0, summing to 1.
    """

    target: Target
    method: Method
    members: tuple[str, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise DataError(f"ensemble by method {self.method!r}, expected one of {', '.join(get_args(Method))}.")
        if not self.members or len(set(self.members)) < len(self.members) or len(self.members) != len(self.weights):
            raise DataError(
                f"ensemble of members {self.members} with weights {self.weights}: expected different members, and one "
                "weight for each."
            )
        if min(self.weights) < 0 or not np.isclose(sum(self.weights), 1.0, atol=1e-6):
            raise DataError(f"ensemble weights {self.weights}: expected values from 0 that sum to 1.")

    @property
    def of_one(self) -> bool:
        """Whether a single network votes: the ensemble answers as that does."""
        return len(self.members) == 1

    def to_json(self) -> str:
        """The ensemble as JSON; `from_json` reads it."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The ensemble in the JSON that `to_json` writes; a `DataError` if `text` is none."""
        try:
            content = json.loads(text)
            return cls(content["target"], content["method"], tuple(content["members"]), tuple(content["weights"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"ensemble: not the JSON that ferkit writes ({error!r}).") from error


def fit_ensemble(
    predictions: Mapping[str, Predictions], labels: NDArray[np.float32], settings: EnsembleSettings
) -> Ensemble:
    """Find the weights of the members on PublicTest.

    On PublicTest the result is never worse than the mean, by the objective. The same input gives the same weights.

    Parameters
    ----------
    predictions
        Predictions of PublicTest by name of the model, all over the same pictures in the same order.
    labels : (K, classes) float32
        Label distribution of each of these pictures.

    Raises
    ------
    ConfigError
        If a member of the settings has no predictions.
    DataError
        If predictions are of another split than PublicTest, or not over the same pictures.

    Examples
    --------
    Both networks are right, the second is surer of it: the least log loss gives it the whole vote.

    >>> labels = np.eye(7, dtype=np.float32)
    >>> probabilities = {"one": 0.4 * labels + 0.6 / 7, "two": 0.8 * labels + 0.2 / 7}
    >>> rows = np.arange(7)
    >>> predictions = {name: Predictions("fer", "PublicTest", rows, each) for name, each in probabilities.items()}
    >>> ensemble = fit_ensemble(predictions, labels, EnsembleSettings(method="weighted", objective="log_loss"))
    >>> dict(zip(ensemble.members, [round(weight, 2) for weight in ensemble.weights]))
    {'one': 0.0, 'two': 1.0}
    """
    if missing := set(settings.members or ()) - set(predictions):
        raise ConfigError(
            f"ensemble.members {sorted(missing)} were not trained; models of this run: {', '.join(predictions)}."
        )
    members = settings.members or tuple(predictions)
    stacked, first = _stack({name: predictions[name] for name in members})
    for name in members:
        if predictions[name].split != "PublicTest":
            raise DataError(
                f"ensemble: {name!r} predicts {predictions[name].split}; weights may be found on PublicTest only."
            )
    if labels.shape != first.probabilities.shape:
        raise DataError(f"ensemble: labels of shape {labels.shape}, expected {first.probabilities.shape}.")
    weights = np.full(len(members), 1 / len(members))
    if settings.method == "weighted":
        weights = (_least_log_loss if settings.objective == "log_loss" else _greedy_selection)(stacked, labels)
    return Ensemble(first.target, settings.method, members, tuple((weights / weights.sum()).tolist()))


def selection_ensemble(
    predictions: Mapping[str, Predictions],
    faces: FaceDataset,
    target: TargetSettings,
    selection: SelectionSettings,
    settings: EnsembleSettings,
) -> Ensemble:
    """Find the weights of the members' votes on the pictures of PublicTest that `selection` lets choose.

    Parameters
    ----------
    predictions
        Predictions of the whole of PublicTest, by name of the model.
    faces
        The data, with every split that networks learned from.
    target
        What the models predict, and how its labels are made.
    selection
        Which pictures of PublicTest choose.
    settings
        Method, members and objective.

    Raises
    ------
    ConfigError
        If a member of the settings has no predictions.
    DataError
        If no picture is left to choose by, or predictions are of another split or lack one of the pictures.
    """
    labels = np.zeros((0, 0), dtype=np.float32)
    chosen = {}
    for name, each in predictions.items():
        chosen[name], labels = selection_predictions(each, faces, target, selection)
    return fit_ensemble(chosen, labels, settings)


def combine(predictions: Mapping[str, Predictions], ensemble: Ensemble) -> Predictions:
    """The weighted mean of the members' probabilities: the predictions of the ensemble.

    Parameters
    ----------
    predictions
        Predictions by name of the model, all over the same pictures in the same order; further models are left out.
    ensemble
        Members and weights.

    Raises
    ------
    DataError
        If a member has no predictions, or they are not over the same pictures, or of another target.

    Examples
    --------
    >>> rows, sure = np.arange(1), np.eye(7, dtype=np.float32)
    >>> happy, sad = (Predictions("fer", "PrivateTest", rows, sure[[index]]) for index in (3, 4))
    >>> ensemble = Ensemble("fer", "weighted", ("one", "two"), (0.75, 0.25))
    >>> combine({"one": happy, "two": sad}, ensemble).probabilities[0, 3:5].tolist()
    [0.75, 0.25]
    """
    if missing := set(ensemble.members) - set(predictions):
        raise DataError(f"ensemble: no predictions of its members {sorted(missing)}.")
    stacked, first = _stack({name: predictions[name] for name in ensemble.members})
    if first.target != ensemble.target:
        raise DataError(f"ensemble of target {ensemble.target}: the predictions are of {first.target}.")
    mixture = np.tensordot(np.asarray(ensemble.weights), stacked, axes=1)
    mixture /= mixture.sum(axis=1, keepdims=True)
    return replace(first, probabilities=mixture.astype(np.float32))


def _stack(predictions: Mapping[str, Predictions]) -> tuple[NDArray[np.float64], Predictions]:
    """(members, K, classes) probabilities, and the first member's predictions."""
    first_name, first = next(iter(predictions.items()))
    for name, other in predictions.items():
        if (other.target, other.split) != (first.target, first.split) or not np.array_equal(other.row, first.row):
            raise DataError(
                f"ensemble: {name!r} predicts {len(other)} pictures of {other.split} ({other.target}), {first_name!r} "
                f"{len(first)} of {first.split} ({first.target}); expected the same pictures in the same order."
            )
    return np.stack([each.probabilities.astype(np.float64) for each in predictions.values()]), first


def _log_loss(mixture: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    return float(-(labels * np.log(np.maximum(mixture, _TINY))).sum(axis=1).mean())


def _least_log_loss(stacked: NDArray[np.float64], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mixture weights of the least cross-entropy, without members that hardly count."""
    mean = np.full(len(stacked), 1 / len(stacked))
    full = _expectation_maximisation(stacked, labels, mean)
    pruned = _expectation_maximisation(stacked, labels, np.where(full < _LEAST_WEIGHT, 0.0, full))
    mixtures = [np.tensordot(weights, stacked, axes=1) for weights in (pruned, mean)]
    return pruned if _log_loss(mixtures[0], labels) <= _log_loss(mixtures[1], labels) else full


def _expectation_maximisation(
    stacked: NDArray[np.float64], labels: NDArray[np.float32], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """EM for the weights of a mixture with fixed components (Dempster et al., J. R. Stat. Soc. B 39, 1977, sec. 4.3).

    No step makes the log loss worse, so the result is at least as good as `start`. The largest gradient less 1 bounds
    how far the loss is above its minimum over the members that `start` gives a weight.
    """
    used = start > 0
    support = labels > 0
    # Only entries that carry label mass enter the loss.
    components, mass = stacked[used][:, support], labels[support].astype(np.float64)
    share = mass / mass.sum()
    weights = start[used] / start[used].sum()
    for _ in range(_MOST_ITERATIONS):
        gradient = components @ (share / np.maximum(weights @ components, _TINY))
        if gradient.max() - 1 < _TOLERANCE:
            break
        weights = weights * gradient
        weights /= weights.sum()
    result = np.zeros_like(start)
    result[used] = weights
    return result


def _greedy_selection(stacked: NDArray[np.float64], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights as the shares of a bag that grows by the member that helps most; the best bag, or the mean, is kept."""
    truth = labels.argmax(axis=1)

    def quality(mixture: NDArray[np.float64]) -> tuple[float, float]:
        """Accuracy, then the log loss where accuracies are equal."""
        return float((mixture.argmax(axis=1) == truth).mean()), -_log_loss(mixture, labels)

    best_weights = np.full(len(stacked), 1 / len(stacked))
    best = quality(stacked.mean(axis=0))
    bag, total = np.zeros(len(stacked)), np.zeros_like(stacked[0])
    for size in range(1, _SELECTION_ROUNDS + 1):
        found = [quality((total + member) / size) for member in stacked]
        chosen = max(range(len(stacked)), key=found.__getitem__)
        bag[chosen] += 1
        total += stacked[chosen]
        if found[chosen] > best:
            best, best_weights = found[chosen], bag / size
    return best_weights
