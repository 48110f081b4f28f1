"""What a cached step wrote when it was executed, written to the runs of the run that has it from the cache."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ferkit.tracking.datasets import log_datasets
from ferkit.tracking.parameters import log_parameters
from ferkit.tracking.parts import MEMBER_TAG, NOTE_TAG, Part, inherited_tags, part_of, step_tag

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Run

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
    copies = {each.data.tags.get(MEMBER_TAG): _Copy(each) for each in below}
    whole = _Copy(run)
    names: dict[str, str] = {}
    for step in steps:
        part = part_of(step.name)
        if part is None:
            continue
        tag = step_tag(part)
        found = client.search_runs(experiments, f"tags.`{tag}` = '{step.executed}'", max_results=1000)
        # A step that judges a network with several heads writes to several runs. Newest first: the one that was
        # executed is the last, and takes the place of its copies.
        for member, source in {each.data.tags.get(MEMBER_TAG): each for each in found}.items():
            if part.of_member and member not in copies:
                copies[member] = _Copy(_new_child(client, run, source, names))
            copy = copies[member] if part.of_member else whole
            if tag not in copy.target.data.tags:
                copy.add(source, part, {tag: step.executed})
    # Once for each run, since every call reads the run that it writes to.
    for copy in (whole, *copies.values()):
        copy.write(client)


@dataclass
class _Copy:
    """What steps that were executed wrote, on its way to the run `target`."""

    target: "Run"
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, "Metric"] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list["DatasetInput"] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    def add(self, source: "Run", part: Part, tags: Mapping[str, str]) -> None:
        """Take from `source` what belongs to `part`."""
        from mlflow.entities import Metric

        end = source.info.end_time or source.info.start_time
        there = self.target.data.params
        self.params |= {
            key: value for key, value in source.data.params.items() if part.has_param(key) and key not in there
        }
        self.metrics |= {
            key: Metric(key, value, end, 0) for key, value in source.data.metrics.items() if part.has_metric(key)
        }
        self.tags |= tags
        self.datasets += source.inputs.dataset_inputs
        if part.name == "training" and source.outputs:
            self.models += [each.model_id for each in source.outputs.model_outputs]

    def write(self, client: "MlflowClient") -> None:
        """Write what was taken, if anything was."""
        from mlflow.entities import LoggedModelOutput, RunTag

        run_id = self.target.info.run_id
        if not self.tags:
            return
        log_parameters(client, run_id, self.params)
        # No run has as many of them as MLflow takes at once.
        tags = [RunTag(key, value) for key, value in self.tags.items()]
        client.log_batch(run_id, metrics=list(self.metrics.values()), tags=tags)
        log_datasets(client, self.target, self.datasets)
        if self.models:
            client.log_outputs(run_id, [LoggedModelOutput(each, step=0) for each in dict.fromkeys(self.models)])


def _new_child(client: "MlflowClient", parent: "Run", source: "Run", names: dict[str, str]) -> "Run":
    """A child of `parent` for the member that `source` is about, with a link to `source`.

    `names` holds the names of runs that were looked up already, by their id.
    """
    member = source.data.tags[MEMBER_TAG]
    inherited = {key: value for key, value in inherited_tags(parent.data.tags).items() if key not in _OF_EXECUTED}
    name = source.data.tags.get(_EXECUTED_TAG) or _name_of_parent(client, source, names)
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


def _name_of_parent(client: "MlflowClient", child: "Run", names: dict[str, str]) -> str:
    parent = child.data.tags.get("mlflow.parentRunId")
    if not parent:
        return ""
    if parent not in names:
        names[parent] = str(client.get_run(parent).info.run_name)
    return names[parent]


def _note(source: "Run", name: str) -> str:
    place = f"#/experiments/{source.info.experiment_id}/runs/{source.info.run_id}"
    return f"From the cache: executed in [{name}]({place}), which has its figures and files."
