"""How a training runs on its device changes no result by more than rounding."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ferkit.backbones import get
from ferkit.config.yaml_text import read_yaml
from ferkit.errors import ConfigError
from ferkit.training.execution import ExecutionSettings, execution, precision_of, use_precision
from ferkit.training.fine_tune import fine_tune
from tests.toys.command import QUICK_XLA, forked_script, script
from tests.training.test_fine_tune import BACKBONE, TARGET, marked_faces, settings
from tests.training.test_recipe import examples, selection


def train(precision="float32", faces=None, batch_size=32, **chosen):
    faces = faces or marked_faces()
    return fine_tune(
        examples(faces, TARGET),
        selection(faces, TARGET),
        BACKBONE,
        settings(
            epochs=2,
            average=0.9,
            batch_size=batch_size,
            execution=ExecutionSettings(precision=precision, **chosen),
        ),
        3,
    )


def test_a_network_trained_in_bfloat16_predicts_in_float32():
    plain, trained = train(), train(precision="mixed_bfloat16")
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


@pytest.fixture(
    scope="module",
    params=[
        "tensorflow",
        pytest.param(
            "jax", marks=pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
        ),
    ],
)
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def learned(backend):
    """What `tests.training.two_devices` prints."""
    run, root = Path(__file__).with_name("two_devices.py"), Path(__file__).parents[2]
    ran = subprocess.run(
        # One that is forked has imported Keras with TensorFlow, which has not looked for its devices.
        forked_script(run, root) if backend == "tensorflow" else script(run, root),
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            # Two devices, and a quick compilation of what runs for a second.
            "XLA_FLAGS": f"--xla_force_host_platform_device_count=2 {QUICK_XLA}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_two_devices_or_several_steps_at_a_time_learn_the_same(backend, learned):
    both, one, several = (learned[name] for name in ("two devices", "one device", "several steps"))
    # TensorFlow's BatchNorm sees each device's share of a batch alone; JAX's sees the whole.
    apart = 0.1 if backend == "tensorflow" else 0.02
    np.testing.assert_allclose(both["loss"], one["loss"], rtol=apart)
    # The averaged weights.
    np.testing.assert_allclose(both["val_loss"], one["val_loss"], rtol=2 * apart)
    for name in ("loss", "val_loss"):
        assert len(one[name]) == 2
        np.testing.assert_allclose(several[name], one[name], rtol=1e-3)


def test_xla_learns_the_same(backend, learned):
    if backend != "tensorflow":
        pytest.skip("JAX compiles everything")
    # TensorFlow draws other random numbers under XLA.
    np.testing.assert_allclose(learned["XLA"]["loss"], learned["without XLA"]["loss"], rtol=0.1)


def test_two_devices_share_a_streamed_batch(learned):
    files, memory = learned["two devices, streamed"], learned["two devices"]
    for name in ("loss", "val_loss"):
        assert len(files[name]) == 2
        np.testing.assert_allclose(files[name], memory[name], rtol=1e-3)


def test_on_and_off_need_no_quotes():
    for given in ("on", "off", "auto"):
        assert ExecutionSettings.model_validate(read_yaml(f"compile: {given}")).compile == given
