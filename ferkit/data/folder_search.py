"""The files of a folder and of the folders in it, those behind links included, and what was passed over."""

import os
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FolderFiles", "find_files", "reasons"]

# Reasons that a line names, of which there may be as many as suffixes.
_REASONS = 8


@dataclass
class FolderFiles:
    """What a folder holds.

    Attributes
    ----------
    files
        Sorted. A link to nothing is among them if it has a suffix that was looked for: who reads it will say so.
    passed_over
        How many files, links and folders were left out, by reason, such as ``.txt`` or ``hidden``.
    unreadable
        Folders that could not be listed, and why.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    unreadable: dict[Path, str] = field(default_factory=dict)


def find_files(folder: Path, suffixes: Collection[str]) -> FolderFiles:
    """The files below `folder` that have one of `suffixes`, written in whichever case.

    Links to files and folders are followed. A folder that several ways lead to is read once: where it lies, if it lies
    below `folder`. Links to a folder that they lie in are not followed. Hidden files and folders are passed over, and
    so is what would never end to be read, such as a pipe.

    Parameters
    ----------
    suffixes
        In lower case, with their dot.
    """
    found = FolderFiles()
    wanted = frozenset(suffixes)
    known: set[tuple[int, int]] = set()
    # What lies here comes before what links lead to.
    inside, linked = [folder], deque[Path]()
    while inside or linked:
        current = inside.pop() if inside else linked.popleft()
        try:
            about = current.stat()
            with os.scandir(current) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            found.unreadable[current] = error.strerror or str(error)
            continue
        if (about.st_dev, about.st_ino) in known:
            found.passed_over["link to a folder that is read already"] += 1
            continue
        known.add((about.st_dev, about.st_ino))
        for entry in entries:
            path, is_link = current / entry.name, entry.is_symlink()
            # Of a link, an entry raises an error where these functions say no.
            is_folder = path.is_dir() if is_link else entry.is_dir()
            reason = _reason(path, wanted, is_link=is_link, is_folder=is_folder)
            if reason:
                found.passed_over[reason] += 1
            elif is_folder:
                (linked if is_link else inside).append(path)
            else:
                found.files.append(path)
    found.files.sort()
    return found


def reasons(passed_over: Counter[str]) -> str:
    """What was passed over, as ``3 .txt, 2 hidden``; empty if nothing was."""
    return ", ".join(_most_frequent(passed_over))


def _most_frequent(passed_over: Counter[str]) -> Iterator[str]:
    ordered = sorted(passed_over.items(), key=lambda item: (-item[1], item[0]))
    yield from (f"{count:,} {reason}" for reason, count in ordered[:_REASONS])
    if rest := sum(count for _, count in ordered[_REASONS:]):
        yield f"{rest:,} others"


def _reason(path: Path, suffixes: Collection[str], *, is_link: bool, is_folder: bool) -> str | None:
    """Why a file or folder is passed over; None if it is not."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden"
    if is_folder:
        return "link to a folder that it lies in" if is_link and _holds(path.resolve(), path) else None
    if suffix not in suffixes:
        return suffix or "without suffix"
    # A link to nothing is for who reads it.
    return "no regular file" if path.exists() and not path.is_file() else None


def _holds(folder: Path, link: Path) -> bool:
    place = link.parent.resolve()
    return folder == place or folder in place.parents
