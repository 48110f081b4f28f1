"""Small runs of ours for a Ray cluster, a stack that keeps what they make in a bucket, and what they say at the end."""

import json
from pathlib import Path

import yaml

SMALL = {
    "name": "small",
    "data": {"source": "synthetic", "count": 300},
    "validation": {"minimum_class": 1},
    "backbones": [{"name": "fernet", "width": 4, "depth": 2}],
    "training": {"network": {"epochs": 12}, "patience": 12},
    "evaluation": {"bootstrap": 100},
    "registry": {"register": False},
}


def base_of_many(folder: Path) -> None:
    """The run configuration that cells and trials start from; what they share of it is in the cache for the second."""
    tiny = {"backbones": [{"name": "fernet", "width": 4, "depth": 1, "input_size": 24}], "targets": [{"name": "fer"}]}
    training = {"network": {"epochs": 1, "warmup_epochs": 0}}
    (folder / "base.yaml").write_text(yaml.safe_dump({**SMALL, **tiny, "training": training}))


def in_bucket(stack: Path, file: Path, name: str, address: str) -> Path:
    """Write `file`, the stack of another file by another name, with the bucket `faces` of a server for artifacts."""
    given = {"key": "key", "secret": "secret", "client_kwargs": {"endpoint_url": address}}
    store = {"flavor": "s3", "configuration": {"path": "s3://faces/runs", **given}}
    file.write_text(json.dumps({**json.loads(stack.read_text()), "name": name, "artifact_store": store}))
    return file


def results(said: str) -> list[str]:
    """The lines of the table of results."""
    lines = said.split(": results")[1].split("\nrun ", maxsplit=1)[0].splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]
