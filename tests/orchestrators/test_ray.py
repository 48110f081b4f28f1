"""The steps of a pipeline on a Ray cluster: where they run, and what becomes of them when something breaks."""

import json
import os
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from uuid import uuid4

import mlflow
import pandas as pd
import pytest
import yaml

from ferkit.orchestrators.ray.liveness import HEAD, is_lost
from tests.toys.command import interrupted
from tests.toys.ray import LARGE, toy_cluster
from tests.toys.ray_configs import SMALL, experiment_of, in_bucket, results, run_here, with_operator
from tests.toys.services import s3_server, wait_for


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with toy_cluster(tmp_path_factory.mktemp("ray")) as found:
        yield found


@pytest.fixture(scope="module")
def side_by_side(cluster, tmp_path_factory):
    """A run whose artifacts lie in a bucket: what its steps noted, its statuses, and what the bucket lists."""
    folder = tmp_path_factory.mktemp("bucket")
    with s3_server(folder, bucket="faces") as address:
        file = in_bucket(cluster.stack, folder / "bucket.yaml", "toy-bucket", address)
        said, _ = cluster.ferkit("stack", "apply", str(file)).communicate(timeout=120)
        assert "toy-bucket" in said
        with patch.dict(cluster.environment, TOY_STACK="toy-bucket"):
            status, said = cluster.run("side_by_side")
        assert status == 0, said
        begun, ended = (
            {label: cluster.noted(label, what) for label in ("first", "second", "graphics", "last")}
            for what in ("begin", "end")
        )
        # It answers in XML; the names are enough.
        listing = urllib.request.urlopen(f"{address}/faces?list-type=2", timeout=10).read().decode()
        return SimpleNamespace(begun=begun, ended=ended, statuses=cluster.statuses(), listing=listing)


def test_steps_run_at_the_same_time_each_where_it_finds_what_it_needs(cluster, side_by_side):
    (first,), (second,), (graphics,), (last,) = side_by_side.begun.values()
    ends = {name: side_by_side.ended[name][0]["time"] for name in ("first", "second", "graphics")}
    assert max(first["time"], second["time"]) < min(ends["first"], ends["second"])
    assert graphics["gpus"] == "0"
    assert not first["gpus"]
    assert graphics["node"] not in (first["node"], second["node"])
    assert last["time"] > max(ends.values())
    assert side_by_side.statuses == (
        "completed", {name: ["completed"] for name in ("first", "second", "graphics", "last")}
    )  # fmt: skip
    kept = Path(os.environ["ZENML_CONFIG_PATH"], "config.yaml")
    server = cluster.environment["ZENML_STORE_URL"]
    assert not kept.exists() or server not in kept.read_text(), "whoever started the nodes keeps their own ZenML"


def test_artifacts_may_lie_in_a_bucket(side_by_side):
    listed = side_by_side.listing
    assert all(f"<Key>runs/{label}/{label}_done/" in listed for label in ("first", "graphics", "last"))


@pytest.fixture(scope="module")
def failures(cluster):
    """Four runs of one process that fail: what was said of each, and what ZenML knows of it, in their order."""
    names = ("broken", "broken", "hasty", "greedy")
    status, said = cluster.run(*names)
    assert status != 0, said
    parts = re.split(r"^== \w+ is over$", said, flags=re.MULTILINE)
    return [
        SimpleNamespace(said=part, statuses=cluster.statuses(before=before))
        for part, before in zip(parts, reversed(range(len(names))), strict=False)
    ]


def test_what_no_node_can_run_is_refused_before_anything_runs(cluster, failures):
    run = failures[3]
    assert "step greedy asks for 1 CPU, 4 GPU, 2.0 GB of memory, which no node of the Ray cluster has" in run.said
    assert run.statuses == ("failed", {})
    assert not cluster.noted("modest", run="greedy")


def test_what_does_not_depend_on_a_failed_step_is_done_and_kept(cluster, failures):
    run, again = failures[:2]
    assert "1 is not enough" in run.said
    # An error of ferkit's comes whole, is begun once, and is that of its step.
    assert "UnfitDataError: anger: 0 pictures\nfear: 1 picture\nThe data is not fit to train on" in run.said
    assert "Step unfit failed." in run.said
    assert "lost" not in run.said
    # From Python 3.12 on, ZenML's own threads complain behind it that the process ends.
    assert re.search(r"failure in step\(s\): (explode, unfit|unfit, explode)$", run.said, re.MULTILINE)
    assert len(cluster.noted("unfit", run="broken")) == 2, "once a run"
    # Another may pass, and can be told although no other process can read it.
    assert len(cluster.noted("flaky", run="broken")) == 4, "twice a run"
    assert "epoch 1 of 2" in run.said, "what a step logs is seen where the run was submitted"
    state, steps = run.statuses
    assert state == "failed"
    assert steps.pop("flaky") == ["retried", "completed"]
    # ZenML lets no step have failed that has a retry left.
    assert steps.pop("unfit") == ["stopped"]
    assert steps == {"kept": ["completed"], "explode": ["failed"], "independent": ["completed"]}
    assert again.statuses[1]["kept"] == ["cached"], again.said


