"""A long table that is written part by part, so that what a stopped program wrote is not lost.

While ``faces.parquet`` is in the making, the folder ``faces.parquet.partial`` beside it holds what the table is made
with (``made_with.json``) and the parts that are finished: parquet files that also say where to go on. A part appears
whole or not at all; at the end they become the table at once, and the folder goes.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ferkit.errors import ConfigError, DataError
from ferkit.files import write_synced
from ferkit.inference.results import MadeWith

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PartFiles", "TableProgress"]

_PLAN = "made_with.json"
_PROGRESS = b"ferkit stand"
_PART = re.compile(r"part-(\d{6})\.parquet")
# Rows of a group of the parquet file: the most that is in memory while the parts are put together.
_GROUP_ROWS = 50_000
_DECIMALS = "%.4f"


@dataclass(frozen=True)
class TableProgress:
    """How far the making of a table is.

    Attributes
    ----------
    parts
        Number of parts that are written.
    source, frame
        Where to go on: index of the first source that is not finished, and, in a video, of its first frame.
    checked
        Digest of the sources that were read: what is to go on has to begin with the same ones.
    pictures, faces, problems
        How many there were: frames count as pictures, problems are files that could not be read.
    """

    parts: int = 0
    source: int = 0
    frame: int = 0
    checked: str = ""
    pictures: int = 0
    faces: int = 0
    problems: int = 0


class PartFiles:
    """The parts of a table in the making; as a context manager it locks them against other processes.

    Parameters
    ----------
    target
        The table that they become: .parquet or .csv. One that is there stays until the new one is whole.
    schema
        Names and types of its columns.
    made_with
        What decides about its rows, besides the pictures.
    restart
        Remove the parts that are there.

    Raises
    ------
    ConfigError
        On entering, if another process makes this table, or the parts that are there were made with something else.
    """

    def __init__(self, target: Path, schema: "pa.Schema", made_with: MadeWith, *, restart: bool = False) -> None:
        self.target = target
        self.schema = schema
        self._made_with = made_with
        self._restart = restart
        self.folder = target.with_name(target.name + ".partial")
        self.progress = TableProgress()

    def __enter__(self) -> Self:
        """Find out what is there: afterwards `progress` says where to go on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._lock(stack)
            self._go_on()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _lock(self, stack: ExitStack) -> None:
        lock = stack.enter_context((self.folder / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{self.target}: another process is making it; wait, or name another file.") from None

    def _go_on(self) -> None:
        if self._restart:
            self._discard()
        parts = self._parts()
        if not parts:
            write_synced(self.folder / _PLAN, (json.dumps(dict(self._made_with), indent=2) + "\n").encode())
            return
        self._require_same(_read_plan(self.folder / _PLAN))
        self.progress = _progress_of(parts[-1])
        if self.progress.parts != len(parts):
            raise DataError(f"{self.folder}: {len(parts)} parts of {self.progress.parts}; --restart begins anew.")

    def write(self, table: "pa.Table", progress: TableProgress) -> None:
        """Write `table` as part number `progress.parts`, with the progress that is reached by it.

        Writing a part again replaces it.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {**(self.schema.metadata or {}), _PROGRESS: json.dumps(asdict(progress)).encode()}
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd")
        write_synced(self.folder / f"part-{progress.parts:06d}.parquet", sink.getvalue())
        self.progress = progress

    def finish(self) -> None:
        """Put the parts together as the table, and remove them."""
        whole = self.folder / f"whole{self.target.suffix}"
        if self.target.suffix.lower() == ".csv":
            self._write_csv(whole)
        else:
            self._write_parquet(whole)
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        whole.replace(self.target)
        self._discard()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _discard(self) -> None:
        # The last first: what is left is a beginning if this is interrupted.
        for part in reversed(self._parts()):
            part.unlink()

    def _parts(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if _PART.fullmatch(path.name))

    def _require_same(self, before: MadeWith) -> None:
        for key in dict.fromkeys((*before, *self._made_with)):
            old, new = before.get(key), self._made_with.get(key)
            if old != new:
                raise ConfigError(
                    f"{self.target}: begun with {key} {_shown(old)}, not {_shown(new)}. Give the same options again "
                    "to go on, --restart to begin anew, or name another file."
                )

    def _groups(self) -> "Iterator[pa.Table]":
        """The rows of all parts, always the same number at once, however they were divided."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        held = self.schema.empty_table()
        first = True
        for part in self._parts():
            held = pa.concat_tables([held, pq.read_table(part).replace_schema_metadata(self.schema.metadata)])
            while held.num_rows >= _GROUP_ROWS:
                yield held.slice(0, _GROUP_ROWS).combine_chunks()
                first = False
                held = held.slice(_GROUP_ROWS)
            # Otherwise a small part at a time would be copied again and again, or kept in a thousand pieces.
            if held.column(0).num_chunks > 100:
                held = held.combine_chunks()
        if held.num_rows or first:
            yield held.combine_chunks()

    def _write_parquet(self, path: Path) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, self.schema, compression="zstd") as writer:
            for group in self._groups():
                writer.write_table(group, row_group_size=_GROUP_ROWS)

    def _write_csv(self, path: Path) -> None:
        whole = {field.name: "Int64" for field in self.schema if str(field.type) == "int32"}
        with path.open("w", encoding="utf-8", newline="") as file:
            for number, group in enumerate(self._groups()):
                rows = group.to_pandas().astype(whole)
                rows.to_csv(file, index=False, header=number == 0, float_format=_DECIMALS, lineterminator="\n")


def _progress_of(part: Path) -> TableProgress:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(part).metadata
        return TableProgress(**json.loads(metadata[_PROGRESS]))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{part}: not a part of a table that ferkit wrote; --restart begins anew.") from error


def _read_plan(path: Path) -> MadeWith:
    try:
        plan: MadeWith = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: does not say what the parts are made with; --restart begins anew.") from error
    return plan


def _shown(value: object) -> str:
    text = str(value)
    # Of a checksum, the beginning is enough to tell one from another.
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text
