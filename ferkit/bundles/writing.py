"""Writing a bundle: the folder that `ferkit.bundles.bundle.Bundle` reads, shipped, registered and served.

Of networks that answer it holds the weights (`ferkit.bundles.weights`) and ``reference.json``, which says how to build
the networks and how they vote (`ferkit.bundles.card`), beside files for people.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ferkit.backbones import BackboneSettings
from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import BundleCard, InputCard, ModelName, NetworkCard, TargetCard, Vote
from ferkit.bundles.weights import StoredPrecision, write_weights
from ferkit.data.labels import Target
from ferkit.errors import DataError
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import class_count
from ferkit.models.test_time_augmentation import TestTimeAugmentation

if TYPE_CHECKING:
    import keras

__all__ = ["BundledNetwork", "TrainedNetwork", "ensemble_vote", "write_bundle"]


class TrainedNetwork(Protocol):
    """What has a Keras network, which is read when it is asked for: a `ferkit.models.face_model.FaceModel`."""

    @property
    def network(self) -> "keras.Model":
        """The network."""


@dataclass(frozen=True, eq=False)
class BundledNetwork:
    """A network of a bundle.

    Attributes
    ----------
    name
        What the bundle calls it, its file too; ``fer+ferplus-fernet``.
    label
        What its run calls it.
    model
        The network; it may have a head for each target, or one head.
    backbone
        How it was built.
    targets
        Those that it answers for.
    """

    name: str
    label: str
    model: TrainedNetwork
    backbone: BackboneSettings
    targets: tuple[Target, ...]

    @property
    def input(self) -> InputCard:
        """The pictures that it takes."""
        return InputCard.of_shape(tuple(self.model.network.inputs[0].shape)[1:])

    def write(self, folder: Path, precision: StoredPrecision) -> NetworkCard:
        """Write its weights into `folder`, and say what they are."""
        file = folder / f"{self.name}.npz"
        write_weights(self.model.network, file, precision)
        return NetworkCard(
            label=self.label,
            backbone=self.backbone.model_copy(update={"weights": "none"}),
            heads={target: class_count(self.model.network, target) for target in self.targets},
            file=file.name,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            precision=precision,
        )


def ensemble_vote(ensemble: Ensemble, temperature: float) -> Vote:
    """The vote of an ensemble, without the members that have no say in it."""
    weights = {name: weight for name, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight > 0}
    return Vote(weights=weights, temperature=temperature)


def write_bundle(
    folder: Path,
    name: str,
    networks: Sequence[BundledNetwork],
    targets: Mapping[Target, TargetCard],
    tta: Mapping[ModelName, TestTimeAugmentation],
    precision: Mapping[str, StoredPrecision] | None = None,
) -> Bundle:
    """Write networks, their votes and temperatures as a bundle; networks that have no say are left out.

    Parameters
    ----------
    folder
        Is made.
    name
        Of the bundle.
    targets
        How the networks vote for each target, by their names.
    tta
        Test-time augmentation of each model.
    precision
        Of the weights of a network, by name; half precision of one that is not named.

    Networks with the same weights share a file: a member of the vote may be the default network, too, which sees
    pictures in other views and has a LiteRT file.

    Raises
    ------
    DataError
        If a weight is no number, or the networks take different pictures.
    """
    names = {network for card in targets.values() for vote in card.models.values() for network in vote.weights}
    used = [each for each in networks if each.name in names]
    taken = {each.input: each.name for each in used}
    if len(taken) > 1:
        found = ", ".join(f"{network} {pictures}" for pictures, network in taken.items())
        raise DataError(f"{name}: its networks take different pictures, {found}; a bundle is of one kind.")
    folder.mkdir(parents=True)
    cards = {each.name: each.write(folder, (precision or {}).get(each.name, "float16")) for each in used}
    cards = _sharing(cards, folder)
    pictures = next(iter(taken))
    BundleCard(name=name, networks=cards, targets=dict(targets), input=pictures, tta=dict(tta)).write(folder)
    return Bundle(folder)


def _sharing(cards: Mapping[str, NetworkCard], folder: Path) -> dict[str, NetworkCard]:
    """The cards of networks, and one file of those weights that several have."""
    files: dict[str, str] = {}
    shared = {}
    for name, card in cards.items():
        file = files.setdefault(card.sha256, card.file)
        if file != card.file:
            (folder / card.file).unlink()
        shared[name] = card.model_copy(update={"file": file})
    return shared
