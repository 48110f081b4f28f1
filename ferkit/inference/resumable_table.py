"""The table that `ferkit predict --to FILE.parquet` makes, which goes on where it was stopped."""

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ferkit.errors import ConfigError
from ferkit.inference.inputs import Source
from ferkit.inference.part_files import PartFiles, TableProgress
from ferkit.inference.results import Finding, MadeWith, table_of, table_schema
from ferkit.inference.stream import PictureResult

__all__ = ["ResumableTable", "open_table"]

# A part is written after this many pictures or seconds, whichever comes first: so much is done again at most.
_PART_PICTURES = 128
_PART_SECONDS = 10.0

_Group = tuple[Finding, ...]


@dataclass(frozen=True)
class _Held:
    """How far the work is, and the groups that are not yet in a part."""

    progress: TableProgress
    groups: tuple[_Group, ...] = ()


class ResumableTable:
    """The table in the making: takes results group by group and writes them in parts.

    Every group is taken whole or not at all, so that the work may be interrupted anywhere; `flush` then keeps what was
    taken.

    Parameters
    ----------
    parts
        Opened.
    sources
        Those of the whole table.

    Raises
    ------
    ConfigError
        If parts are there, and the sources that they tell of are others than the first ones of `sources`.
    """

    def __init__(self, parts: PartFiles, sources: Sequence[Source]) -> None:
        self._parts = parts
        self._digest = _Digest(sources)
        progress = parts.progress
        if progress.parts and self._digest.up_to(progress.source, progress.frame) != progress.checked:
            raise ConfigError(
                f"{parts.target}: {progress.pictures + progress.problems:,} pictures are done, and they are not the "
                "first ones of those named now: some came, went or changed since. Give the same pictures again to "
                "go on, --restart to begin anew, or name another file."
            )
        self._held = _Held(progress)
        self._written = time.monotonic()

    @property
    def progress(self) -> TableProgress:
        """How far the work is, with what is not written yet."""
        return self._held.progress

    @property
    def place(self) -> tuple[int, int]:
        """Index of the source where the work goes on, and of the frame in it."""
        return self.progress.source, self.progress.frame

    def add(self, group: Sequence[PictureResult]) -> None:
        """Take the results of some pictures that follow one another."""
        source, frame = group[-1].frame.next
        findings = tuple(result.finding for result in group)
        problems = sum(finding.problem is not None for finding in findings)
        before = self._held.progress
        progress = replace(
            before,
            source=source,
            frame=frame,
            pictures=before.pictures + len(findings) - problems,
            faces=before.faces + sum(len(finding.faces) for finding in findings),
            problems=before.problems + problems,
        )
        # One assignment: an interruption comes before it or after it.
        self._held = _Held(progress, (*self._held.groups, findings))
        if sum(map(len, self._held.groups)) >= _PART_PICTURES or time.monotonic() >= self._written + _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken since the last part."""
        if not self._held.groups:
            return
        progress = self._held.progress
        progress = replace(
            progress, parts=progress.parts + 1, checked=self._digest.up_to(progress.source, progress.frame)
        )
        findings = [finding for group in self._held.groups for finding in group]
        # If it is interrupted after the part is there and before that is known, the same part is written again.
        self._parts.write(table_of(findings, self._parts.schema), progress)
        self._held = _Held(progress)
        self._written = time.monotonic()


class _Digest:
    """sha256 of the names, sizes and dates of the first sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._done = (0, hashlib.sha256())

    def up_to(self, source: int, frame: int) -> str:
        """Digest of the sources before number `source`, and of that one if some of its frames are done."""
        count, digest = self._done
        digest = digest.copy()
        for each in self._sources[count:source]:
            digest.update(_identity(each))
        self._done = (source, digest)
        if frame:
            digest = digest.copy()
            # Its name is not enough: the frames that are left have to be of the same video.
            digest.update(_identity(self._sources[source]))
        return digest.hexdigest()


def _identity(source: Source) -> bytes:
    try:
        found = source.path.stat()
    except OSError:
        return f"{source.name}\0missing\n".encode(errors="surrogateescape")
    return f"{source.name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="surrogateescape")


@contextmanager
def open_table(
    target: Path, classes: Sequence[str], made_with: MadeWith, sources: Sequence[Source], *, restart: bool
) -> Iterator[ResumableTable]:
    """Make a table within the block: whole when it ends, in parts that can be gone on with if it is interrupted.

    Parameters
    ----------
    target
        Ends with .parquet or .csv.
    classes
        Names of the model's classes.
    made_with
        What decides about the rows, besides the pictures.
    restart
        Forget the parts that are there.
    """
    with PartFiles(target, table_schema(classes, made_with), made_with, restart=restart) as parts:
        if made_with.get("webcam") and parts.progress.parts:
            raise ConfigError(f"{parts.folder}: what a webcam saw before; keep that folder, or --restart removes it.")
        batch = ResumableTable(parts, sources)
        if parts.progress.parts:
            _print_status(f"{target}: goes on after {_summary(batch.progress)}")
        try:
            yield batch
        except KeyboardInterrupt:
            batch.flush()
            _print_status(f"stopped; {target} has {_summary(batch.progress)} so far, the same command goes on.")
            raise
        except BaseException:
            batch.flush()
            raise
        batch.flush()
        parts.finish()


def _summary(progress: TableProgress) -> str:
    broken = f" and {progress.problems:,} that cannot be read" if progress.problems else ""
    return f"{progress.pictures:,} pictures{broken}"


def _print_status(text: str) -> None:
    print(f"ferkit: {text}", file=sys.stderr)  # noqa: T201
