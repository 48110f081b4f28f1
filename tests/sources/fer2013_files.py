"""Small fer2013.csv and fer2013new.csv: six rows as they are written, read, and refused in one line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ferkit.data.dataset import SIZE
from ferkit.data.labels import FERPLUS_VOTES, SPLITS
from ferkit.errors import DataError
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

PIXELS = SIZE * SIZE
USAGE = ("Training", "Training", "Training", "PublicTest", "PublicTest", "PrivateTest")
EMOTION = (0, 3, 6, 1, 5, 2)
VOTES_HEADER = ",".join(["Usage", "Image name", *FERPLUS_VOTES])


def pixel_text(picture: np.ndarray) -> str:
    return " ".join(map(str, picture.tolist()))


def rows_of(pictures: np.ndarray) -> list[list[str]]:
    """Emotion, pixels, Usage of each row."""
    return [
        [str(emotion), pixel_text(picture), usage]
        for emotion, picture, usage in zip(EMOTION, pictures, USAGE, strict=True)
    ]


def write_rows(
    path: Path, rows: Sequence[Sequence[str]], header: str = "emotion,pixels,Usage", end: str = "\n"
) -> Path:
    path.write_bytes("".join(line + end for line in [header, *(",".join(row) for row in rows)]).encode())
    return path


def in_kaggles_order(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The order of icml_face_data.csv."""
    return [[emotion, usage, pixels] for emotion, pixels, usage in rows]


def drawn_votes(usage: Sequence[str] = USAGE) -> np.ndarray:
    votes = np.random.default_rng(1).multinomial(10, [0.1] * 10, size=len(usage)).astype(np.uint8)
    votes[0] = (10, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return votes


def write_votes(path: Path, votes: Sequence[Sequence[object]], usage: Sequence[str] = USAGE) -> Path:
    # The second name is empty, as FER+ leaves that of a picture which is no face.
    lines = [
        ",".join([split, "" if row == 1 else f"fer{row:07d}.png", *map(str, counts)])
        for row, (split, counts) in enumerate(zip(usage, votes, strict=True))
    ]
    path.write_text("\n".join([VOTES_HEADER, *lines, ""]), encoding="utf-8")
    return path


def read_faces(path: Path, ferplus: str = "auto"):
    return load_fer2013(Fer2013Settings.model_validate({"path": path, "ferplus": ferplus}))


def problem(path: Path, ferplus: str = "auto") -> str:
    """The one line that reading `path` ends in."""
    with pytest.raises(DataError) as caught:
        read_faces(path, ferplus)
    line = str(caught.value)
    assert "\n" not in line
    # Where the test lies is no fault of the message.
    assert len(line.replace(str(path), "")) < 300, "nobody reads a line that long"
    return line


def check_faces(faces, pictures: np.ndarray) -> None:
    assert (faces.images.reshape(-1, PIXELS) == pictures).all()
    assert faces.label.tolist() == list(EMOTION)
    assert [SPLITS[index] for index in faces.split] == list(USAGE)
    assert faces.row.tolist() == list(range(len(USAGE)))
