"""What each row of a synthetic data set will be: its split, label, expression, and what is wrong with it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS, FERPLUS_TO_FER
from ferkit.sources.synthetic.annotation import misread, plausible_contempt
from ferkit.sources.synthetic.non_faces import NON_FACE_KINDS

__all__ = ["Plan", "make_plan"]

# Pictures of each of FER_EMOTIONS in the Training split of FER-2013.
_FER_COUNTS: Final = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965])
_LEAST_IN_SPLIT: Final = 2
_LEAST_OF_KIND: Final = 4
_CONTEMPT_SHARE: Final = 0.015
_CONFLICTING_SHARE: Final = 0.125
# FER-2013: 594 of its 1,855 duplicates lie in PublicTest or PrivateTest and repeat another split.
_ACROSS_SPLITS_SHARE: Final = 0.32
_CONTEMPT: Final = FERPLUS_EMOTIONS.index("contempt")


@dataclass(frozen=True, eq=False)
class Plan:
    """One entry for each row.

    Attributes
    ----------
    split, label : (N,) int8
        As in `ferkit.data.dataset.FaceDataset`.
    expression : (N,) int8
        Index into `ferkit.data.labels.FERPLUS_EMOTIONS`, -1 for a picture that is no face.
    kind : (N,) str
        Kind of a picture that is no face, else empty.
    copy_of : (N,) int64
        Earlier row whose picture this one repeats, -1 for none.
    """

    split: NDArray[np.int8]
    label: NDArray[np.int8]
    expression: NDArray[np.int8]
    kind: NDArray[np.str_]
    copy_of: NDArray[np.int64]


def make_plan(count: int, label_noise: float, duplicates: float, non_faces: float, rng: np.random.Generator) -> Plan:
    """Decide every row; the shares are of `count`, see `ferkit.sources.synthetic.generate.SyntheticSettings`."""
    test = round(0.1 * count)
    sizes = (count - 2 * test, test, test)
    split = np.repeat(np.arange(3, dtype=np.int8), sizes)
    label = np.concatenate([rng.permutation(_class_quota(size)) for size in sizes]).astype(np.int8)
    expression = _expression_of(label)
    kind = np.full(count, "", dtype="U16")
    copy_of = np.full(count, -1, dtype=np.int64)

    # The first pictures of a class in a split stay right, so that no class of any split is lost to cleaning.
    free = rng.permutation(np.flatnonzero(~_first_of_class(split, label)))
    if non_faces > 0:
        each = max(_LEAST_OF_KIND, round(non_faces * count / len(NON_FACE_KINDS)))
        rows, free = np.split(free, [each * len(NON_FACE_KINDS)])
        expression[rows], kind[rows] = -1, np.resize(NON_FACE_KINDS, len(rows))

    copies = _rows_of_copies(free, split, round(duplicates * count), rng)
    free = free[~np.isin(free, copies)]
    _disguise_contempt(expression, label, free, round(_CONTEMPT_SHARE * count), rng)
    candidates = free[expression[free] != _CONTEMPT]
    wrong = candidates[: round(label_noise * (expression >= 0).sum())]
    for row in wrong:
        expression[row] = misread(int(expression[row]), rng)
    _copy(copies, label, split, expression, copy_of, conflicts=label_noise > 0, rng=rng)
    return Plan(split, label, expression, kind, copy_of)


def _class_quota(size: int) -> NDArray[np.int64]:
    """`size` labels in FER-2013's proportions, at least two of each."""
    spare = size - _LEAST_IN_SPLIT * len(_FER_COUNTS)
    wanted = np.maximum(_FER_COUNTS / _FER_COUNTS.sum() * size - _LEAST_IN_SPLIT, 0)
    wanted *= spare / wanted.sum()
    counts = np.floor(wanted).astype(np.int64)
    remainder = np.argsort(counts - wanted, kind="stable")[: spare - counts.sum()]
    counts[remainder] += 1
    return np.repeat(np.arange(len(_FER_COUNTS)), counts + _LEAST_IN_SPLIT)


def _expression_of(label: NDArray[np.int8]) -> NDArray[np.int8]:
    """FER+'s index of each FER label."""
    to_ferplus = np.array([np.flatnonzero(each == FERPLUS_TO_FER)[0] for each in range(len(FER_EMOTIONS))])
    return to_ferplus[label].astype(np.int8)


def _first_of_class(split: NDArray[np.int8], label: NDArray[np.int8]) -> NDArray[np.bool_]:
    first = np.zeros(len(label), dtype=np.bool_)
    for part in range(3):
        for emotion in range(len(FER_EMOTIONS)):
            first[np.flatnonzero((split == part) & (label == emotion))[:_LEAST_IN_SPLIT]] = True
    return first


def _rows_of_copies(
    free: NDArray[np.int64], split: NDArray[np.int8], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which rows repeat a picture: in the test splits as often as in FER-2013, the others in Training."""
    across = free[split[free] > 0][: round(_ACROSS_SPLITS_SHARE * count)]
    within = free[split[free] == 0][: count - len(across)]
    return rng.permutation(np.concatenate([across, within]))


def _disguise_contempt(
    expression: NDArray[np.int8], label: NDArray[np.int8], free: NDArray[np.int64], count: int, rng: np.random.Generator
) -> None:
    """Make contempt of some faces, by their labels as often as such a face would carry each."""
    odds = (plausible_contempt() / _FER_COUNTS)[label[free]]
    expression[rng.choice(free, size=count, replace=False, p=odds / odds.sum())] = _CONTEMPT


def _copy(
    copies: NDArray[np.int64],
    label: NDArray[np.int8],
    split: NDArray[np.int8],
    expression: NDArray[np.int8],
    copy_of: NDArray[np.int64],
    conflicts: bool,
    rng: np.random.Generator,
) -> None:
    """Choose an earlier Training face for each row of `copies`, some of them of another label."""
    conflicting = round(_CONFLICTING_SHARE * len(copies)) if conflicts else 0
    for number, row in enumerate(copies):
        originals = np.flatnonzero((expression >= 0) & (split == 0) & (np.arange(len(label)) < row))
        originals = originals[~np.isin(originals, copies)]
        same = label[originals] == label[row]
        chosen = originals[~same if number < conflicting else same]
        if len(chosen):
            copy_of[row] = rng.choice(chosen)
            expression[row] = expression[copy_of[row]]
