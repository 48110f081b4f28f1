"""A run whose ZenML and MLflow are servers that the environment names, as on a team's machine."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import mlflow
import yaml

from tests.toys.command import forked
from tests.toys.services import CLEAN
from tests.toys.tracking import mlflow_server, zenml_server

ROOT = Path(__file__).parents[2]
SMALL = {
    "name": "served",
    "data": {"source": "synthetic", "count": 240},
    "validation": {"minimum_class": 1},
    "backbones": [{"name": "fernet", "width": 4, "depth": 1}],
    "training": {"network": {"epochs": 1}},
    "evaluation": {"bootstrap": 100},
}


def test_runs_go_to_the_servers_that_the_environment_names(tmp_path):
    config = tmp_path / "served.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    with zenml_server(tmp_path) as zenml_url, mlflow_server(tmp_path) as mlflow_url:
        run = subprocess.run(
            forked("run", config),
            env={
                **CLEAN,
                "PYTHONPATH": str(ROOT),
                "FERKIT_HOME": str(tmp_path / "home"),
                "ZENML_STORE_URL": zenml_url,
                "MLFLOW_TRACKING_URI": mlflow_url,
            },
            cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert f"MLflow  experiment ferkit in {mlflow_url}" in run.stdout
        assert not (tmp_path / "home" / "mlflow.db").exists()
        client = mlflow.MlflowClient(mlflow_url)
        runs = client.search_runs([client.get_experiment_by_name("ferkit").experiment_id])
        assert {each.info.run_name for each in runs} >= {"fer/fernet", "fer/ensemble"}
        parent = next(each for each in runs if "mlflow.parentRunId" not in each.data.tags)
        assert any(file.path == "report/report.html" for file in client.list_artifacts(parent.info.run_id, "report"))
        assert list((tmp_path / "artifacts").rglob("report.html")), "files go through the server"
    stored = next((tmp_path / "server").rglob("zenml.db"))
    with closing(sqlite3.connect(stored)) as database:
        found = database.execute("SELECT name, status FROM pipeline_run").fetchall()
    assert [(name.split("-")[0], status) for name, status in found] == [("served", "completed")]
