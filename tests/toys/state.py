"""A folder of state as the first command leaves it: its databases take seconds to make, and a copy of them none."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import mlflow

from ferkit.cli.state.one_at_a_time import one_at_a_time
from ferkit.cli.state.relocation import follow
from tests.toys.command import forked
from tests.toys.services import CLEAN


def prepared_home(home: Path) -> Path:
    """Make `home` a folder of state whose stores are made and hold no run yet.

    Tests of how they are made begin with an empty folder instead.
    """
    shutil.copytree(_state(), home)
    # As a command does with one that was copied, which says so.
    follow(home.resolve())
    return home


def prepared_registry(database: Path) -> None:
    """Make `database` one of MLflow's that holds no run yet."""
    shutil.copyfile(_state() / "mlflow.db", database)


@cache
def _state() -> Path:
    """What is copied: pytest's processes share it, and it goes with their folder for temporary files."""
    state = Path(tempfile.gettempdir()) / "state"
    with one_at_a_time(state.with_suffix(".lock")):
        if not state.exists():
            part = state.with_suffix(".part")
            done = subprocess.run(
                forked("stack", "list"), env={**CLEAN, "FERKIT_HOME": str(part)}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            mlflow.MlflowClient(f"sqlite:///{part / 'mlflow.db'}").search_experiments()
            part.rename(state)
    return state
