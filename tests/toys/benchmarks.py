"""The scripts of benchmarks/: as modules, once this is imported, and as processes."""

import os
import subprocess
import sys
from pathlib import Path

from tests.toys.command import forked_script, forking_python

ROOT = Path(__file__).resolve().parents[2]
# Last, and after the packages: benchmarks/serving.py is called like one of them.
sys.path += [str(ROOT), str(ROOT / "benchmarks")]


def run(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    quick = {"TF_CPP_MIN_LOG_LEVEL": "3", "FORKING_PYTHON": str(forking_python())}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **quick, **variables}
    return subprocess.run(
        forked_script(ROOT / script, *arguments), env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
