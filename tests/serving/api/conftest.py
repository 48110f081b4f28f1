"""What all files of this folder ask: a real server on toy networks."""

from pathlib import Path

import pytest

from tests.toys.bundle import write_toy_bundle
from tests.toys.server import serving


@pytest.fixture(scope="package")
def bundle(tmp_path_factory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="package")
def server(bundle, tmp_path_factory):
    """Shared; `test_memory_stays_bounded` comes last and reads what all of them cost."""
    with serving(tmp_path_factory.mktemp("server"), bundle=bundle, body_seconds=1.0, head_seconds=1.0) as started:
        yield started
