"""The smallest configuration of a run, as a value and as a file."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SMALLEST = {"name": "t", "data": {"source": "synthetic"}, "backbones": [{"name": "fernet"}]}


def written(tmp_path, **change):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**SMALLEST, **change}))
    return path
