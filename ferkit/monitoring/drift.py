"""Whether a batch of pictures, and a model's predictions of them, is like what the model was trained on.

Each statistic is tested, Holm's correction keeps the chance of any false alarm below `DriftSettings.alpha`, and a
difference has to be large enough to matter, too: in a million faces every difference is significant. Faces of one video
or one picture are alike, which the tests do not know; the least sizes protect against that as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ferkit.bundles.card import MODELS, ModelName
from ferkit.data.dataset import FaceDataset
from ferkit.data.statistics import FACE_STATISTICS
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.inference.results import FaceTable, MadeWith
from ferkit.monitoring.profile import PredictionProfile, Profile, Sample, prediction_profile
from ferkit.settings import Settings

__all__ = ["Baseline", "Change", "DriftSettings", "Verdict", "drift", "drift_table"]

Verdict = Literal["moved", "slightly", "unclear", "same", ""]

# Statistics of a model's predictions.
_PREDICTION_STATISTICS = ("confidence", "entropy")
# Cells of a table that expect fewer are put together: the chi-square distribution would not hold (Cochran's rule).
_LEAST_EXPECTED = 5.0
# Added to each count before shares are divided, so that an emotion that never came has a distance, too.
_HALF = 0.5


def _answered_by(made_with: MadeWith) -> ModelName:
    """The model of its bundle that a batch was made by; earlier versions wrote whether it was the student."""
    named = next((each for each in MODELS if each == made_with.get("answers_by")), None)
    return named or ("tiny" if made_with.get("single") else "vote")


class DriftSettings(Settings):
    """Level and least effect sizes of the tests for drift.

    Attributes
    ----------
    alpha
        Chance that anything is said to have moved in a batch that is like the training data.
    least_ks
        Least Kolmogorov-Smirnov distance of a number: the largest difference of the shares below any value.
    least_psi
        Least population stability index of the emotions together; 0.1 is where credit scoring, from which it comes,
        begins to look (Siddiqi, "Credit Risk Scorecards", 2006).
    least_h
        Least difference of a share, as Cohen's h; 0.2 is "small" (Cohen, "Statistical Power Analysis", 1988, ch. 6).
    """

    alpha: float = Field(0.01, gt=0, lt=1)
    least_ks: float = Field(0.1, ge=0, le=1)
    least_psi: float = Field(0.1, ge=0)
    least_h: float = Field(0.2, ge=0)


@dataclass(frozen=True)
class Change:
    """One statistic of the training data and of a batch, with the test of their difference.

    Attributes
    ----------
    statistic
        What it is called.
    training, batch
        How it was, and how it is: the median and the middle 80 % of a number, or a share. Training is empty where it
        has no such statistic.
    measure
        KS (Kolmogorov-Smirnov), PSI (population stability index) or h (Cohen's), the scale of `distance`.
    distance
        How far apart both are.
    p
        p-value of the test, after Holm's correction.
    verdict
        ``moved``: significant and large enough. ``slightly``: significant, but too small to matter. ``unclear``: large,
        but the batch is too small to tell it from chance. ``same``: neither. Empty where there is nothing to compare.
    """

    statistic: str
    training: str
    batch: str
    measure: str = ""
    distance: float = 0.0
    p: float = 1.0
    verdict: Verdict = ""


@dataclass(frozen=True)
class Baseline:
    """The distributions that a batch is compared with; what is not known of them is empty.

    Attributes
    ----------
    numbers
        Distributions by name.
    emotions
        How often each emotion was the most probable one.
    faceless
        Pictures without a face, and all pictures.
    """

    numbers: Mapping[str, Sample]
    emotions: Mapping[str, int]
    faceless: tuple[int, int] | None = None

    @classmethod
    def of_table(cls, table: FaceTable) -> Self:
        """The distributions of a batch.

        Raises
        ------
        DataError
            If there is no face in it.
        """
        faces = table.faces
        if not len(faces):
            raise DataError(f"{table.name}: no face in {len(table.pictures):,} pictures, nothing to compare.")
        columns = {name: faces[name].to_numpy(dtype=np.float64) for name in (*FACE_STATISTICS, "score")}
        columns["face size"] = faces[["width", "height"]].max(axis=1).to_numpy(dtype=np.float64)
        predictions = prediction_profile(table.probabilities, table.classes)
        numbers = {name: Sample.of(values) for name, values in columns.items()}
        numbers |= {"confidence": predictions.confidence, "entropy": predictions.entropy}
        return cls(numbers, predictions.emotions, (int((~table.pictures).sum()), len(table.pictures)))

    @classmethod
    def of_profile(cls, profile: Profile, table: FaceTable) -> Self:
        """The distributions of a model's training data, for a batch of the same target.

        The model's predictions are left out if the batch was made by another one, or is of other classes. Sizes in
        pixels and scores of a detector are left out: the pictures of training are crops, whose detector nobody knows.
        """
        answers = profile.answers.get(_answered_by(table.made_with), {})
        # A CSV file of own classes does not say their target.
        targets = [table.target] if table.target else [name for name in answers if _is_of(answers[name], table)]
        predictions = next((answers[name] for name in targets if name in answers), None)
        known = predictions is not None and _is_of(predictions, table)
        if predictions is None or not known or table.made_with.get("model", profile.model) != profile.model:
            return cls(profile.pictures, {})
        return cls(
            {**profile.pictures, "confidence": predictions.confidence, "entropy": predictions.entropy},
            predictions.emotions,
        )

    def without_predictions(self) -> Self:
        """The same distributions without those of a model's predictions."""
        numbers = {name: each for name, each in self.numbers.items() if name not in _PREDICTION_STATISTICS}
        return replace(self, numbers=numbers, emotions={})

    @classmethod
    def of_faces(cls, faces: FaceDataset, target: TargetSettings) -> Self:
        """The distributions of the pictures of Training and their labels, without any model.

        Raises
        ------
        DataError
            If there is no picture for Training, or none with a label for the target.
        """
        _, labels = labelled(faces.of_split("Training"), target)
        counts = np.bincount(labels.argmax(axis=1), minlength=labels.shape[1])
        emotions = dict(zip(target.class_names(faces.classes), counts.tolist(), strict=True))
        return cls(Profile.of_pictures(faces).pictures, emotions)


def drift(batch: FaceTable, baseline: Baseline, settings: DriftSettings | None = None) -> list[Change]:
    """Compare a batch with what its model was trained on, statistic by statistic.

    Raises
    ------
    DataError
        If there is no face in the batch.
    """
    settings = settings or DriftSettings()
    now = Baseline.of_table(batch)
    changes = [
        _number(name, baseline.numbers.get(name), now.numbers[name])
        for name in (*FACE_STATISTICS, "face size", "score", *_PREDICTION_STATISTICS)
    ]
    changes.append(_share("pictures without a face", baseline.faceless, now.faceless))
    total, total_now = sum(baseline.emotions.values()), sum(now.emotions.values())
    changes.append(_emotions(baseline.emotions, now.emotions, batch.classes))
    for name in batch.classes:
        before = (baseline.emotions[name], total) if total else None
        changes.append(_share(name, before, (now.emotions[name], total_now)))
    return _judged(changes, settings)


def _is_of(predictions: PredictionProfile, table: FaceTable) -> bool:
    """Whether predictions are of the classes of a table."""
    return set(predictions.emotions) == set(table.classes)


def drift_table(changes: Sequence[Change]) -> pd.DataFrame:
    """A row a statistic, with the columns of `Change`."""
    return pd.DataFrame([vars(change) for change in changes])


def _number(name: str, before: Sample | None, now: Sample) -> Change:
    if before is None:
        return Change(name, "", _middle(now))
    distance = _kolmogorov_smirnov(before, now)
    return Change(name, _middle(before), _middle(now), "KS", distance, _ks_p(distance, before.count, now.count))


def _share(name: str, before: tuple[int, int] | None, now: tuple[int, int] | None) -> Change:
    words = _percent(now) if now else ""
    if before is None or now is None:
        return Change(name, "", words)
    shares = [count / total for count, total in (before, now)]
    distance = abs(2 * np.arcsin(np.sqrt(shares[1])) - 2 * np.arcsin(np.sqrt(shares[0])))
    counts = np.array([[count, total - count] for count, total in (before, now)])
    return Change(name, _percent(before), words, "h", float(distance), _chi_square_p(counts))


def _emotions(before: Mapping[str, int], now: Mapping[str, int], names: Sequence[str]) -> Change:
    counts = np.array([[each.get(name, 0) for name in names] for each in (before, now)])
    if not counts.sum(axis=1).all():
        return Change("emotions together", "", f"{counts[1].sum():,} faces")
    shares = (counts + _HALF) / (counts + _HALF).sum(axis=1, keepdims=True)
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    words = [f"{total:,} faces" for total in counts.sum(axis=1)]
    return Change("emotions together", words[0], words[1], "PSI", index, _chi_square_p(_put_together(counts)))


def _judged(changes: Sequence[Change], settings: DriftSettings) -> list[Change]:
    """`changes` with verdicts and corrected p (Holm, "A simple sequentially rejective multiple test procedure")."""
    least = {"KS": settings.least_ks, "PSI": settings.least_psi, "h": settings.least_h}
    judged = list(changes)
    tested = sorted((index for index, each in enumerate(changes) if each.measure), key=lambda index: changes[index].p)
    corrected = 0.0
    for rank, index in enumerate(tested):
        change = changes[index]
        corrected = min(1.0, max(corrected, change.p * (len(tested) - rank)))
        significant, large = corrected < settings.alpha, change.distance >= least[change.measure]
        verdict: Verdict = ("moved" if large else "slightly") if significant else ("unclear" if large else "same")
        judged[index] = replace(change, p=corrected, verdict=verdict)
    return judged


def _kolmogorov_smirnov(one: Sample, other: Sample) -> float:
    knots = np.union1d(one.quantiles, other.quantiles)
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    return max(float(np.abs(one.cumulative(knots, side) - other.cumulative(knots, side)).max()) for side in sides)


def _ks_p(distance: float, one: int, other: int) -> float:
    """As `scipy.stats.ks_2samp` has it for large samples."""
    from scipy import stats

    return float(stats.kstwo.sf(distance, max(1, round(one * other / (one + other)))))


def _chi_square_p(counts: NDArray[np.int_]) -> float:
    """Of two rows of counts having the same shares; 1 if there is but one column with any."""
    from scipy import stats

    seen = counts[:, counts.sum(axis=0) > 0]
    if seen.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(seen).pvalue)


def _put_together(counts: NDArray[np.int_]) -> NDArray[np.int_]:
    """`counts` (2, classes) with all classes in one that are too rare to be tested alone."""
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < _LEAST_EXPECTED
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])


def _middle(sample: Sample) -> str:
    low, middle, high = (_short(sample.quantile(share)) for share in (0.1, 0.5, 0.9))
    return f"{middle} ({low} to {high})"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"


def _percent(share: tuple[int, int]) -> str:
    return f"{100 * share[0] / share[1]:.1f} %"
