"""What the steps write to MLflow; without an active MLflow run they write nothing.

`ferkit.tracking` makes one MLflow run for all steps of a pipeline run, which ZenML resumes in each step. Each backbone
and target gets a child of it, which the steps that fine-tune and judge that network share.
"""

import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
from zenml import get_step_context

from ferkit.backbones import BackboneSettings
from ferkit.config.run_config import RunConfig
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import Evaluation
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.registry.metric_names import accepted_name
from ferkit.reporting.report import Report
from ferkit.tracking.datasets import log_datasets, split_input, training_set_input
from ferkit.tracking.parameters import flat, network_parameters
from ferkit.tracking.parts import MEMBER_TAG, inherited_tags, tags_of
from ferkit.tracking.system_metrics import measured
from ferkit.tracking.trained_models import find_network, log_network, log_scores
from ferkit.training.epochs import EpochRecord
from ferkit.training.settings import TrainingSettings

__all__ = [
    "git_commit",
    "log_ensemble",
    "log_epoch",
    "log_evaluation",
    "log_files",
    "log_made_by",
    "log_metrics",
    "log_model",
    "log_params",
    "log_report",
    "log_training",
    "log_training_data",
    "member_run",
    "versions",
    "watched_epochs",
]

_WATCHERS: list[Callable[[EpochRecord], None]] = []


@contextmanager
def member_run(target: str, model: str, *, system: bool = False) -> Iterator[None]:
    """Make the child run of one network the active one, within this pipeline run's parent; made if missing.

    With `system`, what the machine does meanwhile is measured.
    """
    parent = mlflow.active_run()
    if parent is None:
        yield
        return
    name = f"{target}/{model}"
    found = mlflow.MlflowClient().search_runs(
        [parent.info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and tags.`{MEMBER_TAG}` = '{name}'",
        max_results=1,
    )
    inherited = inherited_tags(parent.data.tags)
    with (
        mlflow.start_run(
            run_id=found[0].info.run_id if found else None,
            experiment_id=parent.info.experiment_id,
            run_name=name,
            nested=True,
            tags={**inherited, **_made_by(), MEMBER_TAG: name, "ferkit.target": target},
        ) as run,
        measured(run.info.run_id) if system else nullcontext(),
    ):
        yield


def log_made_by() -> None:
    """Tag the active run with the step that writes to it: a later run finds by it what that step wrote."""
    if mlflow.active_run():
        mlflow.set_tags(_made_by())


def _made_by() -> dict[str, str]:
    step = get_step_context().step_run
    return dict(tags_of(step.name, str(step.id)))


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Write numbers to the active run; names may hold slashes, which MLflow's UI groups by."""
    if mlflow.active_run():
        mlflow.log_metrics({accepted_name(key): float(value) for key, value in values.items()}, step=step)


def log_params(values: Mapping[str, Any]) -> None:
    """Write a tree of settings to the active run, as dotted names."""
    if mlflow.active_run():
        mlflow.log_params(flat(values))


def log_files(files: Mapping[str, bytes | str], folder: str = "") -> None:
    """Write files, by their path below `folder` of the run's artifacts, to the active run."""
    if not mlflow.active_run() or not files:
        return
    with tempfile.TemporaryDirectory() as local:
        for name, content in files.items():
            path = Path(local) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        mlflow.log_artifacts(local, folder or None)


def log_training(
    backbone: BackboneSettings, settings: TrainingSettings, seed: int, data_hash: str, packages: Mapping[str, str]
) -> None:
    """Write what a training is made from: settings, seed and data as parameters, versions of `packages` as tags."""
    if mlflow.active_run():
        mlflow.log_params(network_parameters(backbone, settings, seed, data_hash))
        mlflow.set_tags({f"version.{name}": version for name, version in packages.items()})


def log_training_data(targets: Sequence[TargetSettings]) -> None:
    """Write the step's training sets, one for each of `targets`, and the PublicTest that chose, as data of the run."""
    if run := mlflow.active_run():
        sets = zip(targets, get_step_context().inputs["training_sets"], strict=True)
        tags = run.data.tags
        balanced = [training_set_input(tags, target.name, str(each.content_hash)) for target, each in sets]
        log_datasets(mlflow.MlflowClient(), run, [*balanced, split_input(tags, "PublicTest")])


def log_model(model: FaceModel, backbone: BackboneSettings) -> None:
    """Write a trained network to the active run, as a model whose file is an artifact of the step."""
    if run := mlflow.active_run():
        log_network(model.name, backbone.name, model.content_hash(), mlflow.get_run(run.info.run_id).data.params)


def versions() -> dict[str, str]:
    """Versions of what decides about a result."""
    names = ("ferkit", "keras", "tensorflow", "numpy", "scikit-learn", "imbalanced-learn", "zenml", "mlflow")
    return {**{name: metadata.version(name) for name in names}, "python": platform.python_version()}


def git_commit() -> str | None:
    """Commit that the run was started from, as its tag says; None without an active run."""
    run = mlflow.active_run()
    return run.data.tags.get("ferkit.git_commit") if run else None


def log_epoch(record: EpochRecord) -> None:
    """Write one epoch of a training: its curves in the UI; tell whoever watches the epochs of this process."""
    step = record["epoch"]
    log_metrics({key: value for key, value in record.items() if key not in ("epoch", "phase")}, step)
    for watcher in _WATCHERS:
        watcher(record)


@contextmanager
def watched_epochs(watcher: Callable[[EpochRecord], None]) -> Iterator[None]:
    """Call `watcher` after each epoch that is trained in this process within the block.

    An error that it raises ends the training, and fails its step.
    """
    _WATCHERS.append(watcher)
    try:
        yield
    finally:
        _WATCHERS.remove(watcher)


def log_ensemble(ensemble: Ensemble) -> None:
    """Write how the members of an ensemble vote."""
    log_params({"ensemble": {"method": ensemble.method, "members": ", ".join(ensemble.members)}})
    log_metrics({f"weight/{name}": value for name, value in zip(ensemble.members, ensemble.weights, strict=True)})


def log_evaluation(evaluation: Evaluation) -> None:
    """Write every number of an evaluation, grouped by subset, and link them to the step's network and data."""
    run = mlflow.active_run()
    if run is None:
        return
    inputs, table = get_step_context().inputs, evaluation.to_table()
    network = find_network(run.info.experiment_id, str(inputs["model"][0].content_hash)) if "model" in inputs else None
    data = [split_input(run.data.tags, split) for split in evaluation.predictions]
    log_datasets(mlflow.MlflowClient(), run, data)
    log_scores(table, network)
    log_files({"evaluation/scores.csv": table.to_csv(index=False)})


def log_report(report: Report, config: RunConfig) -> None:
    """Write the report, its figures and the configuration to the run of the pipeline."""
    files = {"report.md": report.markdown, "report.html": report.html, "config.yaml": config.to_yaml()}
    log_files({**files, **{f"figures/{name}": content for name, content in report.figures.items()}}, folder="report")
