"""The packages of an extra beside those that the tests run with: what its lock has otherwise, in a folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;]+)")


def pins(lock):
    """Each entry of a lock, its hashes included, by its first line."""
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {entry.splitlines()[0]: entry for entry in entries if PINNED.match(entry)}


def installed_beside(extra, folder):
    """A folder that, put before everything else on the path, makes this environment that of the extra's lock.

    Skips where no registry can be reached; an extra that does not install is a failure.
    """
    here = {PINNED.match(line).groups() for line in pins("requirements.lock")}
    other = pins(f"requirements-{extra}.lock")
    lock = folder / "differs.lock"
    lock.write_text("".join(entry for line, entry in other.items() if PINNED.match(line).groups() not in here))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-compile",
    ]
    done = subprocess.run(
        [*pip, "--require-hashes", "--target", str(folder / "packages"), "-r", str(lock)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "(from versions: none)" in done.stderr:
        pytest.skip(f"no package registry can be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder / "packages"
