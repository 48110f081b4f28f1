"""A model in use, and the questions that it can be asked."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.data.dataset import SIZE
from ferkit.data.labels import Target
from ferkit.serving.errors import ApiError, NotReadyError

__all__ = ["Served", "ServedClassifier", "now", "without_registry"]

_ENSEMBLE_LATER = "the ensemble is being read; try again in some seconds, or ask the one network (single=true)."


def now() -> str:
    """Date and time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, eq=False)
class Served:
    """A model in use.

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
        Names of the networks that have been asked, so that no request pays for what is done once.
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
        """Whether every question can be asked."""
        return all(self.warm.issuperset(classifier.networks) for classifier in self.classifiers())

    def require_ready(self) -> None:
        """Raise a `NotReadyError` unless every question can be asked."""
        if not self.is_ready:
            raise NotReadyError(_ENSEMBLE_LATER)

    def classifier(self, target: Target, *, single: bool) -> "ServedClassifier":
        """What answers for `target`.

        Raises
        ------
        ApiError
            If this model does not answer for it, or not yet.
        """
        card = self.bundle.card.targets.get(target)
        if card is None:
            raise ApiError(
                422, "no_such_target", f"target {target}: {self.name} answers for {', '.join(self.bundle.targets)}."
            )
        if card.vote(single=single) is None:
            raise ApiError(422, "no_single_network", f"{self.name} has no single network for {target}: single=false.")
        classifier = ServedClassifier(self, target, single)
        if not self.warm.issuperset(classifier.networks):
            raise NotReadyError(_ENSEMBLE_LATER)
        return classifier

    def classifiers(self) -> "list[ServedClassifier]":
        """As many as it takes to ask every network that has a say; the quickest, which needs no TensorFlow, first."""
        covered: set[str] = set()
        found = []
        for target, card in self.bundle.card.targets.items():
            for single in (True, False):
                vote = card.vote(single=single)
                if vote is not None and not covered.issuperset(vote.weights):
                    found.append(ServedClassifier(self, target, single))
                    covered.update(vote.weights)
        return found


@dataclass(frozen=True)
class ServedClassifier:
    """A question to a model: equal ones may be asked together."""

    served: Served
    target: Target
    single: bool

    @property
    def networks(self) -> frozenset[str]:
        """Names of those that have a say."""
        vote = self.served.bundle.card.targets[self.target].vote(single=self.single)
        return frozenset(vote.weights if vote else ())

    def warm_up(self) -> None:
        """Have its networks see pictures."""
        # Several networks, each prepared for two sizes, look to TensorFlow like one that is traced again and again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # Two sizes: by the second, Keras knows that there are more, and prepares the network for any.
        for count in (1, 2):
            self(np.zeros((count, SIZE, SIZE), np.uint8))

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.floating]:
        """Probabilities (N, classes) of pictures (N, 48, 48) uint8."""
        return self.served.bundle.predict(images, self.target, single=self.single)


def without_registry(folder: Path | None = None) -> Served:
    """The models that ferkit ships, or the bundle in `folder`."""
    bundle = load_bundle(folder)
    return Served(bundle.card.name, "local" if folder else "shipped", bundle)
