"""The `ferkit` command as a process of its own."""

import atexit
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ferkit.cli.state.workspace import Workspace
from tests.toys.services import CLEAN, wait_for

_HERE = Path(__file__).parent
FORK_CLIENT = str(_HERE / "fork_client.py")


def plain(*arguments: object) -> list[str]:
    """The command line, as an interpreter of its own; for what a signal has to reach, or what it imports."""
    return [sys.executable, "-c", "from ferkit.cli.app import main; main()", *map(str, arguments)]


def script(path: Path, *arguments: object) -> list[str]:
    """A Python script in place of the command."""
    return [sys.executable, str(path), *map(str, arguments)]


def forked(*arguments: object) -> list[str]:
    """The same in a process that has imported TensorFlow and other libraries already, which takes seconds otherwise.

    What it runs, and how, is decided by its folder and environment as ever; libraries of other versions on PYTHONPATH
    are not taken, and neither is KERAS_BACKEND.
    """
    return [sys.executable, "-S", "-E", FORK_CLIENT, fork_server("zenml"), "", *map(str, arguments)]


def forked_script(path: Path | str, *arguments: object) -> list[str]:
    """The same for a Python script, which imports ZenML itself: servers and workers set up what it reads first."""
    return [sys.executable, "-S", "-E", FORK_CLIENT, fork_server(), str(path), *map(str, arguments)]


@cache
def fork_server(*early: str) -> str:
    """The socket of a server of this process, started when it is first asked for; ``zenml`` for one that imports it."""
    folder = tempfile.TemporaryDirectory(prefix="fork-")
    path, log = Path(folder.name) / "socket", Path(folder.name) / "log"
    kept = {key: value for key, value in CLEAN.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
    # What libraries read as they are imported, telemetry and the level of logs, is set as every workspace sets it.
    kept.update(Workspace(Path(folder.name), "").environment())
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(_HERE / "fork_server.py"), str(path), *early], env=kept, cwd=folder.name,
            stdin=subprocess.PIPE, stdout=output, stderr=output,
        )  # fmt: skip

    def end() -> None:
        process.stdin.close()
        process.wait(timeout=30)
        folder.cleanup()

    atexit.register(end)
    wait_for(lambda: path.exists() or process.poll() is not None, what="the server did not start")
    assert process.poll() is None, log.read_text()[-2000:]
    return str(path)
