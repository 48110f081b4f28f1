"""What MLflow and ZenML are told about a run once it is over."""

from typing import TYPE_CHECKING, Any

from ferkit.cli.runs.found import FinishedRun
from ferkit.config.run_config import RunConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["record"]

_MODEL_ARTIFACTS = ("_model", "_ensemble", "_evaluation", "report", "results")


def record(finished: FinishedRun, config: RunConfig, client: "MlflowClient", tracked: str) -> None:
    """Complete MLflow's run, and give ZenML's the numbers and the model versions that belong to it.

    Parameters
    ----------
    client, tracked
        Of MLflow, and the id of its run.
    """
    from ferkit.tracking.cached import CachedStep
    from ferkit.tracking.headline import run_headline
    from ferkit.tracking.pipeline_run import complete

    run, steps = client.get_run(tracked), finished.steps
    cached = [
        CachedStep(name, str(step.original_step_run_id)) for name, step in steps.items() if step.original_step_run_id
    ]
    results = steps["report"].outputs["results"][0].load()
    complete(client, run, config, results, cached, _links(finished.run))
    about = {
        "mlflow_run_id": tracked,
        "mlflow_experiment": config.experiment,
        "data_hash": run.data.tags["ferkit.data_hash"],
        "git_commit": run.data.tags["ferkit.git_commit"],
        "seed": config.seed,
    }
    _describe(finished.run, {**run_headline(results, config), **about})
    if "register" in steps:
        # Name and version of each registered model that the run's models are.
        for line in steps["register"].outputs["registered"][0].load().to_dict("records"):
            _link_model(finished, str(line["name"]), str(line["version"]))


def _links(run: Any) -> dict[str, str]:
    """Where the rest of a run is."""
    from zenml.utils.dashboard_utils import get_run_url

    return {
        "report": f"ferkit report {run.name}",
        "run of ZenML": get_run_url(run) or f"ferkit dashboard, {run.name}",
    }


def _describe(run: Any, metadata: dict[str, Any]) -> None:
    from zenml.client import Client
    from zenml.enums import MetadataResourceTypes
    from zenml.models import RunMetadataResource

    # `log_metadata` would ask for the run again.
    place = RunMetadataResource(id=run.id, type=MetadataResourceTypes.PIPELINE_RUN)
    Client().create_run_metadata(metadata=metadata, resources=[place])


def _link_model(finished: FinishedRun, name: str, version: str) -> None:
    """Link the run to the version of ZenML's model that stands for the one in MLflow's registry."""
    from zenml import log_metadata
    from zenml.client import Client
    from zenml.model.utils import link_artifact_version_to_model_version
    from zenml.models import ModelVersionPipelineRunRequest

    client, label = Client(), f"mlflow-{version}"
    try:
        found = client.get_model_version(name, label)
    except KeyError:
        try:
            client.get_model(name)
        except KeyError:
            client.create_model(name, description="Each version is that of MLflow's registered model of this name.")
        found = client.create_model_version(name, name=label)
        log_metadata(metadata={"mlflow_model": f"models:/{name}/{version}"}, model_name=name, model_version=label)
        for step in finished.steps.values():
            for output, artifacts in step.outputs.items():
                if output.endswith(_MODEL_ARTIFACTS):
                    link_artifact_version_to_model_version(artifacts[0], found)
    client.zen_store.create_model_version_pipeline_run_link(
        ModelVersionPipelineRunRequest(model_version=found.id, pipeline_run=finished.run.id)
    )
