"""A run, what is exported of it, and its data."""

import shutil
from pathlib import Path

import pytest

from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.data.dataset import FaceDataset
from ferkit.sources import load
from tests.release.exported_run import CONFIG, exported_run


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return load(CONFIG.data)


@pytest.fixture(scope="module")
def run() -> Path:
    return exported_run()[0]


@pytest.fixture(scope="module")
def exported() -> Path:
    return exported_run()[1]


@pytest.fixture(scope="module")
def bundle(exported) -> Bundle:
    """Shared by tests that only ask it: each network is read once."""
    return load_bundle(exported)


@pytest.fixture
def copy(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))
