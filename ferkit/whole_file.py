"""A file that is there only once it is whole."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written_whole"]


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
