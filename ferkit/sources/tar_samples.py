"""What lies in a tar shard: pictures with their annotation, in WebDataset's layout, and where."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkit.data.labels import FERPLUS_VOTES
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.sources.split_names import KNOWN_SPLITS, split_index

__all__ = ["TarSample", "member_names", "tar_samples"]

# POSIX: an archive ends with two blocks of zeros.
_END = bytes(1024)

_ANNOTATIONS = (".json", ".cls")


@dataclass(frozen=True)
class TarSample:
    """One picture of a shard.

    Attributes
    ----------
    offset, length
        Where its encoded bytes lie in the shard.
    name
        Of its class, or the number of that.
    split
        As in `ferkit.data.dataset.FaceDataset`.
    row
        What the annotation calls its row, None if it does not.
    votes
        Of FER+, None if there are none.
    """

    offset: int
    length: int
    name: str
    split: int
    row: int | None
    votes: tuple[int, ...] | None


def tar_samples(shard: Path) -> Iterator[TarSample]:
    """The pictures of a shard, in its order.

    A sample is the members whose names are equal up to the first dot of their last part: a picture, and ``.json`` with
    ``emotion`` and, if there are any, ``split``, ``row`` and ``votes``; or ``.cls`` with the emotion or its index. A
    sample without a split has that which the name of the shard begins with, such as ``train-000001.tar``. Hidden
    members and those with other suffixes are passed over.

    Raises
    ------
    DataError
        If the shard is missing, cut short or no tar file, or a sample lacks something.
    """
    key = ""
    parts: dict[str, Any] = {}
    for here, kind, part in _parts(shard):
        if here != key and key:
            yield _sample(shard, key, parts)
            parts = {}
        key = here
        parts[kind] = part
    if key:
        yield _sample(shard, key, parts)


def member_names(shard: Path) -> dict[int, str]:
    """Names of the members of a whole shard, by where the content of each begins."""
    with tarfile.open(shard, "r:") as archive:
        return {member.offset_data: member.name for member in archive}


def _parts(shard: Path) -> Iterator[tuple[str, str, Any]]:
    """Of each member that counts: its sample, ``picture``, ``.json`` or ``.cls``, and its place or its content."""
    try:
        with shard.open("rb") as file:
            _require_end(file, shard)
            # `r:` and not `r`: what is compressed cannot be read from its middle.
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while member := archive.next():
                    # Or it would keep all that it has seen.
                    archive.members = []  # type: ignore[attr-defined]
                    stem, _, suffix = member.name.rpartition("/")[2].partition(".")
                    kind, key = f".{suffix.lower()}", member.name[: len(member.name) - len(suffix) - 1]
                    content = archive.extractfile(member) if stem and kind in (*SUFFIXES, *_ANNOTATIONS) else None
                    if content is None:
                        continue
                    if kind in SUFFIXES:
                        yield key, "picture", (member.offset_data, member.size)
                    else:
                        yield key, kind, content.read()
    except FileNotFoundError:
        raise DataError(f"{shard}: no such shard.") from None
    except tarfile.TarError as error:
        raise DataError(f"{shard}: not a whole uncompressed tar file ({error}); make it again.") from error
    except OSError as error:
        raise DataError(f"{shard}: cannot be read ({error.strerror}).") from error


def _require_end(file: Any, shard: Path) -> None:
    """A shard that was cut between two members looks whole but for its end."""
    size = file.seek(0, 2)
    file.seek(max(0, size - len(_END)))
    if file.read() != _END:
        raise DataError(
            f"{shard}: {size:,} bytes that do not end as a tar file does: it was cut short, or is compressed; make it "
            "again, uncompressed."
        )
    file.seek(0)


def _sample(shard: Path, key: str, parts: dict[str, Any]) -> TarSample:
    where = f"{shard}, sample {key}"
    if "picture" not in parts or len(parts) < 2:
        lacks = ".json or .cls" if "picture" in parts else "picture"
        raise DataError(f"{where}: no {lacks}, expected NAME.png (or .jpg, ...) and NAME.json or NAME.cls beside it.")
    about = _annotation(parts, where)
    offset, length = parts["picture"]
    row, votes = _optional(about, where)
    return TarSample(offset, length, str(about["emotion"]), _split(about, shard, where), row, votes)


def _annotation(parts: dict[str, Any], where: str) -> dict[str, Any]:
    if ".json" not in parts:
        return {"emotion": parts[".cls"].decode(errors="replace").strip()}
    try:
        about = dict(json.loads(parts[".json"]))
        about["emotion"]
    except (ValueError, TypeError, KeyError):
        raise DataError(f'{where}: its .json is not {{"emotion": "happy", ...}}.') from None
    return about


def _split(about: dict[str, Any], shard: Path, where: str) -> int:
    named = str(about.get("split") or shard.name.partition("-")[0].partition(".")[0])
    if (index := split_index(named)) is None:
        raise DataError(f"{where}: no split: neither its .json nor the name of the shard says one of {KNOWN_SPLITS}.")
    return index


def _optional(about: dict[str, Any], where: str) -> tuple[int | None, tuple[int, ...] | None]:
    row, votes = about.get("row"), about.get("votes")
    if row is not None and (not isinstance(row, int) or row < 0):
        raise DataError(f"{where}: row {row!r}, expected a number from 0.")
    if votes is not None:
        if not isinstance(votes, list) or len(votes) != len(FERPLUS_VOTES) or not all(_is_vote(each) for each in votes):
            raise DataError(f"{where}: votes {votes!r}, expected {len(FERPLUS_VOTES)} numbers, 0 to 255.")
        votes = tuple(votes)
    return row, votes


def _is_vote(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= 255
