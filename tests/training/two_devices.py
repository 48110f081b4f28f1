"""Run as ``two_devices.py ROOT``: trains on two devices and otherwise, and prints what each training learned as JSON.

Processor devices cannot be shared out in a process that has used one. KERAS_BACKEND is TensorFlow or JAX; JAX has two
devices where XLA_FLAGS say so. The trainings come one after another in one process since most of what the first takes,
JAX's compilations of single operations above all, the others need not do again.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, sys.argv[1])

from ferkit.backbones import build_network
from ferkit.training.augmentation_layer import Augmentation
from ferkit.training.checkpoint import Progress
from ferkit.training.epochs import Epochs
from ferkit.training.execution import ExecutionSettings, execution, sharing_devices
from ferkit.training.settings import PhaseSettings
from tests.training.test_execution import train
from tests.training.test_fine_tune import BACKBONE, TARGET, marked_faces, settings
from tests.training.test_recipe import examples, selection
from tests.training.test_streaming import stored


def devices_draw_apart():
    """Under TensorFlow, where each device runs a whole step on its part of the batch."""
    import tensorflow as tf

    faces, chosen, backbone = marked_faces(), settings(), BACKBONE.model_copy(update={"depth": 2})
    with execution(ExecutionSettings(devices="all"), backbone.card):
        network = build_network(backbone, {"fer": 7}, seed=3)
        epochs = Epochs(network, examples(faces, TARGET), selection(faces, TARGET), chosen, 3, "fernet")
        epochs.compile(PhaseSettings())
        epochs._reseed(Progress())
        strategy = tf.distribute.get_strategy()
        augmentation = next(each for each in epochs._trainer.layers if isinstance(each, Augmentation))
        pictures = tf.ones((4, 48, 48, 1)) * tf.range(48.0)[:, None]
        for layer, given in ((augmentation, pictures), (network.get_layer("dropout_1"), tf.ones((4, 48)))):
            drawn = strategy.run(lambda layer=layer, given=given: layer(given, training=True))
            first, second = strategy.experimental_local_results(drawn)
            assert np.abs(first - second).max() > 0.1, layer.name


if __name__ == "__main__":
    on_tensorflow = os.environ["KERAS_BACKEND"] == "tensorflow"
    if on_tensorflow:
        import tensorflow as tf

        one = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])
    assert sharing_devices(ExecutionSettings(devices="all")) == 2
    with tempfile.TemporaryDirectory() as root:
        learned = {"two devices, streamed": train(devices="all", faces=stored(marked_faces(), Path(root)))}
    learned |= {
        "two devices": train(devices="all"),
        "one device": train(),
        "several steps": train(steps_per_execution=4),
    }
    assert on_tensorflow or "tensorflow" not in sys.modules, "it takes seconds to import"
    if on_tensorflow:
        devices_draw_apart()
        # It compiles a step for each size of a batch.
        even = {"batch_size": len(marked_faces().of_split("Training")) // 7}
        learned |= {"without XLA": train(compile="off", **even), "XLA": train(compile="on", **even)}
    json.dump({name: each.history.to_dict("list") for name, each in learned.items()}, sys.stdout)
