"""The profile of a model's training pictures and predictions, with which later batches are compared.

``profile.json`` lies beside the networks. It holds quantiles and counts, no picture.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import CARD, ModelName
from ferkit.data.dataset import FaceDataset
from ferkit.data.input_card import InputCard
from ferkit.data.labels import Target
from ferkit.data.picture_blocks import blocks
from ferkit.data.statistics import face_statistics
from ferkit.errors import DataError
from ferkit.models.face_model import TargetProbabilities
from ferkit.settings import Settings, read_json

__all__ = ["PROFILE", "PredictionProfile", "Profile", "Sample", "bundle_sha256", "prediction_profile", "write_profile"]

PROFILE = "profile.json"

# Of a sample, this many quantiles are kept, evenly spaced from its least to its greatest value.
_QUANTILES = 201
_DIGITS = 5


class Sample(Settings):
    """Distribution of a number, as quantiles.

    Attributes
    ----------
    count
        How many there were.
    quantiles
        From the least to the greatest, evenly spaced.
    """

    count: int = Field(ge=1)
    quantiles: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        if (np.diff(self.quantiles) < 0).any():
            raise ValueError("quantiles that are not sorted.")
        return self

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """Summarise numbers (N,), of which there is at least one."""
        found = np.quantile(values.astype(np.float64), np.linspace(0, 1, _QUANTILES))
        return cls(count=len(values), quantiles=tuple(float(f"{value:.{_DIGITS}g}") for value in found))

    def cumulative(self, values: NDArray[np.floating], side: Literal["left", "right"]) -> NDArray[np.float64]:
        """Share of the sample that is less than each value; with side ``right``, or equal to it."""
        knots = np.asarray(self.quantiles)
        last = len(knots) - 1
        at = np.searchsorted(knots, values, side)
        below, above = knots[np.clip(at - 1, 0, last)], knots[np.clip(at, 0, last)]
        wide = np.where(above > below, above - below, 1.0)
        part = np.clip((values - below) / wide, 0, 1)
        return np.where(at == 0, 0.0, np.where(at > last, 1.0, (at - 1 + part) / last))

    def quantile(self, share: float) -> float:
        """The value that this share of the sample does not exceed."""
        return float(np.interp(share, np.linspace(0, 1, len(self.quantiles)), self.quantiles))


class PredictionProfile(Settings):
    """Distribution of a model's predictions over pictures.

    Attributes
    ----------
    emotions
        How often each was the most probable one.
    confidence
        Probability of the most probable emotion.
    entropy
        Entropy of the probabilities, in nats.
    """

    emotions: dict[str, int]
    confidence: Sample
    entropy: Sample


class Profile(Settings):
    """The content of ``profile.json``.

    Attributes
    ----------
    format
        Version of the file's format.
    model
        sha256 of the ``reference.json`` that it belongs to; empty where there is no model.
    pictures
        Distribution of each face statistic (brightness, contrast, ...) over the pictures of Training.
    answers
        Predictions of PublicTest by each model of the bundle, by target.
    """

    format: Literal[2] = 2
    model: str = ""
    pictures: dict[str, Sample]
    answers: dict[ModelName, dict[Target, PredictionProfile]] = Field({})

    @model_validator(mode="before")
    @classmethod
    def _of_format_1(cls, content: Any) -> Any:
        """Format 1 had predictions of an ensemble and of a student."""
        if not isinstance(content, dict) or content.get("format") != 1:
            return content
        answers = {"vote": content.get("answers") or {}, "tiny": content.get("single_answers") or {}}
        rest = {key: value for key, value in content.items() if key != "single_answers"}
        return {**rest, "format": 2, "answers": {model: each for model, each in answers.items() if each}}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``profile.json`` in `folder`.

        Raises
        ------
        DataError
            If there is none, or it is not one that this version of ferkit reads.
        """
        return read_json(
            folder / PROFILE,
            cls,
            DataError,
            missing="no such file, so nothing says what this model was trained on; export or register it again, or "
            "name a configuration or an earlier table: --against.",
            damaged="not a profile that this ferkit reads: {problem}",
        )

    @classmethod
    def of_pictures(cls, faces: FaceDataset, taken: InputCard | None = None) -> Self:
        """The profile of the pictures of Training alone, without any model.

        Parameters
        ----------
        taken
            The pictures that a model takes, and whose statistics a table of its answers holds; as they are if None.

        Raises
        ------
        DataError
            If there is none.
        """
        images = faces.of_split("Training").images
        if not len(images):
            raise DataError("no picture for Training, so there is nothing that a batch could be held against.")
        parts = [face_statistics(block) for _, block in blocks(images if taken is None else taken.read(images))]
        return cls(pictures={name: Sample.of(np.concatenate([each[name] for each in parts])) for name in parts[0]})


def prediction_profile(probabilities: NDArray[np.floating], classes: Sequence[str]) -> PredictionProfile:
    """Summarise predictions (N, classes) of at least one picture; rows sum to one, columns are called as `classes`."""
    p = probabilities.astype(np.float64)
    counts = np.bincount(p.argmax(axis=1), minlength=len(classes))
    # The limit of p log p is 0.
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)
    return PredictionProfile(
        emotions=dict(zip(classes, counts.tolist(), strict=True)),
        confidence=Sample.of(p.max(axis=1)),
        entropy=Sample.of(np.maximum(entropy, 0.0)),
    )


def bundle_sha256(folder: Path) -> str:
    """Identity of the networks in `folder`: sha256 of their card, which has the checksums of all weights."""
    return hashlib.sha256((folder / CARD).read_bytes()).hexdigest()


def write_profile(
    folder: Path, bundle: Bundle, faces: FaceDataset, public: Mapping[str, TargetProbabilities] | None = None
) -> Profile:
    """Write ``profile.json`` into `folder`: statistics of `faces`, and the predictions of PublicTest by `bundle`.

    Every network predicts once. Without pictures for PublicTest, predictions are left out. ``reference.json`` must not
    change afterwards: its checksum tells whether a batch was made by this model.

    Parameters
    ----------
    folder
        The folder of the bundle: where the ``reference.json`` of `bundle` lies.
    bundle
        The networks.
    faces
        What they were trained on.
    public
        Predictions of the whole of PublicTest by each network, if they are there already.
    """
    images = bundle.input.read(faces.of_split("PublicTest").images)
    profile = Profile.of_pictures(faces, bundle.input).model_copy(update={"model": bundle_sha256(folder)})
    if len(images):
        predictions = public or {name: bundle.predict_network(name, images) for name in bundle.card.networks}
        answers = {model: _prediction_profiles(bundle, predictions, model) for model in bundle.card.models}
        profile = profile.model_copy(update={"answers": answers})
    (folder / PROFILE).write_text(profile.model_dump_json() + "\n")
    return profile


def _prediction_profiles(
    bundle: Bundle, predictions: Mapping[str, TargetProbabilities], model: ModelName
) -> dict[Target, PredictionProfile]:
    return {
        target: prediction_profile(bundle.vote(predictions, target, model=model), card.classes)
        for target, card in bundle.card.targets.items()
        if model in card.models
    }
