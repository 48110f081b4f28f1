"""What the tests leave in the machine's folder for temporary files is seen and named."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.leftovers import TemporaryFolder


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The machine's folder for temporary files, of a run that begins in it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "weed.old").touch()
    return tmp_path


def test_everything_temporary_goes_with_the_run(machine):
    folder = TemporaryFolder()
    made = Path(tempfile.mkdtemp())
    assert made.parent == folder.path == Path(os.environ["TMPDIR"])
    # The longest path of a socket in it, in memory.
    session = f"/dev/shm/{folder.path.name}/ray/session_2026-01-01_00-00-00_000000_1234567"
    assert len(f"{session}/sockets/plasma_store.10") < 107
    folder.remove()
    assert [path.name for path in machine.iterdir()] == ["weed.old"]


def test_it_lies_in_memory_where_there_is_room_and_nobody_decided_otherwise(machine, tmp_path, monkeypatch):
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr("tests.leftovers._MEMORY", memory)
    monkeypatch.setattr("tests.leftovers._ROOM", 1)
    assert TemporaryFolder().path.parent == machine, "TMPDIR says so"
    monkeypatch.setattr("tempfile.tempdir", str(machine))
    monkeypatch.delenv("TMPDIR")
    assert TemporaryFolder().path.parent == memory
    monkeypatch.setattr("tempfile.tempdir", str(machine))
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr("tests.leftovers._ROOM", 2**60)
    assert TemporaryFolder().path.parent == machine, "there is no room"


def test_what_is_left_beside_is_named(machine):
    folder = TemporaryFolder()
    assert folder.left_beside()[0] == []
    for name in ("seaweedfs-s3-1.sock", "of-somebody-else"):
        (machine / name).touch()
    ours, others = folder.left_beside()
    assert ours == [str(machine / "seaweedfs-s3-1.sock")]
    assert str(machine / "of-somebody-else") in others
