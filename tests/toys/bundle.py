"""A bundle of toy networks on disk: what a server and Grad-CAM are tested with."""

import hashlib
from pathlib import Path

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import BundleCard, InputCard, NetworkCard, TargetCard, Vote
from ferkit.bundles.weights import write_weights
from ferkit.bundles.writing import BundledNetwork, write_bundle
from ferkit.data.labels import Target, class_names
from ferkit.data.targets import TargetSettings
from ferkit.models.test_time_augmentation import TestTimeAugmentation

TARGETS: tuple[Target, ...] = ("fer", "ferplus")
HEADS = {target: len(class_names(target)) for target in TARGETS}
FER = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
MOODS = ("calm", "cross", "glad")


def write_toy_bundle(folder: Path, weights: dict[str, float] | None = None, *, flip: bool = False) -> Path:
    """An untrained ensemble and an untrained student in `folder`, with the files of a bundle."""
    weights = weights or {"one": 0.75, "two": 0.25}
    networks = {
        name: _network(folder, name, BackboneSettings(name="fernet", width=4, depth=1), seed)
        for seed, name in enumerate(weights)
    }
    networks["student"] = _network(folder, "student", BackboneSettings(name="fernet_lite", width=8, depth=1), 9)
    votes = {"vote": Vote(weights=weights), "tiny": Vote(weights={"student": 1.0})}
    targets = {target: TargetCard(settings=TargetSettings(name=target), **votes) for target in TARGETS}
    BundleCard(name="toy", networks=networks, targets=targets, tta={"vote": TestTimeAugmentation(flip=flip)}).write(
        folder
    )
    (folder / "MODEL_CARD.md").write_text(CARD)
    return folder


class _Untrained:
    def __init__(self, backbone: BackboneSettings, heads: dict[Target, int], pictures: InputCard) -> None:
        self.network = build_network(backbone, heads, seed=3, picture=pictures.tensor)


def write_mood_bundle(folder: Path, pictures: InputCard | None = None, classes: tuple[str, ...] = MOODS) -> Bundle:
    """An untrained network as a bundle: of colour pictures of 64 pixels if not said, for a target with `classes`."""
    backbone = BackboneSettings(name="fernet", width=4, depth=1, input_size=16)
    model = _Untrained(backbone, {"mood": len(classes)}, pictures or InputCard(size=64, colour=True))
    network = BundledNetwork("mood-one", "one", model, backbone, ("mood",))
    card = TargetCard(
        settings=TargetSettings(name="mood"), classes=classes, vote=Vote(weights={"mood-one": 1.0}, temperature=1.5)
    )
    flip = TestTimeAugmentation(flip=True)
    bundle = write_bundle(folder, "moods", [network], {"mood": card}, {"vote": flip})
    (folder / "MODEL_CARD.md").write_text(CARD)
    return bundle


def _network(folder: Path, name: str, backbone: BackboneSettings, seed: int) -> NetworkCard:
    file = folder / f"{name}.npz"
    write_weights(build_network(backbone, HEADS, seed=seed), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return NetworkCard(label=name, backbone=backbone, heads=HEADS, file=file.name, sha256=digest)


CARD = """# Toy networks

Nobody trained them.

| split | accuracy |
|---|---:|
| PrivateTest | 0.14 |

<script>document.title = "taken over"</script>
"""
