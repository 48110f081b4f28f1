"""Prepared views of MLflow's page of an experiment: the columns and charts by which its runs are compared.

MLflow keeps a view that somebody saved as a tag of the experiment; its menu *Views* lists them, and an address with
``viewStateShareKey`` opens one. The content of such a tag is that of MLflow 3.17 (`ExperimentPageUIState` of its
page); a page that does not understand it shows its own view.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferkit.experiments.settings import ExperimentSettings
from ferkit.tracking.parts import MEMBER_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["save_cells_view", "save_runs_view", "view_address"]

_TAG = "mlflow.sharedViewState."
_RUNS, _CELLS = "ferkit-runs", "ferkit-cells"
# Without it MLflow opens the experiment on its pages for language models.
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_TRAINING = "workflowType=machine_learning"
_SHOWN = ("public_accuracy", "public_macro_f1", "public_log_loss", "private_accuracy")


def save_runs_view(client: "MlflowClient", experiment_id: str) -> None:
    """Save the view in which every run and network has its numbers beside its settings, and charts of those numbers."""
    columns = [
        *(f"metrics.`{name}`" for name in _SHOWN),
        *(f"params.`{name}`" for name in ("network.learning_rate", "network.epochs", "balancing.method", "seed")),
        "attributes.`Dataset`",
        "attributes.`Models`",
    ]
    charts = [*map(_bar, _SHOWN[:2]), *map(_line, ("val_accuracy", "val_loss")), _DIFFERENCES]
    _save(client, experiment_id, _RUNS, "Runs and networks", _page(columns, charts))


def save_cells_view(client: "MlflowClient", experiment_id: str, settings: ExperimentSettings) -> None:
    """Save the view in which what an experiment measures is grouped by cell, its charts of means over the seeds."""
    measure = settings.measure
    metric = f"PublicTest/{measure.metric}" if measure.subset == "PublicTest" else f"public_{measure.metric}"
    names = dict.fromkeys((metric, "public_accuracy", "public_macro_f1"))
    columns = [*(f"metrics.`{name}`" for name in names), *(f"tags.`ferkit.factor.{each}`" for each in settings.factors)]
    grouped = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "ferkit.cell"}]}
    page = {
        **_page([*columns, "tags.`ferkit.seed`"], [_bar(name) for name in names]),
        "groupBy": grouped,
        # In the order of the dates MLflow would show their parents, too.
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": False,
        "searchFilter": f"tags.`{MEMBER_TAG}` = '{measure.target}/{measure.model}'",
    }
    _save(client, experiment_id, _CELLS, "Cells, means over seeds", page)


def view_address(client: "MlflowClient") -> str:
    """The part of an address behind MLflow's own that shows the experiment of the newest run, in its saved view."""
    experiments = {each.experiment_id: each.tags for each in client.search_experiments()}
    newest = client.search_runs([*experiments], order_by=["attributes.start_time DESC"], max_results=1)
    if not newest:
        # Without this MLflow opens on its pages for language models.
        return f"#/experiments?{_TRAINING}"
    place = newest[0].info.experiment_id
    found = next((name for name in (_CELLS, _RUNS) if f"{_TAG}{name}" in experiments[place]), None)
    view = f"&viewStateShareKey={found}&compareRunsMode=CHART" if found else ""
    return f"#/experiments/{place}/runs?{_TRAINING}{view}"


def _save(client: "MlflowClient", experiment_id: str, key: str, name: str, page: Mapping[str, Any]) -> None:
    there = client.get_experiment(experiment_id).tags
    state, now = json.dumps(page), int(time.time() * 1000)
    kept = json.loads(there.get(f"{_TAG}{key}", "{}"))
    if kept.get("state") != state:
        value = {"name": name, "createdAt": kept.get("createdAt", now), "updatedAt": now, "state": state}
        for tag, content in {**_KIND, f"{_TAG}{key}": json.dumps(value)}.items():
            client.set_experiment_tag(experiment_id, tag, content)


def _page(columns: Sequence[str], charts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "selectedColumns": list(columns),
        "runsHiddenMode": "FIRST_20_RUNS",
        "hideEmptyCharts": True,
        # Else MLflow sorts its own sections, one a prefix of metrics, before this one.
        "isAccordionReordered": True,
        "compareRunSections": [{"uuid": "ferkit", "name": "Compared", "display": True, "isReordered": True}],
        "compareRunCharts": list(charts),
    }


def _bar(metric: str) -> dict[str, Any]:
    return _chart(metric, "BAR")


def _line(metric: str) -> dict[str, Any]:
    axes = {
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
    }
    return {**_chart(metric, "LINE"), **axes}


def _chart(metric: str, kind: str) -> dict[str, Any]:
    return {
        "uuid": f"ferkit-{metric}",
        "type": kind,
        "metricKey": metric,
        "displayName": metric,
        "metricSectionId": "ferkit",
        "runsCountToCompare": 20,
        "isGenerated": False,
        "deleted": False,
    }


_DIFFERENCES = {
    **_chart("differences", "DIFFERENCE"),
    "compareGroups": ["Parameters", "Model metrics"],
    "chartName": "What differs between the runs",
    "showChangeFromBaseline": True,
    "showDifferencesOnly": True,
    "baselineColumnUuid": "",
}
