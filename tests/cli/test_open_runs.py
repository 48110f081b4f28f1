"""Whose runs are closed: of processes of this machine that are gone, and nobody else's."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import mlflow
import pytest

from ferkit.cli.state.open_runs import close_abandoned, open_run
from ferkit.cli.state.workspace import Workspace

ROOT = Path(__file__).parents[2]
_WORKER = """
import sys, time
from pathlib import Path
from ferkit.cli.state.open_runs import open_run
from ferkit.cli.state.workspace import Workspace
with open_run(Workspace(Path(sys.argv[1]), "sqlite:///none.db"), "lost", "ferkit", elsewhere=False):
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace that notes which runs would be closed in the stores."""
    made = Workspace(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")
    closed = []
    monkeypatch.setattr(
        "ferkit.cli.state.open_runs._close", lambda record, _workspace: closed.append(record.run) or True
    )
    return made, closed


def records(workspace):
    return sorted(path.name for path in (workspace.root / "running").iterdir())


def test_a_run_of_a_living_process_is_left_alone(workspace):
    workspace, closed = workspace
    with open_run(workspace, "mine", "ferkit", elsewhere=False):
        close_abandoned(workspace)
        assert records(workspace) == ["mine.json"]
    assert not records(workspace)
    assert not closed


def test_a_run_of_a_killed_process_is_closed_once(workspace, capsys):
    workspace, closed = workspace
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(workspace.root)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    with worker:
        assert worker.stdout.readline() == "open\n"
        close_abandoned(workspace)
        assert not closed
        worker.send_signal(signal.SIGKILL)
    close_abandoned(workspace)
    assert closed == ["lost"]
    assert capsys.readouterr().err == f"ferkit: run lost was cut off (process {worker.pid} is gone): closed.\n"
    close_abandoned(workspace)
    assert closed == ["lost"]


def test_a_run_of_another_machine_is_left_alone(workspace):
    workspace, closed = workspace
    with pytest.raises(RuntimeError), open_run(workspace, "theirs", "ferkit", elsewhere=False):
        raise RuntimeError
    path = workspace.root / "running" / "theirs.json"
    record = json.loads(path.read_text())
    assert record["host"] == socket.gethostname()
    path.write_text(json.dumps({**record, "host": "another"}))
    close_abandoned(workspace)
    assert not closed
    assert records(workspace) == ["theirs.json"]
    path.write_text(json.dumps(record))
    close_abandoned(workspace)
    assert closed == ["theirs"]


def test_what_cannot_be_reached_now_is_left_for_later(tmp_path):
    workspace = Workspace(tmp_path, f"sqlite:///{tmp_path}")
    with pytest.raises(RuntimeError), open_run(workspace, "later", "ferkit", elsewhere=False):
        raise RuntimeError
    close_abandoned(workspace)
    assert records(workspace) == ["later.json"]


@pytest.mark.parametrize("by", ["ZenML", "the cluster"])
def test_a_run_elsewhere_is_closed_when_zenml_has_an_end_of_it_or_its_cluster_lost_it(
    by, tmp_path, monkeypatch, capsys
):
    workspace = Workspace(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = mlflow.MlflowClient(workspace.tracking_uri)
    place = client.create_experiment("ferkit", artifact_location=(tmp_path / "files").as_uri())
    parent = client.create_run(place, run_name="cluster").info.run_id
    child = client.create_run(place, tags={"mlflow.parentRunId": parent}, run_name="fer/a").info.run_id
    done = client.create_run(place, tags={"mlflow.parentRunId": parent}, run_name="fer/b").info.run_id
    other = client.create_run(place, run_name="another").info.run_id
    client.set_terminated(done, "FINISHED")
    with pytest.raises(RuntimeError), open_run(workspace, "cluster", "ferkit", elsewhere=True):
        raise RuntimeError
    left, lost = [uuid4()], []
    monkeypatch.setattr("ferkit.cli.state.open_runs._open_in_zenml", lambda _name: left)
    monkeypatch.setattr("ferkit.cli.state.open_runs._is_lost", lambda run: run in lost)
    ended = []
    monkeypatch.setattr("ferkit.orchestrators.ray.final_states.finish", ended.append)
    close_abandoned(workspace)
    assert records(workspace) == ["cluster.json"]
    assert not ended
    if by == "the cluster":
        lost += left
    else:
        left.clear()
    close_abandoned(workspace)
    assert not records(workspace)
    assert "run cluster was cut off" in capsys.readouterr().err
    assert ended == lost
    states = [client.get_run(run).info.status for run in (parent, child, done, other)]
    assert states == ["KILLED", "KILLED", "FINISHED", "RUNNING"]
