"""Files that are there only once they are whole, and the folder of those that can be made again."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "write_file", "write_synced", "written_whole"]


def cache_folder() -> Path:
    """The folder of downloads: ``FERKIT_CACHE``, or ``.ferkit/weights`` below the current folder.

    What else is kept to save time lies within it or beside it.
    """
    return Path(os.environ.get("FERKIT_CACHE") or ".ferkit/weights")


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """A path to write to, beside `file` and of the same suffix; it becomes `file` at the end, unless there is an error.

    Intermediate files may be left beside the path.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.stem}-") as scratch:
        part = Path(scratch) / file.name
        yield part
        part.replace(file)


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and the folders that it lies in, so that no reader sees half of it."""
    with written_whole(path) as part:
        part.write_bytes(content)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, even after the power went."""
    part = path.with_name(path.name + ".new")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
