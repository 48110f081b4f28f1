"""What steps ask of a Ray cluster, and whether it is there, without one."""

import socket
from uuid import uuid4

from zenml.config import ResourceSettings

from ferkit.orchestrators.ray.liveness import HEAD, is_lost
from ferkit.orchestrators.ray.requests import options, request, unmet


def test_a_request_is_what_zenml_says_and_ray_understands():
    asked = request(ResourceSettings(cpu_count=2, gpu_count=1, memory="8GB"), default_cpus=1)
    assert options(asked) == {"num_cpus": 2, "num_gpus": 1, "memory": 8_000_000_000}
    assert options(request(ResourceSettings(), default_cpus=0.5)) == {"num_cpus": 0.5, "num_gpus": 0, "memory": None}


def test_what_no_node_has_is_named_with_what_they_have():
    nodes = {"a": {"CPU": 4, "memory": 8e9}, "b": {"CPU": 2, "GPU": 1, "memory": 4e9}}
    assert unmet({"train": {"CPU": 2, "GPU": 1, "memory": 0}}, nodes) is None
    assert unmet({"train": {"CPU": 4, "GPU": 1, "memory": 0}}, nodes) == (
        "step train asks for 4 CPU, 1 GPU, which no node of the Ray cluster has: "
        "a has 4 CPU, 0 GPU, 8.0 GB of memory; b has 2 CPU, 1 GPU, 4.0 GB of memory."
    )


def test_a_head_that_refuses_to_talk_has_lost_its_runs_and_one_that_is_silent_may_have_not():
    run = uuid4()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    assert is_lost(run, {HEAD: f"{host}:{port}"})
    for unknown in ({}, {HEAD: "nowhere.invalid:6379"}, {HEAD: "6379"}):
        assert not is_lost(run, unknown)
