"""A run on ZenML's Kubernetes orchestrator, up to the pods: what a cluster would be told to start."""

import os
import re
import subprocess
from copy import deepcopy
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.toys.cluster import ToyCluster
from tests.toys.command import forked
from tests.toys.extras import installed_beside
from tests.toys.state import prepared_home

ROOT = Path(__file__).parents[2]
TINY = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 300},
    "validation": {"minimum_class": 1},
    "backbones": [
        {"name": "fernet", "alias": "a", "width": 4, "depth": 1},
        {"name": "fernet", "alias": "b", "width": 4, "depth": 1, "resources": {"cpu_count": 2}},
    ],
    "resources": {"fine_tune": {"gpu_count": 2, "cpu_count": 8, "memory": "32GB"}, "evaluate": {"memory": "512MiB"}},
}
CONTEXT = "my-cluster"
STACK = yaml.safe_load((ROOT / "configs" / "stacks" / "kubernetes.yaml").read_text())
NIGHTLY = yaml.safe_load((ROOT / "examples" / "nightly.yaml").read_text())
NIGHTLY_POD = NIGHTLY["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster that was given a run; `output` is what `ferkit run` said."""
    folder = tmp_path_factory.mktemp("kubernetes")
    packages = installed_beside("kubernetes", folder)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML", "MLFLOW", "FERKIT"))}
    home = prepared_home(folder / "home")
    environment = {**kept, "PYTHONPATH": f"{packages}:{ROOT}", "FERKIT_HOME": str(home)}
    stack = deepcopy(STACK)
    # A cluster on this machine needs no server of ZenML's and shares a folder with it; all else is as shipped.
    stack["orchestrator"]["configuration"]["local"] = True
    # Its jobs are complete as soon as somebody asks.
    stack["orchestrator"]["configuration"]["job_monitoring_interval"] = 0.2
    # ZenML lets pods of such a cluster run as who runs it; another setting has to show that these arrive.
    stack["orchestrator"]["configuration"]["pod_settings"]["env"] = [{"name": "TEAM", "value": "faces"}]
    stack["container_registry"]["configuration"]["uri"] = "localhost:5000"
    shared = home / "zenml" / "local_stores"
    stack["artifact_store"] = {"flavor": "local", "configuration": {"path": str(shared / "artifacts")}}
    (shared / "artifacts").mkdir(parents=True, exist_ok=True)
    for name, content in (("stack", stack), ("run", TINY)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))

    def runs(job):
        return "kubernetes_orchestrator_entrypoint" in str(job["spec"]["template"]["spec"]["containers"][0]["command"])

    with ToyCluster(folder, runs, environment) as made:
        environment["KUBECONFIG"] = str(made.kubeconfig(CONTEXT))
        # As the nightly job does, with files for this test.
        mine = {"configs/fer2013.yaml": folder / "run.yaml", "kubernetes": folder / "stack.yaml"}
        _, *words = NIGHTLY_POD["containers"][0]["command"]
        done = subprocess.run(
            forked(*(mine.get(word, word) for word in words)), env=environment, cwd=folder,
            check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=400,
        )  # fmt: skip
        made.output = done.stdout + done.stderr
        made.status = done.returncode
        yield made


def steps(cluster):
    """The specification of each step's pod, by the step's name."""
    found = {}
    for job in cluster.jobs.values():
        name = job["metadata"].get("labels", {}).get("step_name")
        if name:
            found[name] = job["spec"]["template"]["spec"]
    return found


def test_every_step_is_a_job_that_kubernetes_allows(cluster):
    assert cluster.refused == []
    names = set(steps(cluster))
    assert names >= {"ingest", "fine_tune_fer_a", "fine_tune_fer_b", "evaluate_fer_a", "report"}, cluster.output
    assert len(cluster.jobs) == len(names) + 1, "and one that starts them"
    assert {job["kind"] for job in cluster.jobs.values()} == {"Job"}


def test_what_a_step_asks_for_is_in_its_pod(cluster):
    resources = {name: pod["containers"][0]["resources"] for name, pod in steps(cluster).items()}
    assert resources["fine_tune_fer_a"] == {
        "requests": {"cpu": "8", "memory": "32G"},
        "limits": {"memory": "32G", "nvidia.com/gpu": "2"},
    }
    assert resources["fine_tune_fer_b"]["requests"]["cpu"] == "2"
    assert resources["evaluate_fer_a"]["limits"] == {"memory": "512Mi"}
    with_gpu = {name for name, asked in resources.items() if "nvidia.com/gpu" in asked.get("limits", {})}
    assert with_gpu == {"fine_tune_fer_a"}


def test_only_steps_with_gpus_go_to_gpu_nodes_in_the_image_that_has_cuda(cluster):
    for name, pod in steps(cluster).items():
        gpu = name == "fine_tune_fer_a"
        assert pod["containers"][0]["image"].endswith("ferkit:gpu" if gpu else "ferkit:cpu"), name
        assert ("nvidia.com/gpu.present" in pod.get("nodeSelector", {})) == gpu, name
        assert (pod.get("tolerations") or []) == (
            [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if gpu else []
        ), name


def test_the_pod_settings_of_the_stack_hold_for_every_step(cluster):
    for name, pod in steps(cluster).items():
        assert {"name": "TEAM", "value": "faces"} in pod["containers"][0]["env"], name


def test_the_cache_finds_the_code_in_the_image(cluster):
    """The orchestrator's own pod asks the cache, which hashes the files of `ferkit` that a step reaches."""
    log = cluster.log(next(iter(cluster.jobs)))
    assert "Orchestrator pod finished" in log
    # Of the steps after it the cache knows nothing, since the first one has not run here.
    assert "Failed to populate step run request for step ingest" not in log
    assert "Failed to populate step run request for step validate: No step ingest" in re.sub(r"\x1b\[[0-9;]*m", "", log)


def test_a_run_that_leaves_no_report_is_told_in_a_line(cluster):
    assert cluster.status == 1
    assert "Traceback" not in cluster.output
    assert re.search(r"^ferkit: run tiny-\S+ ", cluster.output, flags=re.MULTILINE), cluster.output


def test_a_nightly_job_is_one_that_kubernetes_allows_and_fits_stack_and_image():
    kubernetes_validate.validate(NIGHTLY, "1.34", strict=True)
    container = NIGHTLY_POD["containers"][0]
    assert container["image"] == STACK["image"]["cpu"]
    assert NIGHTLY["metadata"]["namespace"] == STACK["orchestrator"]["configuration"]["kubernetes_namespace"]
    _, command, config, option, stack = container["command"]
    assert (command, option, stack) == ("run", "--stack", STACK["name"])
    data = yaml.safe_load((ROOT / config).read_text())["data"]["path"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"--uid {NIGHTLY_POD['securityContext']['runAsUser']} ferkit" in dockerfile
    assert "WORKDIR /app\n" in dockerfile
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts == {"faces": f"/app/{data}", "kubeconfig": "/home/ferkit/.kube"}
    assert {each["name"] for each in NIGHTLY_POD["volumes"]} == set(mounts)
