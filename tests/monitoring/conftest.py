"""Faces that batches are taken from, and a bundle with the profile of its training data."""

import numpy as np
import pytest

from ferkit.bundles.bundle import Bundle
from ferkit.monitoring.profile import write_profile
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from tests.detection.test_detection import drawn_faces
from tests.toys.bundle import write_toy_bundle


@pytest.fixture(scope="module")
def faces():
    """(4000, 48, 48): drawn faces in many lights."""
    rng = np.random.default_rng(0)
    drawn = drawn_faces()[rng.integers(24, size=4000)].astype(np.float32)
    contrast, brightness = rng.uniform(0.4, 1.2, (4000, 1, 1)), rng.normal(0, 15, (4000, 1, 1))
    noise = rng.normal(0, 1, (4000, 48, 48)) * rng.uniform(0, 8, (4000, 1, 1))
    return np.clip(drawn * contrast + brightness + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def training():
    return generate(SyntheticSettings(count=200, seed=0)).faces


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory, training):
    folder = write_toy_bundle(tmp_path_factory.mktemp("bundle"), flip=True)
    write_profile(folder, Bundle(folder), training)
    return folder
