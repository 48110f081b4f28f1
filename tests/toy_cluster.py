"""A Ray cluster of several nodes on this machine, with a ZenML and an MLflow server that its steps reach over HTTP."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from toy_services import CLEAN, mlflow_server, zenml_server

ROOT = Path(__file__).parents[1]
STACK = {
    "name": "toy",
    "orchestrator": {
        "flavor": "ray",
        "flavor_source": "orchestrators.ray.flavor.RayOrchestratorFlavor",
        "configuration": {},
    },
}


@dataclass
class ToyCluster:
    """What a test needs to run pipelines on it, and to see what became of them."""

    folder: Path
    nodes: object
    environment: dict[str, str]
    stack: Path

    def start(self, name: str, **arguments) -> subprocess.Popen:
        """A process that submits the toy pipeline `name`, and waits for it."""
        arguments.setdefault("notes", str(self.folder / f"{name}.jsonl"))
        self.notes = Path(arguments["notes"])
        self.notes.unlink(missing_ok=True)
        return subprocess.Popen(
            [sys.executable, "toy_ray_steps.py", name, json.dumps(arguments)],
            cwd=self.folder / "code", env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, name: str, **arguments) -> tuple[int, str]:
        """Status and output of the toy pipeline `name`."""
        process = self.start(name, **arguments)
        said, _ = process.communicate(timeout=240)
        return process.returncode, said

    def noted(self, label: str, what: str = "begin") -> list[dict]:
        """What the step `label` noted down, one line each time that it was begun or ended."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        found = [json.loads(line) for line in lines]
        return [each for each in found if each["label"] == label and each["what"] == what]

    def lose(self, node_id: str) -> None:
        """Kill a node with everything on it."""
        [node] = [each for each in self.nodes.list_all_nodes() if each.node_id == node_id]
        self.nodes.remove_node(node, allow_graceful=False)

    def statuses(self) -> tuple[str, dict[str, list[str]]]:
        """Status of the latest run, and of each of its steps, the last time that it was begun at the end."""
        stored = next((self.folder / "server").rglob("zenml.db"))
        with closing(sqlite3.connect(stored)) as database:
            run, status = database.execute(
                "SELECT id, status FROM pipeline_run ORDER BY created DESC LIMIT 1"
            ).fetchone()
            rows = database.execute(
                "SELECT name, status FROM step_run WHERE pipeline_run_id = ? ORDER BY version", (run,)
            ).fetchall()
        steps: dict[str, list[str]] = {}
        for name, each in rows:
            steps.setdefault(name, []).append(each)
        return status, steps


@contextmanager
def toy_cluster(folder: Path):
    """A head and a node with one core each, and a node that says it has a GPU."""
    from ray.cluster_utils import Cluster

    code = folder / "code"
    code.mkdir()
    shutil.copytree(ROOT / "orchestrators", code / "orchestrators")
    shutil.copy(ROOT / "tests" / "toy_ray_steps.py", code)
    with zenml_server(folder) as zenml_url, mlflow_server(folder) as mlflow_url:
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            nodes.add_node(num_cpus=1)
            nodes.add_node(num_cpus=1, num_gpus=1)
            stack = folder / "toy.yaml"
            STACK["orchestrator"]["configuration"] = {"address": nodes.address}
            stack.write_text(json.dumps(STACK))
            environment = {
                **CLEAN,
                "PYTHONPATH": str(ROOT),
                "FERKIT_HOME": str(folder / "home"),
                "ZENML_CONFIG_PATH": str(folder / "home" / "zenml"),
                "ZENML_ANALYTICS_OPT_IN": "false",
                "ZENML_STORE_URL": zenml_url,
                "MLFLOW_TRACKING_URI": mlflow_url,
            }
            cluster = ToyCluster(folder, nodes, environment, stack)
            ferkit(cluster, "stack", "apply", str(stack))
            yield cluster
        finally:
            nodes.shutdown()


def ferkit(cluster: ToyCluster, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """The `ferkit` command, as a person at a terminal of the cluster has it."""
    finished = subprocess.run(
        [sys.executable, "-c", "from cli.app import main; main()", *arguments],
        env=cluster.environment, cwd=cluster.folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert not check or finished.returncode == 0, finished.stdout + finished.stderr
    return finished


def wait_for(condition, seconds: float = 120, what: str = "nothing happened") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(what)
        time.sleep(0.2)
