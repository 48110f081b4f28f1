"""A run whose ZenML and MLflow are servers that the environment names, as on a team's machine."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import pytest
import yaml

ROOT = Path(__file__).parents[1]
SMALL = {
    "name": "served",
    "data": {"source": "synthetic", "count": 300},
    "validation": {"minimum_class": 1},
    "backbones": [{"name": "fernet", "width": 4}],
    "training": {"epochs": 1},
    "evaluation": {"bootstrap": 100},
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(command, health, environment, log):
    """A server as a process group of its own, once it answers."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(health, timeout=5).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or server.poll() is not None:
                        pytest.fail(f"the server did not answer: {log.read_text()[-2000:]}")
                    time.sleep(0.3)
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def test_runs_go_to_the_servers_that_the_environment_names(tmp_path):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML", "MLFLOW", "FERKIT"))}
    zenml_port, mlflow_port = free_port(), free_port()
    zenml_url, mlflow_url = f"http://127.0.0.1:{zenml_port}", f"http://127.0.0.1:{mlflow_port}"
    zenml = [str(Path(sys.executable).with_name("zenml")), "login", "--local", "--blocking", "--port", str(zenml_port)]
    tracking = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"),
        *("--artifacts-destination", str(tmp_path / "artifacts"), "--host", "127.0.0.1", "--port", str(mlflow_port)),
    ]
    store = {
        "ZENML_CONFIG_PATH": str(tmp_path / "server"),
        "ZENML_LOCAL_STORES_PATH": str(tmp_path / "server" / "stores"),
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    config = tmp_path / "served.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    with (
        served(zenml, f"{zenml_url}/health", {**clean, **store}, tmp_path / "zenml.log"),
        served(tracking, f"{mlflow_url}/health", clean, tmp_path / "mlflow.log"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", "from cli.app import main; main()", "run", str(config)],
            env={
                **clean,
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
