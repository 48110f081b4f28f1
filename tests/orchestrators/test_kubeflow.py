"""Our pipeline on ZenML's Kubeflow orchestrator, up to the compiled pipeline: what Kubeflow would be told to start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.toys.cluster import write_kubeconfig
from tests.toys.extras import installed_beside
from tests.toys.state import prepared_home

ROOT = Path(__file__).parents[2]
TINY = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 300},
    "backbones": [
        {"name": "fernet", "alias": "a", "width": 4},
        {"name": "fernet", "alias": "b", "width": 4, "resources": {"cpu_count": 2}},
    ],
    "resources": {"fine_tune": {"gpu_count": 2, "cpu_count": 8, "memory": "32GB"}},
}


@pytest.fixture(scope="module")
def executors(tmp_path_factory):
    """The container of each step of the compiled pipeline, by the step's name."""
    folder = tmp_path_factory.mktemp("kubeflow")
    packages = installed_beside("kubeflow", folder)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML", "MLFLOW", "FERKIT"))}
    (folder / "run.yaml").write_text(yaml.safe_dump(TINY))
    # Nothing listens on this port: the pipeline is compiled, and then not sent.
    kubeconfig = write_kubeconfig(folder, "my-cluster", "http://127.0.0.1:9")
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "tests" / "orchestrators" / "compile_kubeflow.py")),
            *(str(ROOT / "configs" / "stacks" / "kubeflow.yaml"), str(folder / "run.yaml")),
        ],
        env={
            **kept,
            "PYTHONPATH": f"{packages}:{ROOT}",
            "FERKIT_HOME": str(prepared_home(folder / "home")),
            "KUBECONFIG": str(kubeconfig),
        },
        cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # After the pipeline, kfp writes what its platform needs as a second document.
    pipeline = next(yaml.safe_load_all(Path(done.stdout.splitlines()[-1]).read_text()))
    found = pipeline["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-").replace("-", "_"): each["container"] for name, each in found.items()}


def test_every_step_is_compiled(executors):
    assert set(executors) >= {"ingest", "fine_tune_fer_a", "fine_tune_fer_b", "evaluate_fer_ensemble", "report"}
    for name, container in executors.items():
        assert container["command"][:2] == ["python", "-m"], name
        assert container["args"][container["args"].index("--step_name") + 1] == name


def test_the_gpu_is_where_it_belongs(executors):
    asked = {name: container.get("resources", {}) for name, container in executors.items()}
    accelerators = {name: each["accelerator"] for name, each in asked.items() if "accelerator" in each}
    assert set(accelerators) == {"fine_tune_fer_a"}
    accelerator = accelerators["fine_tune_fer_a"]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    assert accelerator["resourceCount"] == "2"
    assert float(asked["fine_tune_fer_a"]["resourceCpuLimit"]) == 8
    assert float(asked["fine_tune_fer_b"]["resourceCpuLimit"]) == 2


def test_the_step_with_gpus_has_the_image_with_cuda(executors):
    for name, container in executors.items():
        assert container["image"].endswith("ferkit:gpu" if name == "fine_tune_fer_a" else "ferkit:cpu"), name
