"""Names and values of MLflow's parameters: short enough to be read as columns, the same in every run."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ferkit.backbones import BackboneSettings
from ferkit.config.run_config import RunConfig
from ferkit.registry.metric_names import accepted_name
from ferkit.training.settings import TrainingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["flat", "log_parameters", "network_parameters", "run_parameters"]

# MLflow refuses longer values.
_LONGEST = 6000
# What it takes in one call.
_AT_ONCE = 100


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A tree of settings as MLflow's parameters, by dotted names; a setting that is empty is left out.

    Examples
    --------
    >>> flat({"network": {"epochs": 3, "warmup": None}, "targets": ["fer", "ferplus"]})
    {'network.epochs': '3', 'targets': 'fer, ferplus'}
    """
    return {accepted_name(name): text[:_LONGEST] for name, text in _leaves(values, prefix) if text}


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, "" if value is None else str(value)


def log_parameters(client: "MlflowClient", run_id: str, values: Mapping[str, str]) -> None:
    """Write parameters to a run, however many."""
    from mlflow.entities import Param

    params = [Param(name, value) for name, value in values.items()]
    for start in range(0, len(params), _AT_ONCE):
        client.log_batch(run_id, params=params[start : start + _AT_ONCE])


def network_parameters(
    backbone: BackboneSettings, training: TrainingSettings, seed: int, training_set_hash: str
) -> dict[str, str]:
    """The parameters of a training: ``backbone`` and its settings, then those of the training, both bare.

    The learning rate of the second phase is ``network.learning_rate``, the width of the network ``width``.
    """
    return flat(
        {
            "backbone": backbone.name,
            **backbone.model_dump(mode="json", exclude={"name", "alias"}),
            **training.model_dump(mode="json"),
            "seed": seed,
            "training_set_hash": training_set_hash,
        }
    )


def run_parameters(config: RunConfig) -> dict[str, str]:
    """The parameters of a run of the pipeline: its configuration without names, resources and the registry.

    Those of the training are bare, as they are those of each network; what a network has of its own begins with its
    label, and what a target has with its name.
    """
    sections = config.model_dump(
        mode="json", by_alias=True,
        exclude={"name", "experiment", "resources", "registry", "training", "targets", "backbones"},
    )  # fmt: skip
    own = {
        entry.label: {
            "backbone": entry.name,
            **entry.model_dump(mode="json", exclude_defaults=True, exclude={"name", "alias", "resources", "training"}),
            **entry.training,
        }
        for entry in config.backbones
    }
    targets = {each.name: each.model_dump(mode="json", exclude={"name"}) for each in config.targets}
    common = {"backbones": list(own), "targets": list(targets), **config.training.model_dump(mode="json"), **sections}
    # A network or a target may be called like a section.
    return {**flat(own), **flat(targets), **flat(common)}
