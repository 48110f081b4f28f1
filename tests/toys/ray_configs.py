"""Small runs of ours for a Ray cluster, a stack that keeps what they make in a bucket, and what they say at the end."""

import json
import subprocess
from pathlib import Path

import yaml

from tests.toys.command import forked
from tests.toys.ray import ROOT
from tests.toys.services import CLEAN
from tests.toys.state import prepared_home

SMALL = {
    "name": "small",
    "data": {"source": "synthetic", "count": 300},
    "validation": {"minimum_class": 1},
    "backbones": [{"name": "fernet", "width": 4, "depth": 2}],
    "training": {"network": {"epochs": 12}, "patience": 12},
    "evaluation": {"bootstrap": 100},
    "registry": {"register": False},
}


def experiment_of(folder: Path, **content: object) -> Path:
    """The file of an experiment or a search whose base, in the same folder, is a run of a few seconds.

    What its runs share is in the cache when those of another begin.
    """
    tiny = {"backbones": [{"name": "fernet", "width": 4, "depth": 1, "input_size": 24}], "targets": [{"name": "fer"}]}
    training = {"network": {"epochs": 1, "warmup_epochs": 0}}
    (folder / "base.yaml").write_text(yaml.safe_dump({**SMALL, **tiny, "training": training}))
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({"base": "base.yaml", **content}))
    return file


def in_bucket(stack: Path, file: Path, name: str, address: str) -> Path:
    """Write `file`, the stack of another file by another name, with the bucket `faces` of a server for artifacts."""
    given = {"key": "key", "secret": "secret", "client_kwargs": {"endpoint_url": address}}
    store = {"flavor": "s3", "configuration": {"path": "s3://faces/runs", **given}}
    file.write_text(json.dumps({**json.loads(stack.read_text()), "name": name, "artifact_store": store}))
    return file


def with_operator(stack: Path, file: Path, name: str) -> Path:
    """Write `file`, the stack of another file by another name, whose steps run here but for those of the operator."""
    given = json.loads(stack.read_text())
    operator = {**given["orchestrator"], "flavor_source": "ferkit.orchestrators.ray.flavor.RayStepOperatorFlavor"}
    changes = {"name": name, "orchestrator": {"flavor": "local"}, "step_operator": operator, "retries": 0}
    file.write_text(json.dumps({**given, **changes}))
    return file


def run_here(config: Path, home: Path) -> subprocess.Popen:
    """The `ferkit run` of a configuration on this machine, whose folder of state is `home`."""
    return subprocess.Popen(
        forked("run", config), env={**CLEAN, "PYTHONPATH": str(ROOT), "FERKIT_HOME": str(prepared_home(home))},
        cwd=config.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def results(said: str) -> list[str]:
    """The lines of the table of results."""
    lines = said.split(": results")[1].split("\nrun ", maxsplit=1)[0].splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]
