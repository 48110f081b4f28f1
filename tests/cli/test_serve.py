"""`ferkit serve`: where it listens, what it takes of its options, and what it refuses."""

import errno
import socket
import subprocess
from pathlib import Path

import pytest

from ferkit.cli.commands.serve import serve
from ferkit.cli.ports import require_free
from ferkit.errors import ConfigError, FerkitError
from tests.toys.bundle import write_toy_bundle
from tests.toys.command import forked, forking_python
from tests.toys.server import ROOT
from tests.toys.services import CLEAN, free_port


@pytest.fixture(scope="module")
def fallback(tmp_path_factory):
    return write_toy_bundle(tmp_path_factory.mktemp("fallback"), {"alone": 1.0})


def test_the_command_says_where_and_takes_the_settings(tmp_path, fallback):
    port = free_port()
    command = forked("serve", "--port", port, "--bundle", fallback, "--threads", 8)
    environment = {
        **CLEAN, "COLUMNS": "300", "PYTHONPATH": str(ROOT), "FERKIT_HOME": str(tmp_path / "home"),
        "FORKING_PYTHON": str(forking_python()),
    }  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert f"http://127.0.0.1:{port}/ " in process.stdout.readline()
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if " answers " in line).split()[1:3] == ["toy", "local"]
        taken = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert f"try ferkit serve --port {port + 1}" in taken.stderr
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"host": "nonsense.invalid"}, "host nonsense.invalid: no address and no name of this machine"),
        ({"host": "203.0.113.7"}, "host 203.0.113.7: this machine has no such address"),
        ({"bundle": Path("nowhere")}, "nowhere/reference.json: no bundle there"),
        ({"token": "short"}, "^token: 5 characters, expected 8 or more.$"),
    ],
    ids=["no host", "another machine", "no bundle", "short token"],
)
def test_what_cannot_be_served_ends_the_command_at_once(wrong, reason):
    names = ("host", "port", "token", "bundle", "detector", "reload_seconds", "rate_limit", "threads")
    with pytest.raises(FerkitError, match=reason):
        serve(**{**dict.fromkeys(names), "port": free_port(), **wrong})


@pytest.mark.parametrize(("port", "other"), [(1, 8000), (65535, 65534)])
def test_the_port_that_is_suggested_can_be_used(monkeypatch, port, other):
    def refuse(*_):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ConfigError, match=f"try ferkit serve --port {other}"):
        require_free("127.0.0.1", port, "serve")


def test_an_address_of_ipv6_can_be_listened_on():
    require_free("::1", free_port(), "serve")
