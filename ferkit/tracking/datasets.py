"""The data of a run as MLflow's datasets, by which its table of runs can be filtered."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

    from ferkit.config.run_config import RunConfig

__all__ = ["data_tags", "log_datasets", "split_input", "training_set_input"]

# What a split is for, in MLflow's words.
_CONTEXTS = {"Training": "training", "PublicTest": "validation", "PrivateTest": "test"}
# Tags of a run that say what its data are called, and where they were read.
_DATA_TAG = "ferkit.data"
_SOURCE_TAG = "ferkit.data_source"


def data_tags(config: "RunConfig") -> dict[str, str]:
    """Name and place of a configuration's data, as tags of its run."""
    place = getattr(config.data, "path", None) or getattr(config.data, "repository", None) or config.data.source
    return {_DATA_TAG: config.data.source, _SOURCE_TAG: str(place)}


def split_input(tags: Mapping[str, str], split: str) -> "DatasetInput":
    """A split of a run's data as an input of a run of MLflow's, such as ``fer2013 PublicTest``.

    Parameters
    ----------
    tags
        Tags of the run: those of `data_tags` and ``ferkit.data_hash``, the beginning of the hash of all that is read.
    split
        Training, PublicTest or PrivateTest.
    """
    return _input(tags, split, split, tags["ferkit.data_hash"])


def training_set_input(tags: Mapping[str, str], target: str, content_hash: str) -> "DatasetInput":
    """The training set that was balanced for `target`, such as ``fer2013 Training, fer``; `content_hash` is its own."""
    return _input(tags, f"Training, {target}", "Training", content_hash[:16])


def _input(tags: Mapping[str, str], name: str, split: str, digest: str) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": tags[_SOURCE_TAG]})
    dataset = Dataset(f"{tags[_DATA_TAG]} {name}", digest, source_type="local", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", _CONTEXTS[split])])


def log_datasets(client: "MlflowClient", run: "Run", inputs: "Iterable[DatasetInput]") -> None:
    """Write the inputs that `run`, as MLflow gave it, does not have yet."""
    there = {(each.dataset.name, each.dataset.digest) for each in run.inputs.dataset_inputs}
    missing = {(each.dataset.name, each.dataset.digest): each for each in inputs}
    if new := [each for key, each in missing.items() if key not in there]:
        client.log_inputs(run.info.run_id, new)
