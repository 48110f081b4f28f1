"""A model in use, and its classifiers: one for each target, by the ensemble or by the single network."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.bundles.card import ModelName
from ferkit.data.labels import Target
from ferkit.serving.errors import ApiError, NotReadyError

__all__ = ["Served", "ServedClassifier", "now", "without_registry"]

_VOTE_LATER = "the vote is being read; try again in some seconds, or ask another model of its bundle."


def now() -> str:
    """The current date and time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, eq=False)
class Served:
    """A model that the service predicts with.

    Attributes
    ----------
    name, version
        What the registry calls it; ``shipped`` is the version of the models that ferkit ships.
    alias, run_id
        None if it does not come from the registry.
    bundle
        The networks.
    loaded_at
        Date and time, UTC, ISO 8601.
    warm
        Names of the networks that have predicted once, so that no request pays for their preparation.
    """

    name: str
    version: str
    bundle: Bundle
    alias: str | None = None
    run_id: str | None = None
    loaded_at: str = field(default_factory=now)
    warm: set[str] = field(default_factory=set)

    @property
    def is_ready(self) -> bool:
        """Whether every network is warm."""
        return all(self.warm.issuperset(classifier.networks) for classifier in self.classifiers())

    def require_ready(self) -> None:
        """Raise a `NotReadyError` unless every network is warm."""
        if not self.is_ready:
            raise NotReadyError(_VOTE_LATER)

    def classifier(self, target: Target | None, model: ModelName) -> "ServedClassifier":
        """The classifier for `target`: one of the models of the bundle.

        Parameters
        ----------
        target
            None: the first of the bundle.

        Raises
        ------
        ApiError
            If this model does not predict the target, or its networks are not warm yet.
        """
        known = self.bundle.targets
        target = known[0] if target is None else target
        if target not in known:
            raise ApiError(
                422, "no_such_target", f"target {target[:100]!r}: {self.name} answers for {', '.join(known)}."
            )
        card = self.bundle.card.targets[target]
        # Under one name, whatever it was asked by, requests are answered together.
        name = self.bundle.card.resolved(model)
        if name not in card.models:
            there = ", ".join(card.models)
            raise ApiError(422, "no_such_model", f"model {model}: for {target}, {self.name} has {there}.")
        classifier = ServedClassifier(self, target, name)
        if not self.warm.issuperset(classifier.networks):
            raise NotReadyError(_VOTE_LATER)
        return classifier

    def classifiers(self) -> "list[ServedClassifier]":
        """Classifiers that together use every voting network; the quickest, which needs no TensorFlow, first."""
        covered: set[str] = set()
        found = []
        for target, card in self.bundle.card.targets.items():
            for model, vote in reversed(card.models.items()):
                if not covered.issuperset(vote.weights):
                    found.append(ServedClassifier(self, target, model))
                    covered.update(vote.weights)
        return found


@dataclass(frozen=True)
class ServedClassifier:
    """A model's function from pictures to probabilities of one target; requests of equal ones share batches."""

    served: Served
    target: Target
    model: ModelName

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns of what it returns."""
        return self.served.bundle.classes(self.target)

    @property
    def networks(self) -> frozenset[str]:
        """Names of the networks that vote."""
        return frozenset(self.served.bundle.vote_for(self.target, self.model).weights)

    def warm_up(self) -> None:
        """Let its networks predict pictures once, which prepares them."""
        # Several networks, each prepared for two sizes, look to TensorFlow like one that is traced again and again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # Two sizes: by the second, Keras knows that there are more, and prepares the network for any.
        for count in (1, 2):
            self(self.blank(count))

    def blank(self, count: int) -> NDArray[np.uint8]:
        """So many black pictures, as the networks take them."""
        return self.served.bundle.input.blank(count)

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.floating]:
        """Probabilities (N, classes) of pictures (N, side, side[, 3]) uint8, as the bundle takes them."""
        return self.served.bundle.predict(images, self.target, model=self.model)


def without_registry(folder: Path | None = None) -> Served:
    """The models that ferkit ships, or the bundle in `folder`."""
    bundle = load_bundle(folder)
    return Served(bundle.card.name, "local" if folder else "shipped", bundle)
