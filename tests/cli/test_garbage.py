"""How often Python looks for unreachable objects."""

import subprocess
import sys

from tests.toys.services import CLEAN

_SCRIPT = """
import gc, os, sys
from ferkit.cli.app import main

looks, leave = [], os._exit

def told(status):
    print(looks.count(2), len(gc.get_objects()) > 100_000, flush=True)
    leave(status)

gc.callbacks.append(lambda phase, about: looks.append(about["generation"]))
os._exit = told
sys.argv = ["ferkit", "stack", "list"]
main()
"""


def test_a_command_that_imports_zenml_looks_all_objects_through_once_at_most(tmp_path):
    environment = {**CLEAN, "FERKIT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, env=environment, timeout=300
    )
    looks, many = done.stdout.split()[-2:]
    assert many == "True"
    assert int(looks) <= 2, "each look has a begin and an end"


def test_what_is_unreachable_is_found_all_the_same():
    script = """
import gc
from ferkit.cli.garbage import collect_seldom

class Circle:
    ended = 0

    def __init__(self):
        self.itself = self

    def __del__(self):
        Circle.ended += 1

collect_seldom()
for _ in range(100_000):
    Circle()
print(Circle.ended)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) > 50_000
