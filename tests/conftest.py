"""Everything that a test run leaves behind lies in one temporary folder, never in the checkout or the home folder."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from ferkit.cli.state.workspace import Workspace

# Before anything imports ZenML or MLflow, which read the environment once.
_HOME = Path(tempfile.mkdtemp(prefix="ferkit-tests-"))
os.environ["FERKIT_HOME"] = str(_HOME)
for name in ("ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI", "FERKIT_CACHE"):
    os.environ.pop(name, None)
# Empty is how a shell or a CI leaves it out.
if not os.environ.get("FERKIT_TEST_DATA"):
    os.environ.pop("FERKIT_TEST_DATA", None)
Workspace.open().set_environment()

# A shell that starts the tests in the background makes them ignore interruptions, and so all that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cases():
    """The folder of inputs that once failed, which is no part of the repository; its README names each."""
    folder = Path(os.environ.get("FERKIT_CASES") or Path(__file__).parents[2] / "shared" / "cases")
    if not folder.is_dir():
        pytest.skip("needs the inputs that once failed; FERKIT_CASES names their folder")
    return folder


def pytest_unconfigure():
    """Each of pytest's processes leaves nothing behind."""
    shutil.rmtree(_HOME, ignore_errors=True)


# They take minutes and begin first, so that no process still has one when the others are done; Ray's mostly wait.
_LONG = ("test_ray.py", "test_train.py", "test_run.py", "test_live_model.py", "test_execution.py")


def pytest_collection_modifyitems(items):
    """Sort the files; within one, tests keep their order."""
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))
