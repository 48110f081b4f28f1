"""Servers as processes of their own: whatever answers over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML", "MLFLOW", "FERKIT"))}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds: float = 240, what: str = "nothing happened") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(what)
        time.sleep(0.05)


def end(process: subprocess.Popen, seconds: float) -> None:
    """End a process and its group, which a test may have done; by force after some time."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def served(command, health, environment, log, *, patience=20):
    """A server as a process group of its own, once it answers; it has so many seconds to end."""
    with log.open("ab") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 240
            while True:
                try:
                    urllib.request.urlopen(health, timeout=5).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or server.poll() is not None:
                        pytest.fail(f"the server did not answer: {log.read_text()[-2000:]}")
                    time.sleep(0.3)
            yield server
        finally:
            end(server, patience)


@contextmanager
def s3_server(folder: Path, bucket: str):
    """Address of an S3-compatible server (SeaweedFS) with one bucket, whose files lie below `folder`."""
    port = free_port()
    weed = str(Path(sys.executable).with_name("weed"))
    names = (
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port.grpc",
    )
    ports = {"s3.port": port, **{name: free_port() for name in names}}
    command = [
        *(weed, f"-logdir={folder}", "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", "-volume.max=5"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-{name}={each}" for name, each in ports.items()),
    ]
    address = f"http://127.0.0.1:{port}"
    try:
        # Left to itself it waits fifteen seconds and more for requests that nobody sends.
        with served(command, f"{address}/status", CLEAN, folder / "s3.log", patience=0):
            made = urllib.request.Request(f"{address}/{bucket}", method="PUT")
            urllib.request.urlopen(made, timeout=30).close()
            yield address
    finally:
        # It puts its sockets there whatever TMPDIR says, and leaves them.
        for each in ports.values():
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{each}.sock"):
                socket_file.unlink()
