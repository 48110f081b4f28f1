"""What is unreachable is found, though Python looks for it seldom; how seldom, `test_zenml_shortcuts` says."""

import subprocess
import sys


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
