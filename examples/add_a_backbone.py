"""A network of your own, trained and judged like those of ferkit.

python examples/add_a_backbone.py

docs/guides/add_a_backbone.md says where such a function goes so that every command knows it.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ferkit.backbones import BackboneSettings
from ferkit.backbones.registry import Head, Preprocessing, register
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import EvaluationSettings, evaluate
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.training.member import train_member
from ferkit.training.settings import NetworkPhaseSettings, TrainingSettings

TARGET = TargetSettings(name="fer")


@register(
    "tinynet",
    summary="two convolutions",
    input_size=48,
    min_size=16,
    preprocessing=Preprocessing("grey 0..1", mean=(0.0,), scale=1 / 255),
    head=Head(dropout=0.3),
    parameters=4_800,
)
def tinynet(size: int, _settings: BackboneSettings) -> Any:
    """Any Keras model from (size, size, 1) to a feature map; ferkit adds the input's scaling and the heads."""
    import keras

    picture = keras.Input((size, size, 1))
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(picture)
    return keras.Model(picture, keras.layers.Conv2D(32, 3, strides=2, activation="relu")(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2400, help="faces to draw")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    faces = generate(SyntheticSettings(count=arguments.count)).faces
    sets = {"fer": oversample(faces, TARGET, BalancingSettings(method="random_over_sampler"), seed=0)}
    phase = NetworkPhaseSettings(epochs=arguments.epochs, learning_rate=0.002)
    network, settings = BackboneSettings(name="tinynet"), TrainingSettings(network=phase)
    with tempfile.TemporaryDirectory() as folder:
        member = train_member(faces, sets, [TARGET], network, settings, seed=0, workspace=Path(folder))
        predictions = member.models["fer"].predict_split(faces, TARGET, "PrivateTest")
    print(evaluate("tinynet", [predictions], faces, TARGET, EvaluationSettings(), seed=0).to_table().to_string())


if __name__ == "__main__":
    main()
