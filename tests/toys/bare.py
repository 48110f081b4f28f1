"""`python -m ferkit.standalone` in a process that can import only what a machine that trains has."""

import os
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A process that is forked from one that has them is as if that had not.
ABSENT = ("zenml", "mlflow", "great_expectations", "typer", "flask", "matplotlib")
_CODE = """
import runpy, sys
def absent(name):
    return name.partition(".")[0] in {absent}
for name in filter(absent, [*sys.modules]):
    del sys.modules[name]
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, *more):
        return None if absent(name) else self.finder.find_spec(name, *more)
sys.meta_path[:] = [Without(each) for each in sys.meta_path]
sys.argv[0] = "ferkit.standalone"
runpy.run_module("{module}", run_name="__main__")
"""


def bare(*arguments: object, without: tuple[str, ...] = (), module: str = "ferkit.standalone") -> list[str]:
    """The command line of an interpreter of its own, in which `without` are not installed either."""
    code = _CODE.format(absent=(*ABSENT, *without), module=module)
    return [sys.executable, "-c", code, *map(str, arguments)]


@cache
def bare_script() -> Path:
    """The same as a script, for a process that is forked (`tests.toys.command.forked_script`)."""
    path = Path(tempfile.mkdtemp()) / "bare.py"
    path.write_text(_CODE.format(absent=ABSENT, module="ferkit.standalone"))
    return path


def bare_environment(**more: str) -> dict[str, str]:
    """The environment of such a process."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FERKIT")}
    return {**kept, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **more}
