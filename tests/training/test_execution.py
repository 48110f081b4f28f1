"""How a training runs on its device changes no result by more than rounding."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ferkit.backbones import build_network, get
from ferkit.config.yaml_text import read_yaml
from ferkit.errors import ConfigError
from ferkit.training.checkpoint import Progress
from ferkit.training.epochs import Epochs
from ferkit.training.execution import ExecutionSettings, execution, precision_of, use_precision
from ferkit.training.fine_tune import fine_tune
from ferkit.training.settings import PhaseSettings
from tests.training.test_fine_tune import BACKBONE, TARGET, marked_faces, settings
from tests.training.test_recipe import examples, selection

# Most of the time is the compilation of its layers.
SMALLEST = BACKBONE.model_copy(update={"depth": 1})


def train(precision="float32", **chosen):
    faces = marked_faces()
    return fine_tune(
        examples(faces, TARGET),
        selection(faces, TARGET),
        SMALLEST,
        settings(epochs=2, average=0.9, execution=ExecutionSettings(precision=precision, **chosen)),
        3,
    )


@pytest.fixture(scope="module")
def plain():
    return train(compile="off")


def test_xla_learns_the_same(plain):
    # TensorFlow draws other random numbers under XLA.
    np.testing.assert_allclose(train(compile="on").history["loss"], plain.history["loss"], rtol=0.1)


def test_a_network_trained_in_bfloat16_predicts_in_float32(plain):
    trained = train(precision="mixed_bfloat16")
    assert {layer.compute_dtype for layer in trained.network.get_layer("backbone").layers} == {"float32"}
    assert trained.history["loss"].iloc[0] != plain.history["loss"].iloc[0]
    np.testing.assert_allclose(trained.history["loss"], plain.history["loss"], rtol=0.1)


def test_the_policy_is_that_of_before_afterwards():
    import keras

    with use_precision("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_more_devices_than_there_are_is_a_line():
    with (
        pytest.raises(ConfigError, match=r"devices 64: this machine has \d+ .*; lower it"),
        execution(ExecutionSettings(devices=64), BACKBONE.card),
    ):
        pass


def test_the_precision_is_what_the_device_and_the_backbone_are_quick_in(monkeypatch):
    from ferkit.training import execution as module

    plain, depthwise = get("fernet"), get("mobilenet_vggface2")
    for has, expected in ((True, "mixed_bfloat16"), (False, "float32")):
        monkeypatch.setattr(module, "_cpu_has_bfloat16", lambda has=has: has)
        assert precision_of(ExecutionSettings(), plain) == expected
        assert precision_of(ExecutionSettings(), depthwise) == "float32"
        assert precision_of(ExecutionSettings(precision="mixed_float16"), depthwise) == "mixed_float16"


def two_devices_draw_apart():
    """Under TensorFlow, where each device runs a whole step on its part of the batch."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    from ferkit.training.augmentation_layer import Augmentation

    faces, chosen = marked_faces(), settings()
    with execution(ExecutionSettings(devices="all"), BACKBONE.card):
        network = build_network(BACKBONE, {"fer": 7}, seed=3)
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


TWO_DEVICES = """
    import os, sys
    sys.path.insert(0, sys.argv[1])
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf
        one = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])
    from tests.training.test_execution import train, two_devices_draw_apart
    from ferkit.training.execution import ExecutionSettings, sharing_devices
    assert sharing_devices(ExecutionSettings(devices="all")) == 2
    two_devices_draw_apart()
    both, one, several = train(devices="all"), train(), train(steps_per_execution=4)
    print(*(value for each in (both, one, several) for name in ("loss", "val_loss") for value in each.history[name]))
"""


@pytest.mark.parametrize(
    "backend",
    [
        "tensorflow",
        pytest.param(
            "jax", marks=pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
        ),
    ],
)
def test_two_devices_or_several_steps_at_a_time_learn_the_same(backend):
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TWO_DEVICES), str(Path(__file__).parents[2])],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            # Two devices, and a quick compilation of what runs for a second.
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    both, one, several = np.array(ran.stdout.split()[-12:], dtype=float).reshape(3, 4)
    # TensorFlow's BatchNorm sees each device's share of a batch alone; JAX's sees the whole.
    apart = 0.1 if backend == "tensorflow" else 0.02
    np.testing.assert_allclose(both[:2], one[:2], rtol=apart)
    # The averaged weights.
    np.testing.assert_allclose(both[2:], one[2:], rtol=2 * apart)
    np.testing.assert_allclose(several, one, rtol=1e-3)


def test_on_and_off_need_no_quotes():
    for given in ("on", "off", "auto"):
        assert ExecutionSettings.model_validate(read_yaml(f"compile: {given}")).compile == given
