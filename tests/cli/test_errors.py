"""Errors of stores in the middle of a command, each as one line."""

import sqlite3
from contextlib import closing

import pytest
import requests
import sqlalchemy
from alembic.util.exc import CommandError
from zenml.exceptions import CredentialsNotValid

from ferkit.cli.errors import expected_error
from tests.toys.services import free_port


def wrapped(error):
    """As a library does that knows no better."""
    outer = RuntimeError("something failed\nlater")
    outer.__cause__ = error
    return outer


def test_a_database_that_is_none_is_one_line(tmp_path):
    (tmp_path / "zenml.db").write_bytes(b"no database, but long enough for its header" * 10)
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'zenml.db'}")
    with pytest.raises(sqlalchemy.exc.DatabaseError) as raised:
        engine.connect().execute(sqlalchemy.text("SELECT * FROM runs"))
    assert str(expected_error(wrapped(raised.value))).startswith("a database of ZenML or MLflow is none: bring back")


def test_a_locked_database_is_one_line(tmp_path):
    path = tmp_path / "zenml.db"
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path, timeout=0)) as other:
        one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as raised:
            other.execute("CREATE TABLE runs (name TEXT)")
    assert "is locked by another process" in str(expected_error(wrapped(raised.value)))


def test_a_store_of_a_newer_version_is_one_line():
    error = CommandError("Can't locate revision identified by '9.99.9'")
    assert "was made by a newer version" in str(expected_error(error))


def test_a_server_that_went_away_is_one_line_without_its_password():
    port = free_port()
    with pytest.raises(requests.ConnectionError) as raised:
        requests.get(f"http://me:secret@127.0.0.1:{port}/api?token=secret", timeout=5)
    shown = str(expected_error(wrapped(raised.value)))
    assert shown.startswith(f"http://127.0.0.1:{port}/api: no answer; run the same command again")


def test_a_server_that_does_not_know_who_asks_is_one_line():
    shown = str(expected_error(wrapped(CredentialsNotValid("No valid\ncredentials"))))
    assert shown == "ZenML's server: No valid credentials (see ZENML_STORE_API_KEY)"


def test_what_nobody_expects_keeps_its_traceback():
    assert expected_error(wrapped(KeyError("bug"))) is None
