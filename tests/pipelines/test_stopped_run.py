"""Runs that do not come to their end: what they say, what they leave, and how the next one goes on."""

import json
import re
import signal
import subprocess
from pathlib import Path

import mlflow
import pytest
import yaml

from tests.toys.checkout import SMALL, Checkout
from tests.toys.command import forked
from tests.toys.services import wait_for
from tests.toys.state import prepared_home

ONE_NETWORK = f"backbones=[{{{SMALL}, alias: c}}]"
FILE_ALERTER = """
from pathlib import Path
from zenml.alerter import BaseAlerter, BaseAlerterConfig, BaseAlerterFlavor

class FileAlerter(BaseAlerter):
    def post(self, message=None, params=None):
        with Path("alerts.txt").open("a") as file:
            file.write(f"{message}\\n")
        return True

    def ask(self, question, params=None):
        return False

class FileAlerterFlavor(BaseAlerterFlavor):
    name = "file"
    config_class = BaseAlerterConfig
    implementation_class = FileAlerter
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A folder of state on a disk of 4 MB, and why there is none: a folder as others are then."""
    disk = tmp_path_factory.mktemp("small")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "ferkit", disk], capture_output=True, text=True, check=False
    )
    yield prepared_home(disk / "home"), mounted.stderr.strip() if mounted.returncode else ""
    if not mounted.returncode:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(scope="module")
def home(small_disk):
    """The same folder, with what is in it, once the disk has room."""
    home, why = small_disk
    if not why:
        subprocess.run(["mount", "-o", "remount,size=400m", home.parent], check=True)
    return home


LONG = (
    *("--set", "training.network.epochs=4"),
    *("--set", "targets=[{name: fer}]"),
    *("--set", ONE_NETWORK),
)


def test_a_full_disk_is_told_in_a_line(checkout, small_disk):
    home, why = small_disk
    if why:
        pytest.skip(f"no small file system can be mounted here: {why}")
    done = checkout.ferkit("run", checkout.config, *LONG, FERKIT_HOME=str(home))
    assert done.returncode == 1
    assert "ferkit: the disk is full" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_later_run_goes_on_and_so_does_a_training_that_was_killed(checkout, home):
    command, environment = ("run", checkout.config, *LONG), {"FERKIT_HOME": str(home)}
    running = subprocess.Popen(
        forked(*command), cwd=checkout.root, env={**checkout.environment, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    checkpoints = home / "checkpoints" / "fer-c"
    wait_for(lambda: list(checkpoints.glob("*/state/progress.json")) or running.poll() is not None)
    (record,) = (home / "running").glob("*.json")
    process = json.loads(record.read_text())["process"]
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    wait_for(lambda: not Path(f"/proc/{process}").exists())
    done = checkout.ferkit(*command, **environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"c goes on after epoch \d", done.stderr)
    assert "fine_tune_fer_c ..." in done.stderr
    assert "c network epoch 1/4" not in done.stderr
    assert "of 11 steps executed" in done.stdout
    # Nobody works on the first one any more, which could not say so itself.
    assert re.search(
        rf"^ferkit: run tiny-\S+ was cut off \(process {process} is gone\): closed\.$", done.stderr, re.MULTILINE
    )
    states = checkout.ask(
        """
        import json
        from zenml.client import Client
        runs = Client().list_pipeline_runs(sort_by="desc:created", size=2, hydrate=True).items
        print(json.dumps([[run.status, *{step.status for step in run.steps.values() if not step.status.is_finished}]
                          for run in runs]))
        """,
        **environment,
    )
    assert states == [["completed"], ["failed"]], "and so are its steps"
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ferkit").experiment_id
    assert not client.search_runs([experiment], "attributes.status = 'RUNNING'")
    assert client.search_runs([experiment], "attributes.status = 'KILLED'")
    assert not list((home / "running").iterdir())


def test_data_that_is_not_fit_stops_the_run_with_a_line_a_problem_and_trains_nothing(checkout, home):
    (checkout.root / "file_alerter.py").write_text(FILE_ALERTER)
    stack = checkout.root / "alerting.yaml"
    alerter = {"flavor": "file", "flavor_source": "file_alerter.FileAlerterFlavor"}
    stack.write_text(yaml.safe_dump({"name": "alerting", "orchestrator": {"flavor": "local"}, "alerter": alerter}))
    done = checkout.ferkit(
        *(
            "run",
            checkout.config,
            "--set",
            "validation.minimum_training=9999",
            "--set",
            "validation.maximum_constant=0",
        ),
        *("--stack", stack),
        FERKIT_HOME=str(home),
    )
    assert done.returncode == 1
    (alert,) = (checkout.root / "alerts.txt").read_text().splitlines()
    assert re.match(r"tiny-\S+: validate failed: Training pictures: 192, expected at least 9,999\. ", alert)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ferkit: ")]
    assert lines[0] == "ferkit: Training pictures: 192, expected at least 9,999."
    assert lines[1].startswith("ferkit: constant pictures: ")
    assert lines[-1] == "ferkit: The data is not fit to train on; nothing was trained."
    assert "Traceback" not in done.stderr
    assert "epoch" not in done.stderr
    assert "fine_tune_fer_a is skipped" in done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ferkit")
    failed = client.search_runs([experiment.experiment_id], "attributes.status = 'FAILED'")
    assert [file.path for file in client.list_artifacts(failed[0].info.run_id, "validation")] == [
        "validation/data_docs.html"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "configs/tiny.yml"), "configs/tiny.yml: no such file. Configurations in configs/: configs/fer2013"),
        (("run", "configs/tiny.yaml", "--set", "trainig.epochs=1"), "trainig: unknown key; did you mean training?"),
        (("run", "configs/fer2013.yaml"), "data: no fer2013.csv or icml_face_data.csv there. Run `ferkit data"),
        (("run", "configs/tiny.yaml", "--set", "cleaning.exclude=no.csv"), "cleaning.exclude no.csv: cannot be read"),
        (("run", "--no-cache", "configs/tiny.yaml", "--check"), "--check runs nothing and asks no cache"),
        (("run", "configs/tiny.yaml", "--no-cache", "fin_tune", "--plan"), "did you mean 'fine_tune'?"),
    ],
)  # fmt: skip
def test_a_mistake_ends_the_command_with_one_line(checkout, home, arguments, message):
    done = checkout.ferkit(*arguments, FERKIT_HOME=str(home))
    assert done.returncode == 1
    assert done.stderr.startswith("ferkit: ")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
