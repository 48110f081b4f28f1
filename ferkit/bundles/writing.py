"""Writing a bundle: the folder that `ferkit.bundles.bundle.Bundle` reads, shipped, registered and served.

Of networks that vote together it holds the weights in half precision (`ferkit.bundles.weights`) and ``reference.json``,
which says how to build the networks and how they vote (`ferkit.bundles.card`), beside files for people.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferkit.backbones import BackboneSettings
from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import BundleCard, NetworkCard, TargetCard, Vote
from ferkit.bundles.weights import write_half
from ferkit.data.labels import Target, class_names
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.test_time_augmentation import TestTimeAugmentation

__all__ = ["BundledNetwork", "bundle_card", "ensemble_vote", "write_bundle", "write_networks"]


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
    model: FaceModel
    backbone: BackboneSettings
    targets: tuple[Target, ...]


def write_networks(networks: Sequence[BundledNetwork], folder: Path) -> dict[str, NetworkCard]:
    """Write the weights of networks into `folder`, and say what they are, by name.

    Raises
    ------
    DataError
        If a weight is no number.
    """
    cards = {}
    for each in networks:
        file = folder / f"{each.name}.npz"
        write_half(each.model.network, file)
        cards[each.name] = NetworkCard(
            label=each.label,
            backbone=each.backbone.model_copy(update={"weights": "none"}),
            heads={target: len(class_names(target)) for target in each.targets},
            file=file.name,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        )
    return cards


def ensemble_vote(ensemble: Ensemble, temperature: float) -> Vote:
    """The vote of an ensemble, without the members that have no say in it."""
    weights = {name: weight for name, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight > 0}
    return Vote(weights=weights, temperature=temperature)


def bundle_card(
    name: str,
    networks: Mapping[str, NetworkCard],
    targets: Mapping[Target, TargetCard],
    tta: TestTimeAugmentation,
    student_tta: TestTimeAugmentation,
) -> BundleCard:
    """``reference.json`` of the networks that have a vote for one of `targets`; the others are left out."""
    used = set(_voters(targets.values()))
    return BundleCard(
        name=name,
        networks={name: card for name, card in networks.items() if name in used},
        targets=dict(targets),
        tta=tta,
        student_tta=student_tta,
    )


def write_bundle(
    folder: Path,
    name: str,
    networks: Sequence[BundledNetwork],
    targets: Mapping[Target, TargetCard],
    tta: TestTimeAugmentation,
    student_tta: TestTimeAugmentation,
) -> Bundle:
    """Write what is in memory as a bundle into `folder`, which is made; networks without a vote are left out.

    Parameters
    ----------
    targets
        How the networks vote for each target, by their names.
    tta, student_tta
        Test-time augmentation of the ensemble and of the student.

    Raises
    ------
    DataError
        If a weight is no number.
    """
    folder.mkdir(parents=True)
    used = set(_voters(targets.values()))
    written = write_networks([each for each in networks if each.name in used], folder)
    bundle_card(name, written, targets, tta, student_tta).write(folder)
    return Bundle(folder)


def _voters(targets: Iterable[TargetCard]) -> Iterable[str]:
    for card in targets:
        for vote in (card.ensemble, card.student):
            yield from vote.weights if vote else ()
