"""A Ray cluster of several nodes on this machine, with a ZenML and an MLflow server that its steps reach over HTTP."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from tests.toys.command import fork_server, forked, forked_script, plain, script
from tests.toys.services import CLEAN, wait_for
from tests.toys.tracking import mlflow_server, zenml_server

ROOT = Path(__file__).parents[2]
# Workers that are forked.
WARM = {"setup_worker_path": str(Path(__file__).with_name("ray_worker.py"))}
LARGE = 3
# Nobody looks at a head's dashboard here, reads its logs elsewhere or lets it grow.
QUIET = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
# A node that fails to answer five times is lost; one that was killed fails at once, one that is slow after ten seconds.
OFTEN = {"_system_config": {"health_check_period_ms": 500}}
STACK = {
    "name": "toy",
    "orchestrator": {
        "flavor": "ray",
        "flavor_source": "ferkit.orchestrators.ray.flavor.RayOrchestratorFlavor",
        "configuration": {},
    },
    "retries": 2,
}
# In a process of its own: one that is connected to a cluster submits nothing to another.
SUPERVISORS = """
import sys
import time
import ray
ray.init(sys.argv[1], namespace="ferkit", logging_level="ERROR", log_to_driver=False)
end = time.monotonic() + 240
while (there := ray.util.list_named_actors()) and time.monotonic() < end:
    time.sleep(0.1)
