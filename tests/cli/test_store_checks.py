"""Stores that are away, damaged, locked or not to be written, each told in a line."""

import http.server
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import pytest

from ferkit.cli.state.store_checks import StoreError, require_store
from tests.toys.services import free_port


@pytest.fixture
def database(tmp_path):
    """A database of some pages."""
    path = tmp_path / "my #1 50% store.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE runs (name TEXT)")
        made.executemany("INSERT INTO runs VALUES (?)", [("x" * 500,)] * 200)
    return path


def require(path, **options):
    require_store("MLflow", f"sqlite:///{path}", **options)


def test_a_sound_database_and_one_that_is_not_made_yet_can_be_used(database, tmp_path):
    require(database)
    require(database, writable=False)
    require(tmp_path / "none" / "mlflow.db")


def test_a_database_whose_writer_was_killed_can_be_read(database):
    write = (
        "import os, sqlite3, sys; made = sqlite3.connect(sys.argv[1]); made.execute('PRAGMA cache_size = 1'); "
        "made.execute('UPDATE runs SET name = hex(randomblob(250))'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", write, database], check=False)
    assert database.with_name(f"{database.name}-journal").stat().st_size > 0
    require(database, writable=False)


def test_a_damaged_database_is_told(database):
    content = bytearray(database.read_bytes())
    content[3 * 4096 : 6 * 4096] = b"x" * (3 * 4096)
    database.write_bytes(content)
    with pytest.raises(StoreError, match=r"MLflow's database .*store.db is damaged \(.*\): bring back a copy"):
        require(database)


def test_a_file_that_is_no_database_is_told(database):
    database.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\)"):
        require(database)


def test_a_cut_database_is_told(database):
    database.write_bytes(database.read_bytes()[: 7 * 4096])
    with pytest.raises(StoreError, match="is damaged"):
        require(database)


def test_a_folder_in_the_place_of_a_database_is_told(tmp_path):
    with pytest.raises(StoreError, match="is not a file"):
        require(tmp_path)


def test_a_locked_database_is_told(database, monkeypatch):
    monkeypatch.setattr("ferkit.cli.state.store_checks._ATTEMPT_SECONDS", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        require(database, writable=False)
        with pytest.raises(StoreError, match="is locked by another process"):
            require(database)


def test_a_database_that_cannot_be_written_is_told(database, tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "ferkit", mount], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        (mount / "mlflow.db").write_bytes(database.read_bytes())
        subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
        with pytest.raises(StoreError, match=r"mlflow\.db cannot be written: change the permissions"):
            require(mount / "mlflow.db")
        require(mount / "mlflow.db", writable=False)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_server_that_is_away_is_told_without_its_password():
    with pytest.raises(StoreError) as raised:
        require_store("ZenML", f"http://me:secret@127.0.0.1:{free_port()}")
    assert "does not answer (Connection refused): is it running" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_name_that_nobody_has_is_told():
    with pytest.raises(StoreError, match=r"ZenML's server http://nobody.invalid does not answer"):
        require_store("ZenML", "http://nobody.invalid")


def test_a_server_that_says_nothing_is_told(monkeypatch):
    monkeypatch.setattr("ferkit.cli.state.store_checks._ATTEMPT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(StoreError, match=r"does not answer \(timed out\)"):
            require_store("MLflow", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("ferkit.cli.state.store_checks._MOST_SECONDS", 0.1)
        with pytest.raises(StoreError, match=r"does not answer \(for 0 s\)"):
            require_store("MLflow", f"http://127.0.0.1:{silent.getsockname()[1]}")


@contextmanager
def answering(status):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(status)

        def log_message(self, *_given):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_proxy_without_its_server_is_told_and_one_that_asks_who_it_is_not():
    with answering(502) as url, pytest.raises(StoreError, match="is away: what is before it answers 502 Bad Gateway"):
        require_store("MLflow", url)
    with answering(401) as url:
        require_store("MLflow", url)


def test_a_database_server_that_is_away_is_told():
    with pytest.raises(StoreError, match=r"MLflow's database postgresql://127\.0\.0\.1:") as raised:
        require_store("MLflow", f"postgresql://me:secret@127.0.0.1:{free_port()}/mlflow")
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
