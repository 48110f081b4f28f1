"""What a network is trained to tell apart: the classes of a target, as distributions over pictures."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from ferkit.data.class_names import class_key
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import DECLARED_TARGETS, FER_EMOTIONS, TARGET_NAME, Protocol, votes_on_fer, votes_to_labels
from ferkit.errors import DataError
from ferkit.settings import Settings

__all__ = ["TargetSettings", "labelled", "pictures_left_out", "with_votes"]


class TargetSettings(Settings):
    """One target of a run: its classes, and what each class of the data is among them.

    ``fer`` and ``ferplus`` are declared in `ferkit.data.labels`. Any other name is a target of its own, with the
    classes that are given here or else those of the data. A class of the data stands for the class of the target that
    is called like it, whatever the case, and however emotions are called (anger, angry); `map` says otherwise.

    Attributes
    ----------
    name
        ``fer``: the 7 emotions of FER-2013. ``ferplus``: the 8 of FER+, from its votes. Or a name of your own.
    classes
        Of a target with a name of its own, in the order of a network's outputs. If empty, those of the data in its
        order, after `map`.
    map
        By the name of a class of the data the class of the target that it stands for, or null to leave its pictures
        out.
    train_on
        Labels that a ``ferplus`` network learns from: ``probability`` is cross-entropy on the distribution of the
        votes, ``majority`` on their one label; ``multi_target`` takes all emotions with at least 30 % of the votes for
        equally right: the loss is minus the logarithm of the largest probability among them (multi-label learning in
        Barsoum et al. 2016, arXiv:1608.01041). Others have one label a picture.
    protocol
        How FER+ labels are made for selection and evaluation. A FER+ number means nothing without it.
    votes
        Share of FER+'s votes in the labels that a ``fer`` network learns, see `with_votes`; the rest is FER-2013's own
        label. They are further annotation of its pictures: say beside a number for FER that they were used.

    Examples
    --------
    >>> target = TargetSettings(name="mood", map={"angry": "bad", "sad": "bad", "happy": "good", "surprise": None})
    >>> target.class_names(("angry", "happy", "sad", "surprise"))
    ('bad', 'good')
    """

    name: str = Field("fer", pattern=TARGET_NAME, max_length=40)
    classes: tuple[str, ...] | None = Field(None, min_length=2, max_length=127)
    map: dict[str, str | None] = Field(default_factory=dict)
    train_on: Literal["probability", "majority", "multi_target"] = "probability"
    protocol: Protocol = "majority"
    votes: float = Field(0.0, ge=0, le=1)

    @property
    def multi_label(self) -> bool:
        """Whether every class with a label above 0 is as right as the others."""
        return self.train_on == "multi_target"

    @field_validator("map", mode="before")
    @classmethod
    def _names_as_text(cls, wanted: Any) -> Any:
        """YAML reads a class that is called 0 as a number."""
        return {str(name): each for name, each in wanted.items()} if isinstance(wanted, dict) else wanted

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        declared = DECLARED_TARGETS.get(self.name)
        if declared and self.classes is not None:
            raise ValueError(f"{self.name} has the classes {', '.join(declared.classes)}: give others another name.")
        if declared and declared.from_votes and self.map:
            raise ValueError(f"{self.name} has its labels from FER+'s votes, which map does not change; drop map.")
        known = declared.classes if declared else self.classes
        if known is None:
            return self
        if len({class_key(name) for name in known}) < len(known) or not all(name.strip() for name in known):
            raise ValueError(f"classes {list(known)}: expected different names, none of them empty.")
        keys = {class_key(name) for name in known}
        for name, wanted in self.map.items():
            if wanted is not None and class_key(wanted) not in keys:
                raise ValueError(f"map {name}: {wanted!r} is none of {self.name}'s classes {', '.join(known)}.")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what says nothing: networks and results of before are kept under what this is written as."""
        content: dict[str, Any] = write(self)
        empty: dict[str, Any] = {"classes": None, "map": {}, "votes": 0.0}
        return {name: value for name, value in content.items() if name not in empty or value != empty[name]}

    @property
    def from_votes(self) -> bool:
        """Whether its labels are made of FER+'s votes, and not of the labels of the data."""
        return self.name in DECLARED_TARGETS and DECLARED_TARGETS[self.name].from_votes

    @property
    def labels(self) -> str:
        """Where its labels come from, as tables of scores say it."""
        declared = DECLARED_TARGETS.get(self.name)
        if declared is None:
            return "own"
        return declared.labels or f"FER+ {self.protocol}"

    def class_names(self, data: Sequence[str] = FER_EMOTIONS) -> tuple[str, ...]:
        """Names of its classes in the order of a network's outputs; `data` are those of the data set."""
        if self.name in DECLARED_TARGETS:
            return DECLARED_TARGETS[self.name].classes
        if self.classes is not None:
            return self.classes
        wanted = self._wanted(data)
        names = tuple(dict.fromkeys(name for name in (wanted.get(each, each) for each in data) if name is not None))
        if len(names) < 2:
            raise DataError(f"target {self.name}: {len(names)} classes, {list(names)}; expected at least 2.")
        return names

    def index_of(self, data: Sequence[str]) -> NDArray[np.int64]:
        """(classes of the data,) int64: which of its classes each stands for, -1 for one that is left out.

        Raises
        ------
        DataError
            If a class of the data stands for none, or `map` names one that the data does not have.
        """
        names, wanted = self.class_names(data), self._wanted(data)
        place = {class_key(name): index for index, name in enumerate(names)}
        found = np.full(len(data), -1, dtype=np.int64)
        for at, name in enumerate(data):
            stands_for = wanted.get(name, name)
            if stands_for is None:
                continue
            if class_key(stands_for) not in place:
                raise DataError(
                    f"target {self.name}: the data has the class {name!r}, which is none of {', '.join(names)}: say in "
                    f"targets.{self.name}.map which of them it is, or null to leave its pictures out, "
                    f"{{{name}: null}}; or give a target with a name of its own, which takes the classes of the data."
                )
            found[at] = place[class_key(stands_for)]
        return found

    def _wanted(self, data: Sequence[str]) -> dict[str, str | None]:
        """`map` by the names that the data has."""
        of_key = {class_key(name): name for name in data}
        unknown = [name for name in self.map if name not in data and class_key(name) not in of_key]
        if unknown:
            raise DataError(
                f"target {self.name}: map names {', '.join(unknown)}, but the classes of the data are "
                f"{', '.join(data)}; drop it."
            )
        return {name if name in data else of_key[class_key(name)]: value for name, value in self.map.items()}


