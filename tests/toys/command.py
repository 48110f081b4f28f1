"""The `ferkit` command as a process of its own."""

import atexit
import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ferkit.cli.state.one_at_a_time import one_at_a_time
from ferkit.cli.state.workspace import Workspace
from tests.toys.services import CLEAN, wait_for

_HERE = Path(__file__).parent
# XLA's flags, for a quick compilation of what runs for seconds.
QUICK_XLA = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
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
    return [*_fork_client(zenml=True), "", *map(str, arguments)]


def forked_script(path: Path | str, *arguments: object, zenml: bool = False) -> list[str]:
    """The same for a Python script, or ``-m`` and a module's name, which imports ZenML itself if not said."""
    return [*_fork_client(zenml=zenml), str(path), *map(str, arguments)]


def forked_worker() -> str:
    """The command line of a Python that runs ``-u -c CODE``, as a process of pytest-xdist is started."""
    return shlex.join(_fork_client(zenml=True))


def _fork_client(*, zenml: bool) -> list[str]:
    """What stands for a forked process, before its script and arguments."""
    return [sys.executable, "-S", "-E", FORK_CLIENT, fork_server(zenml=zenml)]


@cache
def forking_python() -> Path:
    """A program that is Python but for scripts and ``-m``, which run in such a process.

    Named in FORKING_PYTHON, it is ``sys.executable`` of a process that is forked, and so what that starts.
    """
    path = Path(tempfile.mkdtemp()) / "python"
    path.write_text(
        f"""#!/bin/sh
case "$1" in
*.py | -m) exec {shlex.join(_fork_client(zenml=False))} "$@" ;;
*) exec '{sys.executable}' "$@" ;;
esac
"""
    )
    path.chmod(0o700)
    return path


def fork_server(*, zenml: bool = False) -> str:
    """The socket of a server that forks, which has imported ZenML, too, if asked for."""
    return str(_fork_servers() / ("zenml" if zenml else "libraries"))


@cache
def _fork_servers() -> Path:
    """The folder of the sockets: one server for all processes of pytest, which ends with the last that asked for it."""
    folder = Path(tempfile.gettempdir()) / "fork"
    if folder.parent.stat().st_mode & stat.S_ISVTX:
        # Others have files there, too: no test run's own, see `tests.leftovers`.
        own = tempfile.TemporaryDirectory(prefix="fork-")
        atexit.register(own.cleanup)
        folder = Path(own.name) / "fork"
    sockets, users, log = [folder / "libraries", folder / "zenml"], folder / "users", folder / "log"
    with one_at_a_time(folder.with_suffix(".lock")):
        begins = not folder.exists()
        if begins:
            folder.mkdir()
            os.mkfifo(users)
            reads = os.open(users, os.O_RDONLY | os.O_NONBLOCK)
        # Never closed: the server ends with the last process that has it open. It fails if there is none that reads.
        os.open(users, os.O_WRONLY | os.O_NONBLOCK)
        if begins:
            # What libraries read as they are imported, telemetry and the level of logs, is set as every workspace does.
            kept = {key: value for key, value in CLEAN.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, str(_HERE / "fork_server.py"), str(folder)], cwd=folder, stdin=reads,
                    env=kept | Workspace(folder, "").environment(), stdout=output, stderr=output,
                    start_new_session=True,
                )  # fmt: skip
            os.close(reads)
            wait_for(
                lambda: all(each.exists() for each in sockets) or process.poll() is not None,
                what="the server did not start",
            )
            assert process.poll() is None, log.read_text()[-2000:]
    return folder


def interrupted(process: subprocess.Popen, line: str, by: signal.Signals) -> str:
    """What a command says that gets a signal when it says `line`."""
    said = []
    for each in process.stdout:
        said.append(each)
        if line in each:
            process.send_signal(by)
            break
    rest, _ = process.communicate(timeout=120)
    assert process.returncode != 0, "".join([*said, rest])
    return "".join([*said, rest])
