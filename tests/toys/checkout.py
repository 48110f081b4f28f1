"""A copy of the checkout whose code a test may change, and the `ferkit` command run in it."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.toys.command import forked, forked_script
from tests.toys.state import copy_state

ROOT = Path(__file__).parents[2]
PARTS = ("configs", "ferkit", "materializers", "pipelines", "steps", "pyproject.toml")
TINY = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 240},
    "validation": {"minimum_class": 1},
    "balancing": {"method": "random_over_sampler"},
    "targets": [{"name": "fer"}, {"name": "ferplus"}],
    "backbones": [
        {"name": "fernet", "alias": "a", "width": 4, "depth": 1, "targets": ["fer"]},
        {"name": "fernet", "alias": "j", "width": 4, "depth": 1, "joint": True},
        {"name": "fernet", "alias": "s", "width": 4, "depth": 1, "joint": True, "teacher": "ensemble"},
    ],
    "training": {"network": {"epochs": 1, "learning_rate": 0.003}},
    "ensemble": {"method": "mean"},
    "evaluation": {"bootstrap": 100},
    "resources": {"fine_tune": {"cpu_count": 1, "memory": "2GB"}, "report": {"gpu_count": 0}},
}
# Nothing here depends on what a network can learn.
SMALL = "name: fernet, width: 4, depth: 1"


class Checkout:
    """A copy of the project in `root`, with the tiny configuration; one that is there is taken as it is."""

    def __init__(self, root):
        self.root = root
        self.home = root / ".ferkit"
        self.config = root / "configs" / "tiny.yaml"
        if not self.config.exists():
            for part in PARTS:
                source = ROOT / part
                if source.is_dir():
                    # With the bytecode of what has not changed.
                    shutil.copytree(source, root / part)
                else:
                    shutil.copy(source, root / part)
            self.config.write_text(yaml.safe_dump(TINY))
        kept = ("FERKIT", "ZENML", "MLFLOW", "MPLCONFIGDIR", "GX_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(kept)}
        self.environment["PYTHONPATH"] = str(root)

    def ferkit(self, *arguments, **environment):
        return subprocess.run(
            forked(*arguments), cwd=self.root, env={**self.environment, **environment},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500,
        )  # fmt: skip

    def run(self, *arguments, **environment):
        """Run the tiny configuration; the names of the steps that were executed, in order."""
        done = self.ferkit("run", self.config, *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        self.output = done.stdout
        return re.findall(r"^\d\d:\d\d:\d\d  (\w+) \.\.\.$", done.stderr, flags=re.MULTILINE)

    def ask(self, script, **environment):
        """What `script`, run beside the checkout's ZenML store, writes as JSON on its last line."""
        path = self.root / "ask.py"
        path.write_text(
            "from ferkit.cli.state.workspace import Workspace\nWorkspace.open().set_environment()\n"
            + textwrap.dedent(script)
        )
        done = subprocess.run(
            forked_script(path, zenml=True), cwd=self.root, env={**self.environment, **environment},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@dataclass
class FirstRun:
    """What the first run of the tiny configuration executed and wrote, and what another command wrote meanwhile.

    Attributes
    ----------
    root
        Where its checkout is.
    steps
        Names of the steps, in the order in which they were executed.
    output
        What the command wrote to its standard output.
    beside
        Output and status of a command that began in the same fresh folder of state at the same moment.
    """

    root: str
    steps: list[str]
    output: str
    beside: tuple[str, int]


def first_run() -> FirstRun:
    """The one first run of all of pytest's processes, in a checkout of its own; whoever asks first waits for it."""
    shared = Path(tempfile.gettempdir()) / "first-run"
    shared.mkdir(exist_ok=True)
    record = shared / "record.json"
    # Others wait for as long as it takes.
    with (shared / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            # Of one that failed.
            shutil.rmtree(shared / "checkout", ignore_errors=True)
            (shared / "checkout").mkdir()
            made = Checkout(shared / "checkout")
            with subprocess.Popen(
                forked("stack", "list"), cwd=made.root, env=made.environment, stdin=subprocess.DEVNULL, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            ) as beside:  # fmt: skip
                steps = made.run()
                output = beside.communicate(timeout=60)[0]
            shutil.copytree(made.home, shared / "state")
            run = FirstRun(str(made.root), steps, made.output, (output, beside.returncode))
            record.write_text(json.dumps(vars(run)))
    return FirstRun(**json.loads(record.read_text()))


def checkout_after_first_run(root: Path) -> Checkout:
    """A checkout in `root` whose state is a copy of what the first run left."""
    shared = Path(first_run().root).parent
    made = Checkout(root)
    copy_state(shared / "state", made.home)
    return made
