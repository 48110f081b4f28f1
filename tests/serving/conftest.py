"""What several files of this room need: clients that ask at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def crowd():
    with ThreadPoolExecutor(32) as pool:
        yield pool
