import hashlib
import os
import time

import pytest

from ferkit import file_hashes
from ferkit.file_hashes import FileHashes, file_sha256
from ferkit.sources import Fer2013Settings, FolderSettings, ShardSettings, fingerprint

LONG_AGO = time.time_ns() - 60_000_000_000


@pytest.fixture
def reads(monkeypatch):
    """The files that were read."""
    read = []

    def reading(path):
        read.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(file_hashes, "file_sha256", reading)
    # A file's second date is the file system's own: no test can put it into the past, so the clock goes forward.
    ahead = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: ahead)
    return read


def hashes(folder, *files):
    with FileHashes(folder / "hashes.db") as sha256:
        return [sha256(file) for file in files]


def sha256_of(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once_as_long_as_it_stays_the_same(tmp_path, reads):
    file = tmp_path / "a"
    file.write_bytes(b"one")
    assert hashes(tmp_path, file) == hashes(tmp_path, file) == [sha256_of(b"one")]
    assert reads == ["a"]


def test_another_content_of_the_same_size_and_date_is_noticed(tmp_path, reads):
    file = tmp_path / "a"
    file.write_bytes(b"one")
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    assert hashes(tmp_path, file) == [sha256_of(b"one")]
    file.write_bytes(b"two")
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    assert hashes(tmp_path, file) == [sha256_of(b"two")], "changed in place"
    other = tmp_path / "b"
    other.write_bytes(b"six")
    os.utime(other, ns=(LONG_AGO, LONG_AGO))
    other.replace(file)
    assert hashes(tmp_path, file) == [sha256_of(b"six")], "replaced"
    assert reads == ["a"] * 3


def test_a_file_that_changed_a_moment_ago_is_not_trusted(tmp_path, reads, monkeypatch):
    """It may change again within one tick of the file system's clock, and look the same."""
    file = tmp_path / "a"
    file.write_bytes(b"one")
    now = file.stat().st_ctime_ns + 1_000_000_000
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now)
    assert hashes(tmp_path, file) == hashes(tmp_path, file) == [sha256_of(b"one")]
    assert reads == ["a", "a"]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, reads, monkeypatch):
    file = tmp_path / "a"
    file.write_bytes(b"one")

    def slow(path):
        found = file_sha256(path)
        path.write_bytes(b"other")
        return found

    monkeypatch.setattr(file_hashes, "file_sha256", slow)
    hashes(tmp_path, file)
    monkeypatch.undo()
    assert hashes(tmp_path, file) == [sha256_of(b"other")]


def test_a_memory_that_is_damaged_or_out_of_reach_costs_time_alone(tmp_path, reads):
    file = tmp_path / "a"
    file.write_bytes(b"one")
    (tmp_path / "hashes.db").write_bytes(b"this is no database" * 100)
    assert hashes(tmp_path, file) == hashes(tmp_path, file) == [sha256_of(b"one")]
    assert reads == ["a"], "made anew"
    with FileHashes(tmp_path / "missing" / "hashes.db") as sha256:
        assert sha256(file) == sha256_of(b"one")
    with pytest.raises(FileNotFoundError):
        hashes(tmp_path, tmp_path / "none")


def test_no_source_reads_files_again_that_did_not_change(tmp_path, reads):
    (tmp_path / "faces" / "train" / "happy").mkdir(parents=True)
    for name in ("fer2013.csv", "fer2013new.csv", "a.tar", "faces/train/happy/a.png"):
        (tmp_path / name).write_bytes(name.encode())
    sources = (Fer2013Settings(path=tmp_path), ShardSettings(path=tmp_path), FolderSettings(path=tmp_path / "faces"))
    for source in sources:
        with FileHashes(tmp_path / "hashes.db") as sha256:
            found = fingerprint(source, sha256)
        with FileHashes(tmp_path / "hashes.db") as sha256:
            assert fingerprint(source, sha256) == found == fingerprint(source)
    assert sorted(reads) == ["a.png", "a.tar", "fer2013.csv", "fer2013new.csv"]
