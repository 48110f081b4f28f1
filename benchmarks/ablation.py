"""What each part of a recipe gives: the recipe without it, judged on PublicTest.

    python benchmarks/ablation.py CONFIG --out DIR [--backbone LABEL] [--set KEY=VALUE ...] [--only NAME ...]

Trains one backbone of CONFIG as it stands, and once more for every variant below, with the same seed. PrivateTest is
never read. A variant that lies finished in DIR is not trained again, so that the table can be made over several days.
The interval is that of the difference: pictures of PublicTest drawn anew, the same for both (paired bootstrap).
A student learns from the ensemble that ferkit ships, which predicts Training once.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import load_bundle
from ferkit.config.loading import load_config
from ferkit.config.run_config import RunConfig, Training
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.environment import this_environment
from ferkit.errors import ConfigError
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.selection import selection_predictions
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.members import RunMembers
from ferkit.standalone.run_data import RunData, read_data
from ferkit.training.distillation import DistillationSettings, distil

DRAWS = 2000
SHIPPED = "shipped"
TRAINING = "backbones.0.training."


@dataclass(frozen=True)
class Variant:
    """A change of the recipe: settings, no other target, no teacher, or how the trained network predicts."""

    name: str
    changes: tuple[str, ...] = ()
    single: bool = False
    taught: bool = True
    tta: TestTimeAugmentation | None = None


# Of a student alone.
UNTAUGHT = Variant("without a teacher", taught=False)
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
    Variant("constant learning rate", (f"{TRAINING}network.schedule=constant",)),
    Variant("without warm-up", (f"{TRAINING}network.warmup_epochs=0",)),
    Variant("one view, without the mirror image", tta=NO_TTA),
    Variant("ten views: five crops and their mirror images", tta=TestTimeAugmentation(flip=True, crops="five")),
)
# Of `fernet` alone, which learns from random weights.
FROM_SCRATCH = (Variant("with residual blocks and squeeze-and-excitation", ("backbones.0.name=fernet_se",)),)
# Of `dlib_resnet` alone, which starts from a network that knows faces.
PRETRAINED = (
    Variant("the last stage alone", ("backbones.0.stages=[5]",)),
    Variant("rates that fall with depth, 0.75 a stage", (f"{TRAINING}network.layer_decay=0.75",)),
    Variant("FER's labels half from FER+'s votes", ("targets.0.votes=0.5",)),
    Variant("72 pixels a side", ("backbones.0.input_size=72",)),
)


@dataclass
class Members(RunMembers):
    """The network of a variant; one that has a teacher's predictions to learn from learns from them."""

    teacher: dict[Target, Predictions] = field(default_factory=dict)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)

    def training_set_of(self, training: Training, target: TargetSettings) -> TrainingSet:
        """The balanced labels, with the teacher's predictions."""
        training_set = super().training_set_of(training, target)
        predicted = self.teacher.get(target.name)
        return training_set if predicted is None else distil(training_set, predicted, self.distillation)


@dataclass(frozen=True, eq=False)
class _Run:
    """A trained variant."""

    variant: Variant
    config: RunConfig
    folder: Path
    data: RunData

    def hits(self, target: TargetSettings) -> NDArray[np.bool_] | None:
        """Which of the pictures that choose the one network gets right; None if it has no head for the target."""
        (training,) = self.config.trained()
        if target.name not in training.names:
            return None
        files = RunFolder(self.folder).member(training.name)
        if self.variant.tta is None:
            predicted = files.read_predictions(target.name, "PublicTest")
        else:
            network = FaceModel(training.label, target.name, files.network)
            predicted = network.predict_split(self.data.faces, target, "PublicTest", self.variant.tta)
        chosen, labels = selection_predictions(predicted, self.data.faces, target, self.config.selection)
        return np.asarray(chosen.label == labels.argmax(axis=1))


def main() -> None:
    arguments = _arguments()
    base = load_config(arguments.config, [*_alone(arguments.config, arguments.backbone), *arguments.overrides])
    whole = load_config(arguments.config)
    (entry,) = (each for each in whole.backbones if each.label == arguments.backbone)
    data = read_data(base)
    teacher = _teacher_predictions(arguments.out, base, data) if entry.teacher else {}
    first, *others = _runs(arguments, base, data, teacher, whole.distillation)
    which = f"{base.backbones[0].label}, {base.selection.subset}"
    print(f"{which}; the difference to the recipe as it stands, and its 95 % interval\n")
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", default="fernet", help="label of the backbone (default: fernet)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="variants whose name has one of these")
    return parser.parse_args()


def _alone(path: Path, label: str) -> list[str]:
    """Overrides that leave CONFIG the one backbone; with no ensemble there is no student, and nothing is distilled."""
    for entry in load_config(path).backbones:
        if entry.label == label:
            return [f"backbones=[{entry.model_dump_json(exclude_unset=True, exclude={'teacher'})}]", "distillation={}"]
    raise ConfigError(f"{path}: no backbone {label}.")


def _teacher_predictions(out: Path, base: RunConfig, data: RunData) -> dict[Target, Predictions]:
    """The predictions of the shipped ensemble for each picture of Training."""
    bundle, folder = load_bundle(), RunFolder(out)
    pictures = data.faces.of_split("Training")
    missing = [target.name for target in base.targets if folder.read_teacher(target.name, SHIPPED) is None]
    for name, predicted in bundle.predict_targets(pictures.images, missing, model="vote").items() if missing else ():
        folder.write_teacher(Predictions(name, "Training", pictures.row, predicted), SHIPPED)
    found = {target.name: folder.read_teacher(target.name, SHIPPED) for target in base.targets}
    return {name: predicted for name, predicted in found.items() if predicted is not None}


def _runs(
    arguments: argparse.Namespace,
    base: RunConfig,
    data: RunData,
    teacher: dict[Target, Predictions],
    distillation: DistillationSettings,
) -> Iterator[_Run]:
    """Train what is not trained yet."""
    (entry,) = base.backbones
    known = ((UNTAUGHT,) if teacher else ()) + VARIANTS + (PRETRAINED if entry.starts_trained else FROM_SCRATCH)
    wanted = [each for each in known if not arguments.only or any(part in each.name for part in arguments.only)]
    for variant in (Variant("as it stands"), *wanted):
        changes = [*_alone(arguments.config, arguments.backbone), *arguments.overrides, *variant.changes]
        if variant.single:
            changes += [f"targets=[{base.targets[0].model_dump_json()}]", "backbones.0.joint=false"]
        name = "as it stands" if variant.tta else variant.name
        folder = arguments.out / name.replace(" ", "_").replace(",", "")
        config = load_config(arguments.config, changes)
        members = Members(config, data, RunFolder(folder), this_environment())
        members.teacher = teacher if variant.taught else {}
        members.distillation = distillation
        (training,) = config.trained()
        members.train(training)
        yield _Run(variant, config, folder, data)


def _difference(hits: NDArray[np.bool_], base: NDArray[np.bool_]) -> str:
    gain = hits.astype(np.float64) - base
    draws = np.random.default_rng(0).integers(0, len(gain), (DRAWS, len(gain)))
    low, high = np.quantile(gain[draws].mean(axis=1), [0.025, 0.975])
    return f"{gain.mean():+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    main()
