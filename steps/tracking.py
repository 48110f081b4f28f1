"""What the steps write to MLflow; without an active MLflow run they write nothing.

ZenML opens one MLflow run for all steps of a pipeline run. Each backbone and target gets a child of it, which the steps
that fine-tune and judge that network share.
"""

import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow

from ferkit.backbones import BackboneSettings
from ferkit.config.run_config import RunConfig
from ferkit.evaluation.evaluate import Evaluation, metrics_of
from ferkit.models.ensemble import Ensemble
from ferkit.registry.metric_names import accepted_name
from ferkit.reporting.report import Report
from ferkit.training.epochs import EpochRecord
from ferkit.training.settings import TrainingSettings

__all__ = [
    "git_commit",
    "log_ensemble",
    "log_epoch",
    "log_evaluation",
    "log_files",
    "log_metrics",
    "log_params",
    "log_report",
    "log_training",
    "member_run",
    "versions",
]

# MLflow refuses longer values.
_LONGEST_PARAM = 6000
MEMBER_TAG = "ferkit.member"


@contextmanager
def member_run(target: str, model: str) -> Iterator[None]:
    """Make the child run of one network the active one, within this pipeline run's parent; made if missing."""
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
    inherited = {key: value for key, value in parent.data.tags.items() if key.startswith("ferkit.")}
    with mlflow.start_run(
        run_id=found[0].info.run_id if found else None,
        experiment_id=parent.info.experiment_id,
        run_name=name,
        nested=True,
        tags={**inherited, MEMBER_TAG: name, "ferkit.target": target},
    ):
        yield


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Write numbers to the active run; names may hold slashes, which MLflow's UI groups by."""
    if mlflow.active_run():
        mlflow.log_metrics({accepted_name(key): float(value) for key, value in values.items()}, step=step)


def log_params(values: Mapping[str, Any], prefix: str = "") -> None:
    """Write a tree of settings to the active run, as dotted names."""
    if mlflow.active_run():
        mlflow.log_params({accepted_name(key): str(value)[:_LONGEST_PARAM] for key, value in _flat(values, prefix)})


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


def log_training(backbone: BackboneSettings, settings: TrainingSettings, seed: int, data_hash: str) -> None:
    """Write what a training is made from: settings, seed, data, versions."""
    log_params(
        {
            "backbone": backbone.model_dump(mode="json"),
            "training": settings.model_dump(mode="json"),
            "seed": seed,
            "training_set_hash": data_hash,
            "version": versions(),
        }
    )


def versions() -> dict[str, str]:
    """Versions of what decides about a result."""
    names = ("ferkit", "keras", "tensorflow", "numpy", "scikit-learn", "imbalanced-learn", "zenml", "mlflow")
    return {**{name: metadata.version(name) for name in names}, "python": platform.python_version()}


def git_commit() -> str | None:
    """Commit that the run was started from, as its tag says; None without an active run."""
    run = mlflow.active_run()
    return run.data.tags.get("ferkit.git_commit") if run else None


def log_epoch(record: EpochRecord) -> None:
    """Write one epoch of a training: its curves in the UI."""
    step = record["epoch"]
    log_metrics({key: value for key, value in record.items() if key not in ("epoch", "phase")}, step)


def log_ensemble(ensemble: Ensemble) -> None:
    """Write how the members of an ensemble vote."""
    log_params({"ensemble": {"method": ensemble.method, "members": ", ".join(ensemble.members)}})
    log_metrics({f"weight/{name}": value for name, value in zip(ensemble.members, ensemble.weights, strict=True)})


def log_evaluation(evaluation: Evaluation) -> None:
    """Write every number of an evaluation, grouped by subset."""
    for line in evaluation.to_table().to_dict("records"):
        log_metrics(metrics_of(line))
    log_files({"evaluation/scores.csv": evaluation.to_table().to_csv(index=False)})


def log_report(report: Report, config: RunConfig) -> None:
    """Write the report, its figures and the configuration to the run of the pipeline."""
    log_params({"config": config.model_dump(mode="json", exclude={"backbones"})})
    files = {"report.md": report.markdown, "report.html": report.html, "config.yaml": config.to_yaml()}
    log_files({**files, **{f"figures/{name}": content for name, content in report.figures.items()}}, folder="report")


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value
