"""What several files of sources read: the pictures of a small fer2013.csv, and a folder of every emotion."""

from pathlib import Path

import numpy as np
import pytest

from ferkit.data.labels import FER_EMOTIONS
from tests.sources.fer2013_files import PIXELS, USAGE
from tests.sources.written_pictures import noise, write_picture


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Six pictures; the first begins with numbers of one, two and three digits."""
    images = np.random.default_rng(0).integers(0, 256, (len(USAGE), PIXELS), dtype=np.uint8)
    images[0, :6] = (0, 9, 10, 99, 100, 255)
    return images


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten Training pictures and one PrivateTest picture of each emotion."""
    for index, emotion in enumerate(FER_EMOTIONS):
        for number in range(10):
            write_picture(tmp_path / "train" / emotion / f"Training_{number}.png", noise(100 * index + number))
        write_picture(tmp_path / "test" / emotion / "PrivateTest_9.png", noise(100 * index + 99))
    return tmp_path