def test_runs_of_one_process_share_the_workers_that_have_imported_libraries(cluster, failures):
    """Ray gives a worker to the tasks of one detached actor alone."""
    noted = [cluster.noted(label, run="broken") for label in ("unfit", "flaky", "independent")]
    first = {each["pid"] for steps in noted for each in steps[: len(steps) // 2]}
    assert first & {each["pid"] for steps in noted for each in steps[len(steps) // 2 :]}


def test_a_run_that_fails_fast_stops_everything(failures):
    run = failures[2]
    assert "1 is not enough" in run.said
    assert "was halted: " in run.said
    assert re.search(r"Pipeline run has failed due to failure in step\(s\): explode$", run.said, re.MULTILINE)
    assert "IllegalOperationError" not in run.said
    state, steps = run.statuses
    assert state == "failed"
    assert steps.pop("independent", ["failed"]) == ["failed"]
    # Stopped before its end if it is `independent` that began too late and was halted.
    assert steps.pop("until_failed") in (["completed"], ["failed"])
    assert steps == {"explode": ["failed"]}


@pytest.mark.timeout(1200)
def test_cells_run_side_by_side_share_what_they_can_and_go_on_after_an_interruption(cluster, tmp_path):
    factors = {"smoothing": {"hard": {}, "smooth": {"training.label_smoothing": 0.1}}}
    file = experiment_of(tmp_path, name="cells", factors=factors, seeds=1, measure={"bootstrap": 200})
    command = ("experiment", str(file), "--stack", str(cluster.stack))
    before = cluster.executed("ingest")
    said = interrupted(cluster.ferkit(*command), "hard, seed 0 | ingest ...", signal.SIGKILL)
    said += interrupted(cluster.ferkit(*command), "smooth, seed 0 | fine_tune_fer_fernet ...", signal.SIGINT)
    assert "hard, seed 0 | goes on since an earlier command" in said
    assert {status for status, _, _ in cluster.runs("cells.")} in ({"stopped"}, {"completed", "stopped"}), said
    process = cluster.ferkit(*command)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "2 runs side by side, at most 2 of them with a training to do" in said
    assert "smooth: no difference can be shown with 1 seed" in said
    (_, _, ended), (_, begun, _) = (cluster.runs(name)[0] for name in ("cells.hard", "cells.smooth"))
    assert begun < ended
    assert cluster.executed("ingest") - before == 1
    assert cluster.executed("fine_tune_fer_fernet") == 2


@pytest.mark.timeout(1200)
def test_trials_of_a_search_run_side_by_side_and_go_on_after_an_interruption(cluster, tmp_path):
    smoothing, trained = [0.2, 0.3], cluster.executed("fine_tune_fer_fernet")
    search = {"sampler": "grid", "ranges": {"training.label_smoothing": smoothing}, "pruner": {"method": "none"}}
    file = experiment_of(tmp_path, name="trials", search=search)
    command = ("experiment", str(file), "--stack", str(cluster.stack))
    interrupted(cluster.ferkit(*command), "trial 1 | fine_tune_fer_fernet ...", signal.SIGINT)
    assert "running" not in {status for status, _, _ in cluster.runs("trials.")}
    process = cluster.ferkit(*command, "--to", str(tmp_path / "report"))
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "2 trials, up to 2 of them at once" in said
    (_, _, ended), (_, begun, _) = (cluster.runs(f"trials.trial-{number}-")[0] for number in (0, 1))
    assert begun < ended
    table = pd.read_csv(tmp_path / "report" / "trials.csv")
    assert table["trial"].tolist() == [0, 1]
    assert set(table["state"]) == {"complete"}
    assert sorted(table["training.label_smoothing"]) == smoothing
    assert cluster.executed("fine_tune_fer_fernet") - trained == 2
    client = mlflow.MlflowClient(cluster.environment["MLFLOW_TRACKING_URI"])
    place = client.get_experiment_by_name("trials").experiment_id
    [parent] = client.search_runs([place], "tags.`ferkit.experiment` = 'parent'")
    for name, values in (("score", table["score"]), ("best_score", table["score"].cummax())):
        logged = sorted(client.get_metric_history(parent.info.run_id, name), key=lambda point: point.step)
        assert [point.value for point in logged] == pytest.approx(values.tolist())


def test_a_step_operator_takes_its_steps_to_the_cluster_and_no_other(cluster, tmp_path):
    file = with_operator(cluster.stack, tmp_path / "operator.yaml", "toy-operator")
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump({**SMALL, "resources": {"fine_tune": {"cpu_count": 64}}}))
    # It registers the stack.
    process = cluster.ferkit("run", str(config), "--stack", str(file))
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "step fine_tune_fer_fernet asks for 64 CPU, 0 GPU, which no node of the Ray cluster has" in said
    assert "ingest" not in said, "what cannot train begins nothing"
    with patch.dict(cluster.environment, TOY_STACK="toy-operator"):
        status, said = cluster.run("trained_elsewhere")
    assert status != 0, said
    assert "UnfitDataError: anger: 0 pictures\nfear: 1 picture\nThe data is not fit to train on" in said
    assert "epoch 1 of 2" in said
    (here,), (there,) = (cluster.noted(label) for label in ("kept", "there"))
    assert (there["gpus"], there["pid"] != here["pid"]) == ("0", True)
    assert cluster.statuses() == ("failed", {"kept": ["completed"], "there": ["completed"], "unfit": ["failed"]})


def test_a_step_whose_node_is_lost_is_begun_again_elsewhere(cluster):
    places = cluster.large_nodes(2)
    process = cluster.start("long", seconds=120, need={"cpu_count": LARGE}, retries=2, until=("long", 2))
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    lost = cluster.noted("long")[0]["node"]
    [other] = {each.node_id for each in places} - {lost}
    cluster.lose(lost)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert [each["node"] for each in cluster.noted("long")] == [lost, other]
    assert cluster.statuses() == ("completed", {"long": ["retried", "completed"], "after": ["completed"]})


@pytest.fixture(scope="module")
def left_alone(cluster):
    """What the last step noted of a run whose submitter was killed."""
    process = cluster.start("long", seconds=120, until=("nobody", 1))
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    os.killpg(process.pid, signal.SIGKILL)
    with cluster.notes["long"].open("a") as notes:
        notes.write(json.dumps({"label": "nobody", "what": "begin"}) + "\n")
    wait_for(lambda: cluster.statuses()[0] == "completed", what=f"{cluster.statuses()}")
    return cluster.noted("after")


def test_a_run_comes_to_its_end_without_whoever_submitted_it(left_alone):
    assert left_alone


def test_an_interruption_stops_the_steps(cluster):
    process = cluster.start("long", seconds=100)
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    run, head = cluster.handed_over()
    assert not is_lost(run, {HEAD: head})
    assert is_lost(uuid4(), {HEAD: head}), "the head of another cluster, or started anew, knows no such run"
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert cluster.statuses()[0] == "stopped", said
    assert cluster.statuses()[1] == {"long": ["stopped"]}
    worker = cluster.noted("long")[0]["pid"]
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), 30, "it goes on")
    assert not cluster.noted("long", "end")


def test_a_run_on_the_cluster_ends_as_it_does_here_whatever_was_lost_on_the_way(cluster, tmp_path):
    """The numbers of `ferkit run` on one machine, although a node and MLflow's server were away in the middle."""

    def checkpoints() -> set[Path]:
        return set(cluster.folder.glob("home/checkpoints/fer-fernet/*/state"))

    begin, before = int(1000 * time.time()), checkpoints()
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    # At the same time: the other run waits for most of its.
    here = run_here(config, tmp_path / "home")
    [place] = cluster.large_nodes(1)
    process = cluster.ferkit(
        "run", str(config), "--stack", str(cluster.stack), "--set", f"resources.fine_tune.cpu_count={LARGE}"
    )
    said = []
    reader = threading.Thread(target=lambda: said.extend(process.stdout))
    reader.start()
    # As soon as there is something to go on with: the training takes seconds.
    wait_for(lambda: checkpoints() - before, what="".join(said))
    cluster.lose(place.node_id)
    cluster.large_nodes(1)
    cluster.without_tracking()
    reader.join(timeout=300)
    assert process.wait(timeout=300) == 0, "".join(said)
    assert re.search(r"fernet network epoch \d+/12: loss", "".join(said)), "".join(said)
    assert results("".join(said)) == results(here.communicate(timeout=300)[0])
    status, steps = cluster.statuses()
    assert (status, steps["fine_tune_fer_fernet"]) == ("completed", ["retried", "completed"])
    client = mlflow.MlflowClient(cluster.environment["MLFLOW_TRACKING_URI"])
    places = [each.experiment_id for each in client.search_experiments()]
    [run] = client.search_runs(places, f"attributes.run_name = 'fer/fernet' and attributes.start_time >= {begin}")
    losses = {point.step for point in client.get_metric_history(run.info.run_id, "val_loss")}
    assert losses == set(range(SMALL["training"]["network"]["epochs"])), "the curve has no gap"


def test_a_step_that_is_lost_too_often_has_failed(cluster):
    cluster.large_nodes(1)
    process = cluster.start("long", seconds=120, need={"cpu_count": LARGE})
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    cluster.lose(cluster.noted("long")[0]["node"])
    said, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "the step was lost" in said
    assert cluster.statuses() == ("failed", {"long": ["failed"]})


def test_no_supervisor_outlives_its_run(cluster, left_alone):
    """Last: one whose submitter is gone waits for it for a quarter of a minute."""
    assert not cluster.lasting_supervisors()
