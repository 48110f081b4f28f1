"""What a command that imports ZenML, in an interpreter of its own, imports and looks up, and how often it collects."""

import json
import subprocess
import sys

import pytest

from tests.toys.services import CLEAN

_SCRIPT = """
import gc, json, os, sys
from ferkit.cli.app import main

looks, leave = [], os._exit

def told(status):
    said = {"looks": looks.count(2), "objects": len(gc.get_objects())}
    from ferkit.cli.zenml_shortcuts import shorten_zenml
    from zenml.integrations.registry import integration_registry
    from zenml.utils import source_utils
    modules = ("pandas.core.frame", "yaml.loader", "nowhere")
    said["by itself"] = [source_utils._get_package_for_module(each) for each in modules]
    shorten_zenml()
    said["ours"] = [source_utils._get_package_for_module(each) for each in modules]
    # As it does to look for materializers.
    integration_registry.activate_integrations()
    said["imported"] = sorted({"keras", "sklearn", "tensorflow"} & set(sys.modules))
    print(json.dumps(said), flush=True)
    leave(status)

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
    assert said["ours"] == said["by itself"] == ["pandas", "PyYAML", None]
