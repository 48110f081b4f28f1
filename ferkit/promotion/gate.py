"""The gate: may a model take the champion's place?

Two questions, both about the same pictures of PublicTest. Is the challenger good enough for anybody (floors)? And is it
better than the champion by more than chance explains (change)? A verdict answers with every number and its reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.labels import Target, names_of_outputs
from ferkit.evaluation.metrics import Scores
from ferkit.evaluation.paired_tests import PairedComparison, compare_paired
from ferkit.promotion.settings import ChangeSettings, FloorSettings, GateSettings

__all__ = ["Check", "Measurement", "Verdict", "judge"]

_DRAWS = 2000


@dataclass(frozen=True, eq=False)
class Measurement:
    """Predictions and scores of one model on the pictures that decide about a promotion.

    Attributes
    ----------
    name
        Name of the model, for people.
    labels : (K,) int8
        True classes, by target.
    predicted_classes : (K,) int8
        The most probable class of each picture, by target.
    scores
        Accuracy, macro-F1 and so on, by target.
    latency_ms
        Milliseconds for one face, median.
    subset
        Which pictures they were: ``PublicTest`` or ``PublicTest, no duplicates``.
    classes
        Names of the classes, by target, also of those that are not measured; not needed of a declared one, such as
        ``fer``.
    """

    name: str
    labels: Mapping[Target, NDArray[np.int8]]
    predicted_classes: Mapping[Target, NDArray[np.int8]]
    scores: Mapping[Target, Scores]
    latency_ms: float
    subset: str = "PublicTest"
    classes: Mapping[Target, tuple[str, ...]] = field(default_factory=dict)

    @property
    def answered(self) -> set[Target]:
        """Every target of the model, also those that are not measured."""
        return {*self.scores, *self.classes}

    def class_names(self, target: Target) -> tuple[str, ...]:
        """Names of the classes of `target`."""
        return self.classes.get(target) or names_of_outputs(target, len(self.scores[target].recall))

    def numbers(self) -> dict[str, float]:
        """Every score and the latency, by names such as ``fer/accuracy``."""
        found = {"latency_ms": self.latency_ms}
        for target, scores in self.scores.items():
            for name in ("accuracy", "macro_f1", "expected_calibration_error", "log_loss"):
                found[f"{target}/{name}"] = getattr(scores, name)
            recall = zip(self.class_names(target), scores.recall, strict=True)
            found |= {f"{target}/recall_{name}": value for name, value in recall if not np.isnan(value)}
        return found


@dataclass(frozen=True)
class Check:
    """One condition of the gate, and whether it holds.

    Attributes
    ----------
    passed
        Whether it is as it has to be, or nothing could be said against it.
    reason
        What was found and what was expected, in words.
    left_out
        Nothing was compared: there are too few pictures to say anything.
    """

    passed: bool
    reason: str
    left_out: bool = False

    @property
    def result(self) -> str:
        """``passed``, ``failed`` or ``left out``."""
        return "left out" if self.left_out else "passed" if self.passed else "failed"


@dataclass(frozen=True, eq=False)
class Verdict:
    """The decision of the gate, with its checks and numbers.

    Attributes
    ----------
    challenger, champion
        Both models; no champion if there was none.
    checks
        Every condition, with its result.
    comparisons
        By target, the champion first.
    """

    challenger: Measurement
    champion: Measurement | None
    checks: tuple[Check, ...]
    comparisons: Mapping[Target, PairedComparison]

    @property
    def passed(self) -> bool:
        """Whether the challenger may become champion."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons of the failed checks; of the passed ones if none failed."""
        return tuple(check.reason for check in self.checks if check.passed == self.passed)

    def table(self) -> pd.DataFrame:
        """The checks, one line each: passed, reason."""
        return pd.DataFrame([(check.passed, check.reason) for check in self.checks], columns=["passed", "reason"])

    def metrics(self) -> dict[str, float]:
        """Every number of both models and of their comparison, by name."""
        found = {f"challenger/{name}": value for name, value in self.challenger.numbers().items()}
        if self.champion:
            found |= {f"champion/{name}": value for name, value in self.champion.numbers().items()}
        for target, comparison in self.comparisons.items():
            found |= {f"difference/{target}/{name}": float(value) for name, value in asdict(comparison).items()}
        return found


def judge(challenger: Measurement, champion: Measurement | None, settings: GateSettings, seed: int) -> Verdict:
    """Hold a challenger to the floors, and compare it with the champion if there is one.

    Parameters
    ----------
    challenger, champion
        Both measured on the same pictures; None if there is no champion.
    seed
        Seed of the bootstrap.
    """
    checks = list(_floors(challenger, settings.floors))
    comparisons: dict[Target, PairedComparison] = {}
    if champion is None:
        checks.append(Check(passed=True, reason="there is no champion yet: the floors alone decide."))
        return Verdict(challenger, None, tuple(checks), comparisons)
    checks += _kept_answers(challenger, champion, settings.change)
    for target in challenger.scores:
        if target in champion.scores:
            comparisons[target] = compare_paired(
                champion.predicted_classes[target], challenger.predicted_classes[target], challenger.labels[target],
                len(challenger.class_names(target)), draws=_DRAWS, confidence=1 - settings.change.alpha, seed=seed,
            )  # fmt: skip
    decisive = settings.change.target or next(iter(challenger.scores))
    if decisive in comparisons:
        checks.append(_required(decisive, comparisons[decisive], settings.change))
    else:
        checks.append(Check(passed=False, reason=_incomparable(decisive, challenger, champion)))
    for target, comparison in comparisons.items():
        checks += _not_worse(target, comparison, settings.change.alpha)
    return Verdict(challenger, champion, tuple(checks), comparisons)


