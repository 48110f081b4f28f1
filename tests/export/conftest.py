"""What every file that exports exports: a bundle of networks that were never trained, and drawn faces."""

import pytest

from ferkit.sources import SyntheticSettings, load
from tests.toys.export import write_export_bundle


@pytest.fixture(scope="module")
def faces():
    return load(SyntheticSettings(count=200))


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    """A bundle of two members, one of which answers for both targets, and a student."""
    folder = tmp_path_factory.mktemp("bundles") / "toy"
    folder.mkdir()
    return write_export_bundle(folder)
