"""A folder for everything temporary of one test run, and what lies beside it all the same when the tests are over."""

import os
import shutil
import tempfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What could only be of the tests: a folder of state in the checkout, and sockets of the one program that puts them into
# /tmp whatever TMPDIR says. Anything else that is new may be of others on this machine, in CI too (what starts the
# tests there keeps files of its own in /tmp): it is named, and no run fails by it.
_OURS = (".ferkit", ".zenml-*", "seaweedfs-*")
# A database waits for the disk three times for each of the hundreds of commits of a run, and for memory not at all.
_MEMORY = Path("/dev/shm")
# Several times what a whole run of the tests writes; what lies there is missing from the machine's memory.
_ROOM = 8 * 2**30
# Of tools that run beside the tests.
_KEPT = (".coverage*", ".*_cache", "*.egg-info", "build", "dist")


class TemporaryFolder:
    """A run's own folder, to which TMPDIR leads this process and all that it starts.

    It lies in the machine's memory where there is plenty and TMPDIR does not say otherwise, else in its folder for
    temporary files. Its path is short, since sockets of Ray, PostgreSQL and Chromium lie in it, whose paths have 107
    bytes at most.
    """

    def __init__(self) -> None:
        self._machine = Path(tempfile.gettempdir())
        self._before = {folder: _names(folder) for folder in (self._machine, ROOT)}
        self.path = Path(tempfile.mkdtemp(prefix="ferkit-tests-", dir=_in_memory()))
        # PostgreSQL runs as another user, who has to get to its folder.
        self.path.chmod(0o711)
        os.environ["TMPDIR"] = str(self.path)
        # It was asked for already, and is remembered.
        tempfile.tempdir = None

    def left_beside(self) -> tuple[list[str], list[str]]:
        """What is new beside it, in the machine's folder and in the first level of the checkout.

        Returns
        -------
        tuple of two lists of str
            Paths that only the tests can have written, and those that may be of others.
        """
        new = [folder / name for folder, before in self._before.items() for name in _names(folder) - before]
        new = sorted(path for path in new if path != self.path and not _like(path, _KEPT))
        ours = [str(path) for path in new if _like(path, _OURS)]
        return ours, [str(path) for path in new if not _like(path, _OURS)]

    def remove(self) -> None:
        """Remove it with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _in_memory() -> Path | None:
    """The folder that lies in memory, if this machine has one with room that nobody decided against."""
    if os.environ.get("TMPDIR") or not os.access(_MEMORY, os.W_OK):
        return None
    with Path("/proc/meminfo").open() as file:
        available = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    return _MEMORY if min(available / 2, shutil.disk_usage(_MEMORY).free) >= _ROOM else None


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _like(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path.name, each) for each in patterns)