def _kept_answers(challenger: Measurement, champion: Measurement, settings: ChangeSettings) -> Iterator[Check]:
    """Whether whoever asks the champion for a target gets an answer of the same classes from the challenger, too."""
    if not challenger.answered & champion.answered:
        # That nothing is compared is said by the check of the target that decides.
        return
    decisive = settings.target or next(iter(challenger.scores))
    for target in sorted(champion.answered - {decisive}, key=[*champion.scores, *champion.classes].index):
        if target not in challenger.answered:
            found = f"the champion answers for {target}, the challenger does not"
        elif set(champion.class_names(target)) != set(challenger.class_names(target)):
            found = _other_classes(target, challenger, champion)
        else:
            continue
        if target in settings.may_lack:
            yield Check(passed=True, reason=f"{found}, as registry.gate.change.may_lack allows.")
        else:
            yield Check(passed=False, reason=f"{found}; allow it with registry.gate.change.may_lack=[{target}].")


def _other_classes(target: Target, challenger: Measurement, champion: Measurement) -> str:
    one, other = (", ".join(each.class_names(target)) for each in (champion, challenger))
    return f"{target} is {one} to the champion, and {other} to the challenger"


def _incomparable(target: Target, challenger: Measurement, champion: Measurement) -> str:
    """Why the champion was not compared."""
    if target in champion.classes and target in challenger.scores:
        return (
            f"{_other_classes(target, challenger, champion)}: models of different classes are not compared, so that a "
            "person decides, `ferkit promote --force`."
        )
    if not set(champion.scores) & set(challenger.scores):
        one, other = (", ".join(each.classes or each.scores) for each in (champion, challenger))
        return (
            f"the champion answers for {one}, the challenger for {other}: nothing is compared, so that a person "
            "decides, `ferkit promote --force`."
        )
    return f"{target}, which decides, is not answered by both: set registry.gate.change.target."


def _floors(measurement: Measurement, floors: FloorSettings) -> Iterator[Check]:
    for target, scores in measurement.scores.items():
        for name, value, least in (
            ("accuracy", scores.accuracy, floors.accuracy),
            ("macro-F1", scores.macro_f1, floors.macro_f1),
        ):
            yield Check(value >= least, f"{target} {name} {value:.4f}, at least {least:g} is needed.")
        support = scores.confusion.sum(axis=1)
        held = [at for at, count in enumerate(support) if count >= floors.recall_pictures]
        if held:
            at = min(held, key=lambda each: scores.recall[each])
            value, name = scores.recall[at], measurement.class_names(target)[at]
            text = f"{target} recall of {name}, the lowest, {value:.4f}, at least {floors.recall:g} is needed."
            yield Check(value >= floors.recall, text)
        if few := [
            f"{name} ({count})"
            for name, count in zip(measurement.class_names(target), support, strict=True)
            if count < floors.recall_pictures
        ]:
            least = floors.recall_pictures
            text = f"{target} recall of {', '.join(few)} is not held to the floor: a class needs {least} pictures."
            yield Check(passed=True, reason=text, left_out=True)
        error, most = scores.expected_calibration_error, floors.expected_calibration_error
        yield Check(error <= most, f"{target} expected calibration error {error:.4f}, at most {most:g} is allowed.")
    text = f"latency {measurement.latency_ms:.1f} ms a face, at most {floors.latency_ms:g} ms are allowed."
    yield Check(measurement.latency_ms <= floors.latency_ms, text)


def _required(target: Target, comparison: PairedComparison, settings: ChangeSettings) -> Check:
    """Whether the one change that decides is there."""
    difference, low = (getattr(comparison, f"{settings.metric}{end}") for end in ("", "_low"))
    found = f"{target} {settings.metric} {_difference_words(comparison, settings.metric)}"
    if settings.require == "not_worse":
        return Check(low >= -settings.margin, f"{found}; lower by more than {settings.margin:g} has to be ruled out.")
    certain = comparison.p_value < settings.alpha if settings.metric == "accuracy" else low > 0
    better = difference > 0 and difference >= settings.least and certain
    needed = f"by at least {settings.least:g}, " if settings.least else ""
    return Check(better, f"{found}; it has to be higher, {needed}at the level {settings.alpha:g}.")


def _not_worse(target: Target, comparison: PairedComparison, alpha: float) -> Iterator[Check]:
    """Whether anything is lower by more than chance explains."""
    worse = comparison.accuracy < 0 and comparison.p_value < alpha
    yield Check(not worse, f"{target} accuracy {_difference_words(comparison, 'accuracy')}: it must not be lower.")
    yield Check(
        comparison.macro_f1_high >= 0,
        f"{target} macro-F1 {_difference_words(comparison, 'macro_f1')}: must not be lower.",
    )


def _difference_words(comparison: PairedComparison, metric: str) -> str:
    value, low, high = (getattr(comparison, f"{metric}{end}") for end in ("", "_low", "_high"))
    text = f"{value:+.4f} ({low:+.4f}..{high:+.4f}) against the champion"
    if metric == "accuracy":
        text += (
            f", right alone on {comparison.only_second} against {comparison.only_first} of {comparison.pictures} "
            f"pictures, McNemar p = {comparison.p_value:.3g}"
        )
    return text
