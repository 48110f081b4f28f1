"""A bundle of networks that were never trained, whose answers differ from picture to picture."""

import hashlib
from pathlib import Path

import numpy as np

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.card import BundleCard, NetworkCard, TargetCard, Vote
from ferkit.bundles.weights import write_weights
from ferkit.data.targets import TargetSettings
from ferkit.models.test_time_augmentation import TestTimeAugmentation

HEADS = {"fer": 7, "ferplus": 8}


def toy(heads, seed, name="fernet"):
    """A network whose answers differ from picture to picture."""
    settings = BackboneSettings(name=name, width=16, depth=2, input_size=24, weights="none")
    network = build_network(settings, heads, seed=seed)
    random = np.random.default_rng(seed)
    for layer in network.layers:
        if layer.name.startswith("probabilities_"):
            layer.kernel.assign(8 * np.asarray(layer.kernel))
    for layer in network.get_layer("backbone").layers:
        if hasattr(layer, "moving_mean"):
            layer.moving_mean.assign(random.normal(0, 0.2, layer.moving_mean.shape))
            layer.gamma.assign(random.uniform(0.7, 1.3, layer.gamma.shape))
    return network, settings


def write_export_bundle(folder: Path) -> Path:
    """Two members, one of which answers for both targets, and a student."""
    cards = {}
    built = {"both": (HEADS, "fernet"), "one": ({"fer": 7}, "fernet"), "small": (HEADS, "fernet_lite")}
    for seed, (name, (heads, backbone)) in enumerate(built.items()):
        network, settings = toy(heads, seed, backbone)
        file = folder / f"{name}.npz"
        write_weights(network, file)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        cards[name] = NetworkCard(label=name, backbone=settings, heads=heads, file=file.name, sha256=sha256)
    tiny = Vote(weights={"small": 1.0}, temperature=0.8)
    targets = {
        "fer": TargetCard(
            settings=TargetSettings(name="fer"),
            vote=Vote(weights={"both": 0.3, "one": 0.7}, temperature=1.7),
            tiny=tiny,
        ),
        "ferplus": TargetCard(settings=TargetSettings(name="ferplus"), vote=Vote(weights={"both": 1.0}), tiny=tiny),
    }
    flip = TestTimeAugmentation(flip=True)
    BundleCard(name="toy", networks=cards, targets=targets, tta={"vote": flip}).write(folder)
    return folder
