"""The targets whose classes are known without any data, `fer` and `ferplus`, and the protocols of FER+'s votes.

A target is what a network learns to tell apart. Any other than these two has the classes that
`ferkit.data.targets.TargetSettings` gives it, or those of the data.

FER-2013: Goodfellow et al., "Challenges in Representation Learning", 2013, arXiv:1307.0414.
FER+: Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", ICMI 2016, arXiv:1608.01041. The protocols below follow the authors' published reader
(microsoft/FERPlus, src/ferplus.py, `_process_data`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import DataError

__all__ = [
    "DECLARED_TARGETS",
    "FERPLUS_EMOTIONS",
    "FERPLUS_TO_FER",
    "FERPLUS_VOTES",
    "FER_EMOTIONS",
    "SPLITS",
    "TARGET_NAME",
    "Protocol",
    "Split",
    "Target",
    "TargetDeclaration",
    "VoteLabels",
    "class_names",
    "names_of_outputs",
    "votes_on_fer",
    "votes_to_labels",
]

# Name of a target, such as fer, and what it may look like.
Target = str
TARGET_NAME = r"^[a-z][a-z0-9_]*$"
Split = Literal["Training", "PublicTest", "PrivateTest"]
Protocol = Literal["majority", "majority_7", "probability", "multi_target", "argmax"]

SPLITS: tuple[Split, ...] = ("Training", "PublicTest", "PrivateTest")
FER_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FERPLUS_EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
FERPLUS_VOTES = (*FERPLUS_EMOTIONS, "unknown", "NF")

# FER's index of each FER+ emotion; contempt has none.
FERPLUS_TO_FER = np.array([6, 3, 5, 4, 0, 1, 2, -1], dtype=np.int8)

_EMOTION_COUNT = len(FERPLUS_EMOTIONS)
_CONTEMPT = FERPLUS_EMOTIONS.index("contempt")


@dataclass(frozen=True)
class TargetDeclaration:
    """What is known of a target before any data is read.

    Attributes
    ----------
    classes
        In the order of a network's outputs.
    from_votes
        Its labels are made of FER+'s votes, not of `FaceDataset.label`.
    labels
        Where its labels come from, as tables of scores say it; None if a protocol says more.
    heading
        What tables of scores are headed with.
    """

    classes: tuple[str, ...]
    from_votes: bool = False
    labels: str | None = None
    heading: str = ""


DECLARED_TARGETS = {
    "fer": TargetDeclaration(FER_EMOTIONS, labels="FER-2013", heading="FER-2013's labels"),
    "ferplus": TargetDeclaration(FERPLUS_EMOTIONS, from_votes=True, heading="FER+'s labels"),
}


def class_names(target: Target) -> tuple[str, ...]:
    """Names of the classes of a declared target, in the order of a network's outputs.

    Of any other, whoever has its settings, predictions or training set asks those: they hold the names.

    Raises
    ------
    DataError
        If the target is not one of `DECLARED_TARGETS`.

    Examples
    --------
    >>> class_names("fer")
    ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
    """
    if target not in DECLARED_TARGETS:
        known = ", ".join(DECLARED_TARGETS)
        raise DataError(f"target {target!r}: its classes are not known here, expected one of {known}.")
    return DECLARED_TARGETS[target].classes


def names_of_outputs(target: Target, count: int) -> tuple[str, ...]:
    """Names of the classes of a network that comes without any: those of a declared target, or their numbers.

    Examples
    --------
    >>> names_of_outputs("mood", 3)
    ('0', '1', '2')
    """
    declared = DECLARED_TARGETS.get(target)
    return declared.classes if declared and len(declared.classes) == count else tuple(map(str, range(count)))


@dataclass(frozen=True)
class VoteLabels:
    """FER+ labels under one protocol.

    Attributes
    ----------
    keep : (N,) bool
        False for a picture that the protocol leaves out.
    distribution : (N, 8) float32
        Probability of each of `FERPLUS_EMOTIONS`; rows that are kept sum to one, the others are zero.
    """

    keep: NDArray[np.bool_]
    distribution: NDArray[np.float32]

    @property
    def label(self) -> NDArray[np.int8]:
        """(N,) int8: the most probable emotion, -1 where the picture is left out."""
        return np.where(self.keep, self.distribution.argmax(axis=1), -1).astype(np.int8)


def votes_to_labels(votes: NDArray[np.uint8], protocol: Protocol) -> VoteLabels:
    """Turn tagger votes into labels as FER+'s authors do.

    Parameters
    ----------
    votes : (N, 10) uint8
        Votes in the order of `FERPLUS_VOTES`.
    protocol
        ``majority``: single votes are dropped as outliers, then one emotion needs more than half of what is left.
        ``majority_7``: the same, without the pictures whose majority is contempt.
        ``probability``: the distribution of the up to three emotions that carry most of the votes.
        ``multi_target``: every emotion with at least 30 % of the votes.
        ``argmax``: the emotion with the most votes, whatever its share; the first one of a tie.

        Pictures whose largest share is unknown or not a face (NF) are left out by each.

    Examples
    --------
    Eight of ten taggers say happiness, one neutral and one surprise: single votes are outliers.

    >>> import numpy as np
    >>> labels = votes_to_labels(np.array([[1, 8, 1, 0, 0, 0, 0, 0, 0, 0]], np.uint8), "majority")
    >>> FERPLUS_EMOTIONS[labels.label[0]], float(labels.distribution[0].max())
    ('happiness', 1.0)
    """
    if votes.ndim != 2 or votes.shape[1] != len(FERPLUS_VOTES):
        raise DataError(f"FER+ votes of shape {votes.shape}, expected (rows, {len(FERPLUS_VOTES)}): {FERPLUS_VOTES}.")
    raw = votes.astype(np.float64)
    if protocol == "argmax":
        part = np.where(np.arange(raw.shape[1]) == raw.argmax(axis=1)[:, None], raw, 0.0)
    else:
        raw[raw <= 1] = 0.0
        if protocol in ("majority", "majority_7"):
            part = _majority(raw)
        elif protocol == "probability":
            part = _probability(raw)
        else:
            part = _multi_target(raw)
    keep = (part.sum(axis=1) > 0) & (part.argmax(axis=1) < _EMOTION_COUNT)
    if protocol == "majority_7":
        keep &= part.argmax(axis=1) != _CONTEMPT
    emotions = np.where(keep[:, None], part[:, :_EMOTION_COUNT], 0.0)
    total = emotions.sum(axis=1, keepdims=True)
    return VoteLabels(keep, np.divide(emotions, total, out=np.zeros_like(emotions), where=total > 0).astype(np.float32))


def votes_on_fer(votes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How the taggers' votes spread over FER's emotions.

    Single votes are dropped as outliers, as FER+'s authors do; so are votes for contempt, unknown and not a face.

    Parameters
    ----------
    votes : (N, 10) uint8
        In the order of `FERPLUS_VOTES`.

    Returns
    -------
    (N, 7) float32
        In the order of `FER_EMOTIONS`; rows sum to one, or are zero where no vote is left.

    Examples
    --------
    >>> votes_on_fer(np.array([[0, 6, 2, 1, 0, 0, 0, 1, 0, 0]], np.uint8))[0].tolist()
    [0.0, 0.0, 0.0, 0.75, 0.0, 0.25, 0.0]
    """
    counted = np.where(votes > 1, votes, 0).astype(np.float64)[:, :_EMOTION_COUNT]
    known = FERPLUS_TO_FER >= 0
    spread = np.zeros((len(votes), len(FER_EMOTIONS)))
    spread[:, FERPLUS_TO_FER[known]] = counted[:, known]
    total = spread.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(spread, total, out=np.zeros_like(spread), where=total > 0), dtype=np.float32)


def _majority(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    top = raw.argmax(axis=1)
    wins = raw.max(axis=1) > 0.5 * raw.sum(axis=1)
    return np.where((np.arange(raw.shape[1]) == top[:, None]) & wins[:, None], raw, 0.0)


def _probability(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole groups of equally voted emotions, largest first, until they hold 75 % of the votes or there are three."""
    out = np.zeros_like(raw)
    for index, row in enumerate(raw):
        left, taken, total = row.copy(), np.zeros_like(row), row.sum()
        count, valid = 0, True
        while taken.sum() < 0.75 * total and count < 3 and valid:
            largest = left.max()
            for emotion in np.flatnonzero(left == largest):
                taken[emotion] = largest
                left[emotion] = 0.0
                count += 1
                if emotion >= _EMOTION_COUNT:
                    valid = False
                    if taken.sum() > largest:
                        taken[emotion] = 0.0
                        count -= 1
                    break
        if taken.sum() > 0.5 * total and count <= 3:
            out[index] = taken
    return out


def _multi_target(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    total = raw.sum(axis=1, keepdims=True)
    part = np.where((raw >= 0.3 * total) & (total > 0), raw, 0.0)
    return np.where(part.sum(axis=1, keepdims=True) > 0.5 * total, part, 0.0)
