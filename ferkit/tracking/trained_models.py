"""Every trained network as a model in MLflow, whose file stays where the pipeline keeps it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

from ferkit.evaluation.evaluate import metrics_of
from ferkit.registry.metric_names import accepted_name
from ferkit.tracking.datasets import split_input
from ferkit.tracking.headline import model_headline

__all__ = ["find_network", "log_network", "log_scores"]

_NETWORK_TAG = "ferkit.network"


def log_network(label: str, backbone: str, content_hash: str, parameters: Mapping[str, str]) -> None:
    """Give the active run a model for the network that it trained.

    Parameters
    ----------
    label
        Name of the network in its run.
    backbone
        The model's type, by which models can be filtered and compared.
    content_hash
        Of the network's file: `find_network` goes by it.
    parameters
        Those of its training.
    """
    import mlflow
    from mlflow.entities import LoggedModelOutput

    model = mlflow.create_external_model(
        name=label, params=dict(parameters), model_type=backbone, tags={_NETWORK_TAG: content_hash}
    )
    mlflow.MlflowClient().log_outputs(model.source_run_id, [LoggedModelOutput(model.model_id, step=0)])


def find_network(experiment_id: str, content_hash: str) -> str | None:
    """The id of the model in MLflow of the network with this content; None if it was logged to no such experiment."""
    from mlflow import MlflowClient

    found = MlflowClient().search_logged_models(
        [experiment_id], f"tags.`{_NETWORK_TAG}` = '{content_hash}'", max_results=1
    )
    return str(found[0].model_id) if found else None


def log_scores(table: "pd.DataFrame", model_id: str | None) -> None:
    """Write the numbers of one model to the active run, and to its model in MLflow, with the data that they are about.

    Parameters
    ----------
    table
        Of `ferkit.evaluation.evaluate.Evaluation.to_table`.
    model_id
        Of the model in MLflow; None for an ensemble.
    """
    import time

    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    run = mlflow.active_run()
    if run is None:
        return
    now = int(time.time() * 1000)

    def metrics(numbers: Mapping[str, float], data: Any = None) -> list[Metric]:
        about: dict[str, Any] = (
            {"model_id": model_id, "dataset_name": data.name, "dataset_digest": data.digest} if data else {}
        )
        return [Metric(accepted_name(key), value, now, 0, **about) for key, value in numbers.items()]

    written = metrics(model_headline(table))
    for line in table.to_dict("records"):
        split = str(line["subset"]).partition(",")[0]
        written += metrics(metrics_of(line), split_input(run.data.tags, split).dataset)
    for start in range(0, len(written), 1000):
        MlflowClient().log_batch(run.info.run_id, metrics=written[start : start + 1000])
