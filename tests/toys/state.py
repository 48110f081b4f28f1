"""A folder of state as the first command leaves it: its databases take seconds to make, and a copy of them none."""

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ferkit.cli.state.one_at_a_time import one_at_a_time
from ferkit.cli.state.relocation import follow
from ferkit.cli.state.workspace import Workspace
from tests.toys.command import forked, forked_script
from tests.toys.services import CLEAN

_STORE = Path("default_zen_store", "zenml.db")


def prepared_home(home: Path) -> Path:
    """Make `home` a folder of state whose stores are made and hold no run yet.

    Tests of how they are made begin with an empty folder instead.
    """
    copy_state(_prepared() / "home", home)
    return home


def copy_state(source: Path, home: Path, *, dirs_exist_ok: bool = False) -> None:
    """Make `home` a copy of the folder of state `source`; one that is there is an error if not said."""
    shutil.copytree(source, home, dirs_exist_ok=dirs_exist_ok)
    # As a command does with one that was copied, which says so.
    follow(home.resolve())


def prepare_own_home() -> None:
    """Let the folder of state of this process begin with such stores, if it has none yet."""
    home = Workspace.named().root
    if not (home / "zenml" / "local_stores" / _STORE).exists():
        copy_state(_prepared() / "home", home, dirs_exist_ok=True)


def prepared_registry(database: Path) -> None:
    """Make `database` one of MLflow's that holds no run yet."""
    shutil.copyfile(_prepared() / "home" / "mlflow.db", database)


def prepared_store(stores: Path) -> None:
    """Make `stores` a folder of ZenML's local stores whose database holds its defaults alone."""
    (stores / _STORE).parent.mkdir(parents=True)
    shutil.copyfile(_prepared() / "zenml.db", stores / _STORE)


@cache
def _prepared() -> Path:
    """What is copied: pytest's processes share it, and it goes with their folder for temporary files."""
    prepared = Path(tempfile.gettempdir()) / "state"
    with one_at_a_time(prepared.with_suffix(".lock")):
        if not prepared.exists():
            part = prepared.with_suffix(".part")
            home = part / "home"
            home.mkdir(parents=True)
            variables = {**CLEAN, **Workspace(home, f"sqlite:///{home / 'mlflow.db'}").environment()}
            programs = Path(sys.executable).parent
            _run(forked_script(programs / "zenml", "stack", "list", zenml=True), variables)
            shutil.copyfile(home / "zenml" / "local_stores" / _STORE, part / "zenml.db")
            _run(forked("stack", "list"), {**CLEAN, "FERKIT_HOME": str(home)})
            _run(forked_script(programs / "mlflow", "experiments", "search"), variables)
            part.rename(prepared)
    return prepared


def _run(command: list[str], variables: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