print("there:", *there)
"""


@dataclass
class ToyCluster:
    """What a test needs to run pipelines on it, and to see what became of them."""

    folder: Path
    nodes: Any
    environment: dict[str, str]
    stack: Path
    tracking: ExitStack
    warm: bool
    started: int = 0
    notes: dict[str, Path] = field(default_factory=dict)
    large: list[Any] = field(default_factory=list)

    def start(self, *names: str, **arguments) -> subprocess.Popen:
        """A process that submits these toy pipelines, one after the other, and waits for each."""
        # Steps of a run before may still write to theirs.
        self.started += 1
        self.notes = {name: self.folder / f"{self.started}-{name}.jsonl" for name in names}
        runs = [(name, {**arguments, "notes": str(self.notes[name])}) for name in names]
        given = (self.folder / "code" / "ray_steps.py", json.dumps(runs))
        return subprocess.Popen(
            forked_script(*given, zenml=True) if self.warm else script(*given),
            cwd=self.folder / "code", env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *names: str, **arguments) -> tuple[int, str]:
        """Status and output of a process that runs these toy pipelines."""
        process = self.start(*names, **arguments)
        output, _ = process.communicate(timeout=400)
        return process.returncode, output

    def noted(self, label: str, what: str = "begin", *, run: str = "") -> list[dict]:
        """What the step `label` noted down, one line each time that it was begun or ended.

        Of the pipeline `run` if there are several.
        """
        notes = self.notes[run or next(iter(self.notes))]
        lines = notes.read_text().splitlines() if notes.exists() else []
        found = [json.loads(line) for line in lines]
        return [each for each in found if each["label"] == label and each["what"] == what]

    def add_node(self, **resources: int) -> Any:
        """A further node, as those that were there."""
        return self.nodes.add_node(**resources, **(WARM if self.warm else {}))

    def large_nodes(self, count: int) -> list[Any]:
        """So many nodes of three cores: what is left of tests before, and further ones."""
        while len(self.large) < count:
            self.large.append(self.add_node(num_cpus=LARGE))
        return self.large[:count]

    def lose(self, node_id: str) -> None:
        """Kill a large node with everything on it."""
        [node] = [each for each in self.large if each.node_id == node_id]
        self.large.remove(node)
        self.nodes.remove_node(node, allow_graceful=False)

    def without_tracking(self) -> None:
        """Stop MLflow's server, and start it again as soon as somebody has asked it in vain."""
        self.tracking.close()
        port = int(self.environment["MLFLOW_TRACKING_URI"].rpartition(":")[2])
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # One that was ended by force is gone a moment later.
            wait_for(lambda: _bound(deaf, port), what="the server goes on")
            deaf.listen()
            deaf.settimeout(240)
            deaf.accept()[0].close()
        self.tracking.enter_context(mlflow_server(self.folder, port=port))

    def ferkit(self, *arguments: str) -> subprocess.Popen:
        """The `ferkit` command, as a person at a terminal of the cluster has it."""
        return subprocess.Popen(
            (forked if self.warm else plain)(*arguments),
            env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def handed_over(self) -> tuple[UUID, str]:
        """The latest run, and where its head is by what ZenML keeps with it."""
        [(run,)] = self._stored("SELECT id FROM pipeline_run ORDER BY created DESC LIMIT 1")
        query = (
            "SELECT value FROM run_metadata JOIN run_metadata_resource ON run_metadata_id = run_metadata.id "
            "WHERE key = 'ray_head' AND resource_id = ?"
        )
        [(head,)] = self._stored(query, run)
        return UUID(run), json.loads(head)

    def lasting_supervisors(self) -> list[str]:
        """The runs whose supervisors are still there after four minutes."""
        asked = subprocess.run(
            [sys.executable, "-c", SUPERVISORS, self.nodes.address], env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        # Ray itself tells of nodes that were lost.
        [line] = [each for each in asked.stdout.splitlines() if each.startswith("there:")]
        return line.split()[1:]

    def statuses(self, before: int = 0) -> tuple[str, dict[str, list[str]]]:
        """Status of the latest run, and of each of its steps, the last time that it was begun at the end.

        Or of so many runs `before` it.
        """
        query = f"SELECT id, status FROM pipeline_run ORDER BY created DESC LIMIT 1 OFFSET {before}"
        [(run, status)] = self._stored(query)
        steps: dict[str, list[str]] = {}
        for name, each in self._stored(
            "SELECT name, status FROM step_run WHERE pipeline_run_id = ? ORDER BY version", run
        ):
            steps.setdefault(name, []).append(each)
        return status, steps

    def runs(self, name: str) -> list[tuple[str, str, str]]:
        """Status, begin and end of each run whose name begins so."""
        query = "SELECT status, start_time, end_time FROM pipeline_run WHERE name LIKE ? ORDER BY created"
        return self._stored(query, f"{name}%")

    def executed(self, step: str) -> int:
        """How often `step` was executed to its end, in runs of all pipelines."""
        [(count,)] = self._stored("SELECT COUNT(*) FROM step_run WHERE name = ? AND status = 'completed'", step)
        return count

    def _stored(self, query: str, *values: str) -> list[tuple]:
        stored = next((self.folder / "server").rglob("zenml.db"))
        with closing(sqlite3.connect(stored)) as database:
            return database.execute(query, values).fetchall()


def _bound(to_be: socket.socket, port: int) -> bool:
    try:
        to_be.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@contextmanager
def toy_cluster(folder: Path, nodes: int | None = None, *, warm: bool = True):
    """A head with two cores, and a node with one that says it has a GPU; or `nodes` alike with one, and a bare head.

    Its workers, and those who submit, have imported libraries before they begin, unless it is not `warm`.
    """
    from ray.cluster_utils import Cluster

    code = folder / "code"
    code.mkdir()
    shutil.copytree(ROOT / "ferkit" / "orchestrators", code / "ferkit" / "orchestrators")
    shutil.copy(ROOT / "ferkit" / "__init__.py", code / "ferkit")
    shutil.copy(ROOT / "tests" / "toys" / "ray_steps.py", code)
    # Ray's workers are nice to others: beside further tests on the same cores they would hardly run.
    fair = patch.dict(os.environ, RAY_worker_niceness="0", FORK_SERVER=fork_server(zenml=True) if warm else "")
    with fair, zenml_server(folder) as zenml_url, ExitStack() as tracking:
        mlflow_url = tracking.enter_context(mlflow_server(folder))
        head = {"num_cpus": 0 if nodes else 2, **QUIET, **OFTEN, **(WARM if warm else {})}
        machines = Cluster(initialize_head=True, head_node_args=head)
        try:
            stack = folder / "toy.yaml"
            STACK["orchestrator"]["configuration"] = {"address": machines.address}
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
            cluster = ToyCluster(folder, machines, environment, stack, tracking, warm)
            for gpus in [0] * nodes if nodes else [1]:
                cluster.add_node(num_cpus=1, num_gpus=gpus)
            applying = cluster.ferkit("stack", "apply", str(stack))
            output, _ = applying.communicate(timeout=120)
            assert applying.returncode == 0, output
            yield cluster
        finally:
            machines.shutdown()
