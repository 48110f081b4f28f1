"""`ferkit serve` as a process of its own, and a client that sends what no library would."""

import http.client
import json
import os
import resource
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ferkit.serving.settings import ServingSettings
from tests.toys.command import forked_script, script
from tests.toys.services import end, free_port, wait_for

ROOT = Path(__file__).parents[2]
BOUNDARY = "----ferkit"
TOKEN = "a secret of the tests"


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


class Client:
    def request(self, method, path, body=None, headers=None) -> Response:
        raise NotImplementedError

    def get(self, path, **headers) -> Response:
        return self.request("GET", path, headers=headers)

    def post(self, path, content, kind="image/png", **headers) -> Response:
        return self.request("POST", path, content, {"Content-Type": kind, **headers})

    def predict(self, content, query="", kind="image/png", **headers) -> Response:
        return self.post(f"/api/v1/predict?{query}", content, kind, **headers)

    def predict_form(self, *parts, query="") -> Response:
        return self.predict(form(*parts), query, f"multipart/form-data; boundary={BOUNDARY}")


class InProcess(Client):
    """An app without a server."""

    def __init__(self, app) -> None:
        self._client = app.test_client()

    def request(self, method, path, body=None, headers=None) -> Response:
        given = {"Host": "127.0.0.1", **(headers or {})}
        response = self._client.open(path, method=method, data=body, headers=given)
        return Response(response.status_code, {key.lower(): value for key, value in response.headers}, response.data)


@dataclass
class Server(Client):
    port: int
    process: subprocess.Popen
    log: Path

    def request(self, method, path, body=None, headers=None) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Response(
                response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def metric(self, name, **headers) -> float:
        for line in self.get("/metrics", **headers).body.decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        raise KeyError(name)

    @property
    def worker(self) -> int:
        """Process that has the model; the other one watches it."""
        master = self.process.pid
        [child] = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return int(child)

    @property
    def processes(self) -> list[int]:
        """The server's process, and those that it or one of them started."""
        found = [self.process.pid]
        for process in found:
            # One may end meanwhile.
            with suppress(OSError):
                for thread in Path(f"/proc/{process}/task").iterdir():
                    found += [int(child) for child in (thread / "children").read_text().split()]
        return found

    @property
    def memory(self) -> int:
        """Bytes of memory of all of them; what they share is counted for each."""
        total = 0
        for process in self.processes:
            with suppress(OSError):
                total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
        return total

    @contextmanager
    def watched(self):
        """A list of what `memory` was, again and again, while this is open."""
        seen, end = [], threading.Event()

        def watch():
            while not end.wait(0.05):
                seen.append(self.memory)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
        finally:
            end.set()
            watcher.join()

    @property
    def most_memory(self) -> int:
        """Bytes that the process had in memory at most."""
        for line in Path(f"/proc/{self.worker}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise KeyError("VmHWM")


def form(*parts) -> bytes:
    """multipart/form-data of (field, file name or None, content)."""
    lines = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename is not None else ""
        lines += [
            f"--{BOUNDARY}".encode(),
            f'Content-Disposition: form-data; name="{name}"{file}'.encode(),
            b"",
            content,
        ]
    return b"\r\n".join([*lines, f"--{BOUNDARY}--".encode(), b""])


@contextmanager
def serving(folder: Path, environment=None, *, ready=True, warm=False, **settings):
    """A server that keeps its files in `folder`, once a model answers.

    It is quick to start where it is `warm`, and then nobody can see how much memory it takes.
    """
    chosen = ServingSettings(port=free_port(), cache=folder / "cache", **settings)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "FERKIT"))}
    log = folder / "serve.log"
    gunicorn = Path(sys.executable).with_name("gunicorn")
    arguments = ("--config", "python:ferkit.serving.server.gunicorn_config", "ferkit.serving.server.wsgi:app")
    command = (forked_script if warm else script)(gunicorn, *arguments)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={**clean, "PYTHONPATH": str(ROOT), **(environment or {}), **chosen.to_environment()},
        )  # fmt: skip
    server = Server(chosen.port, process, log)
    try:
        wait_for(lambda: answers(server, ready=ready), what=f"no answer: {log.read_text()[-3000:]}")
        yield server
    finally:
        end(process, 30)


def answers(server: Server, *, ready: bool) -> bool:
    assert server.process.poll() is None, server.log.read_text()[-3000:]
    try:
        return server.get("/readyz" if ready else "/healthz").status == 200
    except OSError:
        return False
