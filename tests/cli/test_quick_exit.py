"""The end of a process: what is registered for it is done, Python's own taking apart is not."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SCRIPT = """
import atexit, sys, threading
from ferkit.cli.quick_exit import quick_exit

class Part:
    def __del__(self):
        print("taken apart", flush=True)

part = Part()
with quick_exit():
    atexit.register(print, "log written")
    threading.Thread(target=print, args=("thread done",)).start()
    {ending}
"""


def ended(ending):
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(ending=ending)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(("ending", "status"), [("pass", 0), ("sys.exit()", 0), ("sys.exit(0)", 0), ("sys.exit(3)", 3)])
def test_a_command_that_is_done_ends_at_once(ending, status):
    assert ended(ending) == (status, ["thread done", "log written"])


@pytest.mark.parametrize(("ending", "status"), [("sys.exit('told')", 1), ("1 / 0", 1), ("raise KeyboardInterrupt", -2)])
def test_what_went_wrong_ends_as_ever(ending, status):
    assert ended(ending) == (status, ["thread done", "log written", "taken apart"])


_LOGGING = """
import logging, threading
from ferkit.cli.quick_exit import quick_exit

class Handler(logging.Handler):
    def flush(self):
        threading.Thread(target=print, args=("flushed",)).start()

with quick_exit():
    logging.getLogger().addHandler(Handler())
    {ending}
"""


@pytest.mark.parametrize(
    ("ending", "told"), [("pass", ""), ("raise SystemExit(2)", ""), ("1 / 0", "ZeroDivisionError")]
)
def test_a_handler_may_begin_a_thread_to_write_what_is_left_of_a_log(ending, told):
    """From Python 3.12 on none can begin at the exit, and OpenTelemetry's handler, which ZenML brings, failed there."""
    done = subprocess.run(
        [sys.executable, "-c", _LOGGING.format(ending=ending)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout == "flushed\n"
    assert "can't create new thread" not in done.stderr
    assert told in done.stderr
