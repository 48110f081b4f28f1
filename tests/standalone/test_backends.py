"""A standalone run on each backend of Keras that is installed."""

import importlib.util
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.standalone.__main__ import main
from ferkit.standalone.folder import RunFolder
from tests.toys.bare import bare, bare_environment, bare_script
from tests.toys.command import QUICK_XLA, forked_script

TOY = {
    "name": "toy",
    "data": {"source": "fer2013"},
    # None of them is a face.
    "cleaning": {"pixels": False},
    "backbones": [{"name": "fernet", "alias": "a", "width": 8, "depth": 2, "input_size": 24, "dropout": 0}],
    "training": {
        "network": {"epochs": 4, "learning_rate": 0.01},
        "batch_size": 16,
        "augmentation": {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0},
    },
    "evaluation": {"bootstrap": 100},
}


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """A fer2013.csv of stripes, each class in a direction of its own, and how many of its PublicTest are labelled so.

    A fifth of the labels is drawn at random, so that no network can be right about all.
    """
    generator = np.random.default_rng(0)
    usage = ["Training"] * 700 + ["PublicTest"] * 150 + ["PrivateTest"] * 150
    label = np.arange(len(usage)) % 7
    row, column, angle = *np.mgrid[:48, :48], (np.pi * label / 7)[:, None, None]
    phase, noise = generator.uniform(0, 2 * np.pi, angle.shape), generator.normal(0, 25, (len(usage), 48, 48))
    wave = np.sin(2 * np.pi / 6 * (np.cos(angle) * row + np.sin(angle) * column) + phase)
    images = np.clip(128 + 60 * wave + noise, 0, 255).astype(np.uint8)
    said = np.where(generator.random(len(usage)) < 0.2, generator.integers(0, 7, len(usage)), label)
    folder = tmp_path_factory.mktemp("stripes")
    pixels = [" ".join(map(str, image)) for image in images.reshape(len(usage), -1).tolist()]
    pd.DataFrame({"emotion": said, "pixels": pixels, "Usage": usage}).to_csv(folder / "fer2013.csv", index=False)
    return folder, (said == label)[700:850].mean()


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_each_backend_learns_the_same(backend, stripes, tmp_path):
    """Initial weights differ between backends; what a network has learned in the end does not."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"the Keras backend {backend} is not installed here")
    folder, right = stripes
    config = tmp_path / "toy.yaml"
    config.write_text(yaml.safe_dump({**TOY, "data": {**TOY["data"], "path": str(folder)}}))
    arguments = (config, "--out", tmp_path / "out", "--no-test")
    environment = bare_environment(KERAS_BACKEND=backend, XLA_FLAGS=QUICK_XLA)
    done = subprocess.run(
        # One that is forked has imported Keras with TensorFlow; a machine with another backend may have none.
        forked_script(bare_script(), *arguments)
        if backend == "tensorflow"
        else bare(*arguments, without=("tensorflow",)),
        # With as many threads as a user's training has.
        env={name: value for name, value in environment.items() if not name.endswith("_THREADS")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = RunFolder(tmp_path / "out")
    assert out.read_record().environment.backend == backend
    line = out.read_evaluations("fer").query("subset == 'PublicTest'").set_index("model").loc["a"]
    # It tells the classes apart: it is right wherever the label is, but for a few.
    assert line["pictures"] == 150
    assert line["accuracy"] == pytest.approx(right, abs=0.03)


def test_a_backend_that_is_not_there_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    assert main(["toy.yaml", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("ferkit: KERAS_BACKEND=mxnet: not installed; there is ")
    assert "expected one of tensorflow, jax, torch." in printed
