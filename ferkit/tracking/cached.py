"""What a cached step wrote when it was executed, written to the runs of the run that has it from the cache."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferkit.tracking.datasets import log_datasets
from ferkit.tracking.parameters import log_parameters
from ferkit.tracking.parts import MEMBER_TAG, NOTE_TAG, Part, inherited_tags, part_of, step_tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["CachedStep", "copy_cached"]

_EXECUTED_TAG = "ferkit.executed_in"
# What is to be read from the run that was executed.
_OF_EXECUTED = ("ferkit.git_commit", "ferkit.config_hash", "ferkit.data_source")


@dataclass(frozen=True)
class CachedStep:
    """A step that was taken from the cache.

    Attributes
    ----------
    name
        Its name in the run.
    executed
        Id of the step that was executed in its place, in an earlier run.
    """

    name: str
    executed: str


def copy_cached(client: "MlflowClient", run: "Run", steps: Iterable[CachedStep]) -> None:
    """Give `run` and its children what `steps` wrote to other runs when they were executed.

    Parameters and the numbers by which networks are compared are copied, the last of each curve among them, and models
    and data are linked. Curves, every subset's numbers, figures and files stay with the run that was executed, to which
    each child leads: a run that executes nothing takes little room. What cannot be found any more is left out.

    Parameters
    ----------
    run
        Of the pipeline.
    """
    experiments = [each.experiment_id for each in client.search_experiments()]
    place, parent = run.info.experiment_id, run.info.run_id
    below = client.search_runs([place], f"tags.`mlflow.parentRunId` = '{parent}'", max_results=1000)
    members = {each.data.tags.get(MEMBER_TAG): each for each in below}
    for step in steps:
        part = part_of(step.name)
        if part is None:
            continue
        tag = step_tag(part)
        found = client.search_runs(experiments, f"tags.`{tag}` = '{step.executed}'", max_results=1000)
        # A step that judges a network with several heads writes to several runs. Newest first: the one that was
        # executed is the last, and takes the place of its copies.
        for member, source in {each.data.tags.get(MEMBER_TAG): each for each in found}.items():
            if not part.of_member:
                target = run
            elif member in members:
                target = members[member]
            else:
                target = members[member] = _new_child(client, run, source)
            if tag not in target.data.tags:
                _copy(client, source, target, part, {tag: step.executed})


def _new_child(client: "MlflowClient", parent: "Run", source: "Run") -> "Run":
    """A child of `parent` for the member that `source` is about, with a link to `source`."""
    member = source.data.tags[MEMBER_TAG]
    inherited = {key: value for key, value in inherited_tags(parent.data.tags).items() if key not in _OF_EXECUTED}
    name = source.data.tags.get(_EXECUTED_TAG) or _name_of_parent(client, source)
    note = source.data.tags.get(NOTE_TAG) if _EXECUTED_TAG in source.data.tags else _note(source, name)
    made = client.create_run(
        parent.info.experiment_id,
        run_name=member,
        tags={
            **inherited,
            "ferkit.target": source.data.tags.get("ferkit.target", ""),
            "mlflow.parentRunId": parent.info.run_id,
            MEMBER_TAG: member,
            _EXECUTED_TAG: name,
            NOTE_TAG: note or "",
        },
    )
    client.set_terminated(made.info.run_id)
    return made


def _name_of_parent(client: "MlflowClient", child: "Run") -> str:
    parent = child.data.tags.get("mlflow.parentRunId")
    return str(client.get_run(parent).info.run_name) if parent else ""


def _note(source: "Run", name: str) -> str:
    place = f"#/experiments/{source.info.experiment_id}/runs/{source.info.run_id}"
    return f"From the cache: executed in [{name}]({place}), which has its figures and files."


def _copy(client: "MlflowClient", source: "Run", target: "Run", part: Part, tags: dict[str, str]) -> None:
    from mlflow.entities import LoggedModelOutput, Metric, RunTag

    run_id = target.info.run_id
    params = {
        key: value for key, value in source.data.params.items() if part.has_param(key) and key not in target.data.params
    }
    end = source.info.end_time or source.info.start_time
    metrics = [Metric(key, value, end, 0) for key, value in source.data.metrics.items() if part.has_metric(key)]
    log_parameters(client, run_id, params)
    # No part has as many of them as MLflow takes at once.
    client.log_batch(run_id, metrics=metrics, tags=[RunTag(key, value) for key, value in tags.items()])
    log_datasets(client, run_id, source.inputs.dataset_inputs)
    outputs = client.get_run(source.info.run_id).outputs
    if part.name == "training" and outputs and outputs.model_outputs:
        client.log_outputs(run_id, [LoggedModelOutput(each.model_id, step=0) for each in outputs.model_outputs])
