"""Does the mirror image help? Train the same network with and without, and ask whether the difference is chance.

python examples/compare_two_settings.py

Both answer the same pictures of PublicTest, so the test is a paired one; PrivateTest is for the model that is chosen.
"""

import argparse
import tempfile
from pathlib import Path

from ferkit.backbones import BackboneSettings
from ferkit.data.targets import TargetSettings, labelled
from ferkit.evaluation.paired_tests import compare_paired
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.training.member import train_member
from ferkit.training.settings import TrainingSettings

TARGET = TargetSettings(name="fer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2400, help="faces to draw")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--width", type=int, default=12, help="filters of the first layer of the network")
    parser.add_argument("--depth", type=int, help="its blocks of layers; four if not given")
    arguments = parser.parse_args()
    faces = generate(SyntheticSettings(count=arguments.count)).faces
    training_set = oversample(faces, TARGET, BalancingSettings(method="random_over_sampler"), seed=0)
    backbone = BackboneSettings(name="fernet", width=arguments.width, depth=arguments.depth)
    named = {}
    for flip in (0, 0.5):
        settings = TrainingSettings.model_validate(
            {"network": {"epochs": arguments.epochs, "learning_rate": 0.002}, "augmentation": {"flip": flip}}
        )
        with tempfile.TemporaryDirectory() as folder:
            member = train_member(
                faces, {"fer": training_set}, [TARGET], backbone, settings, seed=0, workspace=Path(folder)
            )
            named[flip] = member.models["fer"].predict_split(faces, TARGET, "PublicTest").label
    _, labels = labelled(faces.of_split("PublicTest"), TARGET)
    comparison = compare_paired(
        named[0], named[0.5], labels.argmax(axis=1).astype("int8"), 7, draws=1000, confidence=0.95, seed=0
    )
    print(f"with the mirror image, accuracy changes by {comparison.accuracy:+.4f} on {comparison.pictures} pictures,")
    interval = f"{comparison.accuracy_low:+.4f} to {comparison.accuracy_high:+.4f}"
    print(f"95 % interval {interval}; McNemar's p {comparison.p_value:.3f}")


if __name__ == "__main__":
    main()
