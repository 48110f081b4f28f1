"""The steps of a pipeline on a Ray cluster: where they run, and what becomes of them when something breaks."""

import os
import signal
from pathlib import Path

import pytest
from toy_cluster import toy_cluster, wait_for
from zenml.config import ResourceSettings

from orchestrators.ray.requests import Request, unmet


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with toy_cluster(tmp_path_factory.mktemp("ray")) as found:
        yield found


def test_a_request_is_what_zenml_says_and_ray_understands():
    asked = Request.of(ResourceSettings(cpu_count=2, gpu_count=1, memory="8GB"), default_cpus=1)
    assert asked.options() == {"num_cpus": 2, "num_gpus": 1, "memory": 8_000_000_000}
    assert Request.of(ResourceSettings(), default_cpus=0.5).options() == {
        "num_cpus": 0.5, "num_gpus": 0, "memory": None
    }  # fmt: skip


def test_what_no_node_has_is_named_with_what_they_have():
    nodes = {"a": Request(4, 0, 8_000_000_000), "b": Request(2, 1, 4_000_000_000)}
    assert unmet({"train": Request(2, 1, 0)}, nodes) is None
    assert unmet({"train": Request(4, 1, 0)}, nodes) == (
        "step train asks for 4 CPU, 1 GPU, which no node of the Ray cluster has: "
        "a has 4 CPU, 0 GPU, 8.0 GB of memory; b has 2 CPU, 1 GPU, 4.0 GB of memory."
    )


def test_steps_run_at_the_same_time_each_where_it_finds_what_it_needs(cluster):
    status, said = cluster.run("side_by_side", seconds=4)
    assert status == 0, said
    (first,), (second,), (graphics,) = (cluster.noted(name) for name in ("first", "second", "graphics"))
    ends = {name: cluster.noted(name, "end")[0]["time"] for name in ("first", "second", "graphics")}
    assert max(first["time"], second["time"]) < min(ends["first"], ends["second"])
    assert graphics["gpus"] == "0"
    assert not first["gpus"]
    assert graphics["node"] not in (first["node"], second["node"])
    assert cluster.noted("last")[0]["time"] > max(ends.values())
    assert cluster.statuses() == (
        "completed", {name: ["completed"] for name in ("first", "second", "graphics", "last")}
    )  # fmt: skip


def test_what_no_node_can_run_is_refused_before_anything_runs(cluster):
    status, said = cluster.run("greedy")
    assert status != 0
    assert "step greedy asks for 1 CPU, 4 GPU, 2.0 GB of memory, which no node of the Ray cluster has" in said
    assert cluster.statuses() == ("failed", {})
    assert not cluster.noted("modest")


def test_what_does_not_depend_on_a_failed_step_is_done_and_kept(cluster):
    status, said = cluster.run("broken")
    assert status != 0
    assert "1 is not enough" in said
    state, steps = cluster.statuses()
    assert state == "failed"
    assert steps == {"kept": ["completed"], "explode": ["failed"], "independent": ["completed"]}
    _, again = cluster.run("broken")
    assert cluster.statuses()[1]["kept"] == ["cached"], again


def test_a_step_whose_node_is_lost_is_begun_again_elsewhere(cluster):
    places = [cluster.nodes.add_node(num_cpus=3) for _ in range(2)]
    process = cluster.start("long", seconds=15, need={"cpu_count": 3}, retries=2)
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    lost = cluster.noted("long")[0]["node"]
    cluster.lose(lost)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert [each["node"] for each in cluster.noted("long")] == [
        lost, next(each.node_id for each in places if each.node_id != lost)
    ]  # fmt: skip
    assert cluster.statuses() == ("completed", {"long": ["retried", "completed"], "after": ["completed"]})


def test_a_step_that_is_lost_too_often_has_failed(cluster):
    place = cluster.nodes.add_node(num_cpus=4)
    process = cluster.start("long", seconds=60, need={"cpu_count": 4})
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    cluster.lose(place.node_id)
    said, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "the step was lost" in said
    assert cluster.statuses() == ("failed", {"long": ["failed"]})


def test_a_run_comes_to_its_end_without_whoever_submitted_it(cluster):
    process = cluster.start("long", seconds=5)
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: cluster.statuses()[0] == "completed", what=f"{cluster.statuses()}")
    assert cluster.noted("after")


def test_an_interruption_stops_the_steps(cluster):
    process = cluster.start("long", seconds=100)
    wait_for(lambda: cluster.noted("long"), what="the step did not begin")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert cluster.statuses()[0] == "stopped", said
    assert cluster.statuses()[1] == {"long": ["stopped"]}
    worker = cluster.noted("long")[0]["pid"]
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), 30, "it goes on")
    assert not cluster.noted("long", "end")