def labelled(
    faces: FaceDataset, target: TargetSettings, protocol: Protocol | None = None
) -> tuple[FaceDataset, NDArray[np.float32]]:
    """The pictures that have a label for `target`, and their labels.

    Parameters
    ----------
    protocol
        How FER+ labels are made; that of the target if not given.

    Returns
    -------
    faces
        The K pictures that the protocol keeps, in order; for a target whose labels are those of the data, all but the
        pictures of the classes that it leaves out.
    distribution : (K, classes) float32
        Rows sum to one; one-hot where there is one label.

    Raises
    ------
    DataError
        If ``ferplus`` is asked of pictures without FER+ votes, or the data has a class that the target does not know.

    Examples
    --------
    >>> from ferkit.sources.synthetic.generate import SyntheticSettings, generate
    >>> faces = generate(SyntheticSettings(count=200)).faces
    >>> pictures, labels = labelled(faces, TargetSettings(name="ferplus"))
    >>> len(pictures) < len(faces), labels.shape == (len(pictures), 8)
    (True, True)
    """
    if target.from_votes:
        if faces.votes is None:
            raise DataError(
                f"target {target.name!r} needs FER+ votes: put fer2013new.csv beside fer2013.csv, or drop the target."
            )
        labels = votes_to_labels(faces.votes, protocol or target.protocol)
        return faces.take(labels.keep), labels.distribution[labels.keep]
    index = target.index_of(faces.classes)
    label = index[faces.label]
    kept = label >= 0
    distribution = np.eye(len(target.class_names(faces.classes)), dtype=np.float32)
    return (faces, distribution[label]) if kept.all() else (faces.take(kept), distribution[label[kept]])


def pictures_left_out(faces: FaceDataset, target: TargetSettings) -> dict[str, int]:
    """How many pictures of each class of the data `target` leaves out because its `map` says so."""
    index = target.index_of(faces.classes) if target.map else np.zeros(len(faces.classes), dtype=np.int64)
    counts = np.bincount(faces.label, minlength=len(faces.classes))
    return {name: int(counts[at]) for at, name in enumerate(faces.classes) if index[at] < 0}


def with_votes(faces: FaceDataset, labels: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """FER labels of `faces`, smoothed by how the taggers of FER+ disagree about each picture.

    Parameters
    ----------
    faces : of N pictures
        With FER+ votes.
    labels : (N, 7) float32
        Rows sum to one.
    share
        Of the votes, as distributions over FER's emotions; 0 to 1. A picture without any keeps its label.

    Returns
    -------
    (N, 7) float32
        Rows sum to one.

    Raises
    ------
    DataError
        If the pictures have no FER+ votes.
    """
    if faces.votes is None:
        raise DataError(
            f"targets.fer.votes {share:g} needs FER+ votes: put fer2013new.csv beside fer2013.csv, or drop the setting."
        )
    votes = votes_on_fer(faces.votes)
    known = votes.any(axis=1, keepdims=True)
    return np.asarray(np.where(known, labels + share * (votes - labels), labels), dtype=np.float32)
