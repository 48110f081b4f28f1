"""A process that has imported what takes seconds, and becomes the `ferkit` command or a script by forking.

Run as ``fork_server.py FOLDER``; `tests.toys.command` starts it. It imports libraries alone: the code of the project
comes from wherever the command is run. It listens at the socket ``libraries`` in the folder, and a copy of it that has
imported ZenML, too, at ``zenml``. Both end with their standard input.
"""

import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import struct
import sys
from contextlib import suppress

from early_zenml import import_early

# What `ferkit run` imports. What they read of the environment then is the same for every workspace.
_LIBRARIES = (
    "alembic", "cv2", "h5py", "pandas", "PIL.Image", "pyarrow", "pydantic", "requests", "rich.console", "scipy.stats",
    "sklearn.metrics", "sqlalchemy.orm", "sqlmodel", "tensorflow", "keras", "typer", "yaml", "imblearn.over_sampling",
    "matplotlib.backends.backend_agg", "matplotlib.figure", "mlflow.pyfunc", "mlflow.tensorflow",
    "mlflow.store.tracking.sqlalchemy_store", "great_expectations", "great_expectations.render.view",
)  # fmt: skip


def serve(path: str) -> dict:
    """Fork for every request; returns in each such process, with what it is to run."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.part")
    listener.listen()
    # From now on it may be asked.
    os.rename(f"{path}.part", path)  # noqa: PTH104
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        head, streams, _, _ = socket.recv_fds(connection, 8, 3)
        length, content = struct.unpack("!Q", head)[0], b""
        while len(content) < length:
            content += connection.recv(length - len(content))
        if not os.fork():
            listener.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            worker = os.fork()
            if not worker:
                connection.close()
                return json.loads(content)
            watch(worker, connection)
        connection.close()
        for stream in streams:
            os.close(stream)
        # Those who watched a command that is over; there may be no other.
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def watch(worker: int, connection: socket.socket) -> None:
    """Hand signals on to `worker`, and its status to who asked for it; if that one is gone, end it with its group."""
    # Whoever ends it with its group, as Ray does, ends no other.
    os.setpgid(worker, worker)
    for number in range(3):
        os.close(number)
    ended = os.pidfd_open(worker)
    while True:
        ready, _, _ = select.select([connection, ended], [], [])
        if ended in ready:
            break
        if told := connection.recv(1):
            os.kill(worker, told[0])
        else:
            os.killpg(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    try:
        connection.sendall(struct.pack("!i", status))
    finally:
        os._exit(0)


def become(request: dict) -> None:
    """Take the place of a process that was started with this request."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    script = request["script"]
    # Without a script as `python -c` has it, whose processes do not read a file of this name either.
    sys.argv = [script or "-c", *request["arguments"]]
    sys.path[:0] = [os.path.dirname(script), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]  # noqa: PTH120
    del sys.modules["__main__"].__file__
    # Those of the server believe that they write to its log.
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    random.seed()
    # What it starts may be forked, too (`tests.toys.command.forking_python`).
    sys.executable = os.environ.get("FORKING_PYTHON", sys.executable)


if __name__ == "__main__":
    # Toys have names of libraries.
    del sys.path[0]
    for library in _LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    name = "libraries"
    if not os.fork():
        name = "zenml"
        import_early()
        gc.freeze()
    asked = serve(f"{sys.argv[1]}/{name}")
    become(asked)
    if asked["script"] == "-m":
        runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
    elif asked["script"] == "-u":
        # And ``-c``, as pytest-xdist starts a process of its own.
        code = asked["arguments"][1]
        sys.argv[:] = ["-c"]
        exec(code)
    elif asked["script"]:
        runpy.run_path(asked["script"], run_name="__main__")
    else:
        importlib.import_module("ferkit.cli.app").main()
