"""What a command that imports ZenML, in an interpreter of its own, imports and looks up, and how often it collects."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.toys.services import CLEAN

_SCRIPT = """
import gc, json, os, sys
from ferkit.cli.app import main

looks, leave = [], os._exit

def told(status):
    said = {"looks": looks.count(2), "objects": len(gc.get_objects())}
    from ferkit.orchestrators.zenml_shortcuts import shorten_zenml
    from zenml.integrations.registry import integration_registry
    said["by itself"] = answers(integration_registry)
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
    MLFlowExperimentTracker.disable_autologging = lambda _: said.update({"switched off": said["switched off"] + 1})
    searched = []
    def search(_, experiment_name, run_name):
        searched.append(run_name)
        return None if searched.count(run_name) == 1 else f"{experiment_name}-{run_name}"
    MLFlowExperimentTracker.get_run_id = search
    MLFlowExperimentTracker.get_tracking_uri = lambda _: "sqlite://"
    shorten_zenml()
    said["switched off"] = 0
    # As it is called behind a step, without a server to talk to.
    tracker = MLFlowExperimentTracker.__new__(MLFlowExperimentTracker)
    tracker.disable_autologging()
    from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS
    # What `mlflow.sklearn.autolog` writes down; a process that ends cannot import it.
    AUTOLOGGING_INTEGRATIONS["sklearn"] = {"disable": False}
    tracker.disable_autologging()
    said["ours"] = answers(integration_registry)
    names = ("one", "one", "one", "two", "two", "one")
    said["ids"] = [tracker.get_run_id(experiment_name="toy", run_name=each) for each in names]
    said["searched"] = searched
    # As it does to look for materializers.
    integration_registry.activate_integrations()
    said["imported"] = sorted({"keras", "sklearn", "tensorflow"} & set(sys.modules))
    print(json.dumps(said), flush=True)
    leave(status)

def answers(registry):
    # The packages of three modules, the integrations of ZenML that are installed, the parameters that it refuses, what
    # is installed, the hash of a function's source.
    from threading import Lock
    from zenml.environment import Environment
    from zenml.steps.entrypoint_function_utils import validate_entrypoint_function
    from zenml.utils import source_code_utils, source_utils
    packages = [source_utils._get_package_for_module(each) for each in ("pandas.core.frame", "yaml.loader", "nowhere")]
    installed = sorted(name for name, each in registry.integrations.items() if each.check_installation())
    refused = []
    def step(count: int, names: list[str], lock: Lock().__class__) -> None: ...
    definition = validate_entrypoint_function(step)
    for key, value in (("count", 3), ("count", "three"), ("names", ["a"]), ("names", [1]), ("lock", None)):
        try:
            definition.validate_input(key, value)
        except RuntimeError as error:
            refused.append(str(error))
    listed, hashed = Environment.get_python_packages(), source_code_utils.get_hashed_source_code(main)
    return {"packages": packages, "installed": installed, "refused": refused, "listed": listed, "hashed": hashed}

gc.callbacks.append(lambda phase, about: looks.append(about["generation"]))
os._exit = told
sys.argv = ["ferkit", "stack", "list"]
main()
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    environment = {**CLEAN, "FERKIT_HOME": str(tmp_path_factory.mktemp("home"))}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, env=environment, timeout=300
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_command_that_imports_zenml_looks_all_objects_through_once_at_most(said):
    assert said["objects"] > 100_000
    assert said["looks"] <= 2, "each look has a begin and an end"


def test_zenml_imports_no_library_for_a_run_that_is_cached(said):
    assert not said["imported"]


def test_automatic_logging_is_switched_off_where_a_step_switched_it_on(said):
    assert said["switched off"] == 1, "of two calls the first one finds nothing on"


def test_a_run_of_mlflow_is_searched_for_until_it_is_found(said):
    assert said["ids"] == [None, "toy-one", "toy-one", None, "toy-two", "toy-one"]
    assert said["searched"] == ["one", "one", "two", "two"]


def test_zenml_finds_and_refuses_what_it_does_by_itself(said):
    ours = said["ours"]
    assert ours["packages"] == said["by itself"]["packages"] == ["pandas", "PyYAML", None]
    assert {"pandas", "sklearn"} <= {*said["by itself"]["installed"]}
    assert ours["installed"] == said["by itself"]["installed"]
    assert ours["refused"] == said["by itself"]["refused"]
    assert ours["listed"] == said["by itself"]["listed"]
    assert f"zenml=={version('zenml')}" in ours["listed"]
    assert ours["hashed"] == said["by itself"]["hashed"]
    assert [each.partition(":")[0] for each in ours["refused"]] == [
        f"Input validation failed for input '{name}'" for name in ("count", "names", "lock")
    ]
