"""What each part of a recipe gives: the recipe without it, judged on PublicTest.

    python benchmarks/ablation.py CONFIG --out DIR [--backbone LABEL] [--set KEY=VALUE ...] [--only NAME ...]

Trains one backbone of CONFIG as it stands, and once more for every variant below, with the same seed. PrivateTest is
never read. A variant that lies finished in DIR is not trained again, so that the table can be made over several days.
The interval is that of the difference: pictures of PublicTest drawn anew, the same for both (paired bootstrap).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.config import RunConfig
from ferkit.config_file import load_config
from ferkit.errors import ConfigError
from ferkit.model import FaceModel
from ferkit.run_folder import RunFolder
from ferkit.targets import TargetSettings, labelled
from ferkit.training.run_members import RunData, read_data
from ferkit.training.standalone import train_run
from ferkit.views import NO_VIEWS, TestTimeAugmentation

DRAWS = 2000
TRAINING = "backbones.0.training."


@dataclass(frozen=True)
class Variant:
    """A change of the recipe: settings, the removal of the other target, or how the trained network is asked."""

    name: str
    changes: tuple[str, ...] = ()
    single: bool = False
    views: TestTimeAugmentation | None = None


VARIANTS = (
    Variant("without FER+ labels", single=True),
    Variant("without label smoothing", (f"{TRAINING}label_smoothing=0",)),
    Variant("without averaged weights", (f"{TRAINING}average=0",)),
    Variant("without weight decay", (f"{TRAINING}weight_decay=0",)),
    Variant(
        "without flip, rotation, shift, zoom",
        tuple(f"{TRAINING}augmentation.{each}=0" for each in ("flip", "rotation", "shift", "zoom")),
    ),
    Variant(
        "without contrast and brightness",
        tuple(f"{TRAINING}augmentation.{each}=0" for each in ("contrast", "brightness")),
    ),
    Variant("without random erasing", (f"{TRAINING}augmentation.erasing=0",)),
    Variant("without dropout before the head", ("backbones.0.dropout=0",)),
    Variant("with mixup 0.2", (f"{TRAINING}mixing.mixup=0.2",)),
    Variant("with cutmix 1, half of the pictures", (f"{TRAINING}mixing={{cutmix: 1.0, probability: 0.5}}",)),
    Variant("constant learning rate", (f"{TRAINING}schedule=constant",)),
    Variant("without warm-up", (f"{TRAINING}warmup_epochs=0",)),
    Variant("with residual blocks and squeeze-and-excitation", ("backbones.0.name=fernet_se",)),
    Variant("asked once, without the mirror image", views=NO_VIEWS),
    Variant("asked ten times: five crops and their mirror images", views=TestTimeAugmentation(flip=True, crops="five")),
)


@dataclass(frozen=True, eq=False)
class _Run:
    """A trained variant."""

    variant: Variant
    config: RunConfig
    folder: Path
    data: RunData

    def hits(self, target: TargetSettings) -> NDArray[np.bool_] | None:
        """Which pictures of PublicTest the one network gets right; None if it has no head for the target."""
        (training,) = self.config.trained()
        if target.name not in training.names:
            return None
        files = RunFolder(self.folder).member(training.name)
        if self.variant.views is None:
            said = files.read_predictions(target.name, "PublicTest")
        else:
            network = FaceModel(training.label, target.name, files.network)
            said = network.predict_split(self.data.faces, target, "PublicTest", self.variant.views)
        pictures, labels = labelled(self.data.faces.of_split("PublicTest"), target.name, target.protocol)
        truth = dict(zip(pictures.row.tolist(), labels.argmax(axis=1).tolist(), strict=True))
        return np.array([truth[row] == label for row, label in zip(said.row.tolist(), said.label, strict=True)])


def main() -> None:
    asked = _asked()
    base = load_config(asked.config, [*_alone(asked.config, asked.backbone), *asked.overrides])
    first, *others = _runs(asked, base, read_data(base))
    print(f"{base.backbones[0].label}, PublicTest; the difference to the recipe as it stands, and its 95 % interval\n")
    print("| | " + " | ".join(f"{each.name} | difference" for each in base.targets) + " |")
    print("|---|" + "---:|---|" * len(base.targets))
    standing = {target.name: first.hits(target) for target in base.targets}
    for run in (first, *others):
        cells = []
        for target in base.targets:
            hits, stands = run.hits(target), standing[target.name]
            known = hits is not None and stands is not None
            cells += [f"{hits.mean():.4f}", "" if run is first else _difference(hits, stands)] if known else ["-", ""]
        print(f"| {run.variant.name} | {' | '.join(cells)} |")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", default="fernet", help="label of the backbone (default: fernet)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="variants whose name has one of these")
    return parser.parse_args()


def _alone(path: Path, label: str) -> list[str]:
    """Overrides that leave CONFIG the one backbone."""
    for entry in load_config(path).backbones:
        if entry.label == label:
            return [f"backbones=[{entry.model_dump_json(exclude_unset=True)}]"]
    raise ConfigError(f"{path}: no backbone {label}.")


def _runs(asked: argparse.Namespace, base: RunConfig, data: RunData) -> Iterator[_Run]:
    """Train what is not trained yet."""
    wanted = [each for each in VARIANTS if not asked.only or any(part in each.name for part in asked.only)]
    for variant in (Variant("as it stands"), *wanted):
        changes = [*_alone(asked.config, asked.backbone), *asked.overrides, *variant.changes]
        if variant.single:
            changes += [f"targets=[{base.targets[0].model_dump_json()}]", "backbones.0.joint=false"]
        name = "as it stands" if variant.views else variant.name
        folder = asked.out / name.replace(" ", "_").replace(",", "")
        config = load_config(asked.config, changes)
        train_run(config, data, folder, test=False)
        yield _Run(variant, config, folder, data)


def _difference(hits: NDArray[np.bool_], base: NDArray[np.bool_]) -> str:
    gain = hits.astype(np.float64) - base
    draws = np.random.default_rng(0).integers(0, len(gain), (DRAWS, len(gain)))
    low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
    return f"{gain.mean():+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
