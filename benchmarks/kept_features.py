"""What an epoch of a head on a frozen backbone takes, from features that are kept and from the pictures themselves.

    python benchmarks/kept_features.py FOLDER [--backbone NAME] [--input-size N] [--pictures N] [--epochs N]

FOLDER is that of FER-2013. The head learns from some pictures of Training for some epochs and is judged on some of
PublicTest, once with the features of each picture computed once, as ferkit does it, and once with the whole network
asked about every picture in each epoch. Both end with the same numbers, within rounding.
"""

import argparse
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np

from ferkit.backbones import BackboneSettings, names
from ferkit.data.targets import TargetSettings
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.sources import load
from ferkit.sources.fer2013 import Fer2013Settings
from ferkit.training.examples import SelectionExamples, join
from ferkit.training.fine_tune import fine_tune
from ferkit.training.settings import TrainingSettings

TARGET = TargetSettings()
# What judges, as a share of the pictures that are learned from: about that of FER-2013.
JUDGES = 0.125
# Says whether features are kept.
CONSTANT = "ferkit.training.epochs.keeps_features"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", choices=names(), default="dlib_resnet")
    parser.add_argument("--input-size", type=int, default=96)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--slow-epochs", type=int, default=3, help="of the whole network")
    arguments = parser.parse_args()
    faces = load(Fer2013Settings(path=arguments.folder))
    training, public = (np.flatnonzero(faces.in_split(split)) for split in ("Training", "PublicTest"))
    some = faces.take(np.concatenate([training[: arguments.pictures], public[: int(JUDGES * arguments.pictures)]]))
    examples = join({"fer": oversample(some, TARGET, BalancingSettings(), 0)})
    judge = SelectionExamples.of(some.of_split("PublicTest"), [TARGET])
    stages = {"stages": (3, 4, 5)} if arguments.backbone == "dlib_resnet" else {}
    backbone = BackboneSettings(name=arguments.backbone, input_size=arguments.input_size, **stages)
    print("| features | epochs | first epoch, s | another, s | of processor time, s | ratio | PublicTest after both |")
    print("|---|" + "---:|" * 6)
    both: dict[str, tuple[float, float]] = {}
    for way, epochs in (("of every epoch", arguments.slow_epochs), ("kept", arguments.epochs)):
        settings = TrainingSettings.model_validate(
            {"head": {"epochs": epochs, "learning_rate": 0.002, "augment": False}, "network": {"epochs": 0}}
        )
        ends, spent = [time.perf_counter()], [time.process_time()]

        def note(_: object, ends: list[float] = ends, spent: list[float] = spent) -> None:
            ends.append(time.perf_counter())
            spent.append(time.process_time())

        with nullcontext() if way == "kept" else patch(CONSTANT, return_value=False):
            trained = fine_tune(examples, judge, backbone, settings, 0, on_epoch=note)
        seconds, processor = np.diff(ends), np.diff(spent)
        both[way] = float(np.median(seconds[1:])), float(np.median(processor[1:]))
        _, slow = both["of every epoch"]
        cells = (
            way, str(epochs), f"{seconds[0]:.1f}", f"{both[way][0]:.2f}", f"{both[way][1]:.2f}",
            f"{slow / both[way][1]:.0f}", f"{trained.history['val_accuracy'][arguments.slow_epochs - 1]:.4f}",
        )  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
