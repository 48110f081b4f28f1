"""What a worker of the cluster, which is kept for many steps, takes over from one to the next: nothing."""

import os

from ferkit.orchestrators.ray import worker


def test_the_variables_of_a_step_end_with_it(monkeypatch, tmp_path):
    """A step of another run may name none, or others."""
    monkeypatch.setattr(os, "environ", {"FERKIT_OF_NODE": "node", "ZENML_CONFIG_PATH": "node"})
    monkeypatch.setattr(worker, "_REPLACED", {})
    monkeypatch.setattr(worker, "_configuration_folder", lambda: str(tmp_path))
    worker.take_environment({"FERKIT_OF_NODE": "first", "FERKIT_OF_STEP": "first"})
    assert os.environ == {"FERKIT_OF_NODE": "first", "FERKIT_OF_STEP": "first", "ZENML_CONFIG_PATH": str(tmp_path)}
    worker.take_environment({"FERKIT_RAY_RUN_ID": "second"})
    assert os.environ == {"FERKIT_OF_NODE": "node", "FERKIT_RAY_RUN_ID": "second", "ZENML_CONFIG_PATH": str(tmp_path)}
