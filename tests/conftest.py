"""What a test run writes lies in one temporary folder, not in the checkout or the home folder, and is gone then."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from ferkit.cli.garbage import collect_seldom
from ferkit.cli.state.workspace import Workspace
from tests.leftovers import TemporaryFolder
from tests.toys.drawn_faces import draw_once

# pytest-xdist's workers are told by the environment, which they have from the process that started them.
_TEMPORARY = None if "PYTEST_XDIST_WORKER" in os.environ else TemporaryFolder()

# Before anything imports ZenML or MLflow, which read the environment once.
os.environ["FERKIT_HOME"] = tempfile.mkdtemp(prefix="home-")
for name in ("ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI", "FERKIT_CACHE"):
    os.environ.pop(name, None)
# Empty is how a shell or a CI leaves it out.
if not os.environ.get("FERKIT_TEST_DATA"):
    os.environ.pop("FERKIT_TEST_DATA", None)
Workspace.open().set_environment()

# Hundreds of processes import the project; where Python may write no bytecode, each would compile all of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# As many processes as cores compute at the same time; threads of each, for pictures of 24 pixels, would only wait.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# These processes hold all libraries, and many a model, for as long as they live.
collect_seldom()

draw_once()

# A shell that starts the tests in the background makes them ignore interruptions, and so all that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    """The processes that run tests have imported the libraries, which takes each of them ten seconds otherwise."""
    # Behind all that is set above, which it hands on.
    from tests.toys.command import forked_worker

    for spec in specs:
        spec.python = forked_worker()


@pytest.fixture(scope="session")
def cases():
    """The folder of inputs that once failed, which is no part of the repository; its README names each."""
    folder = Path(os.environ.get("FERKIT_CASES") or Path(__file__).parents[2] / "shared" / "cases")
    if not folder.is_dir():
        pytest.skip("needs the inputs that once failed; FERKIT_CASES names their folder")
    return folder


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """A run that leaves something in the machine's folder for temporary files, or in the checkout, has failed."""
    if _TEMPORARY is not None and _TEMPORARY.left_beside()[0]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """Names it among the last lines, where a failure is looked for."""
    if _TEMPORARY is not None:
        ours, others = _TEMPORARY.left_beside()
        if others:
            terminalreporter.write_line(f"new beside the tests, of them or of others: {', '.join(others)}")
        if ours:
            terminalreporter.write_line(f"FAILED: the tests left behind {', '.join(ours)}", red=True)


def pytest_unconfigure():
    """Nothing is needed any more."""
    if _TEMPORARY is not None:
        _TEMPORARY.remove()


# The files of each share a server or a browser of that folder's conftest.py, which several processes would each start.
_TOGETHER = ("serving/api", "serving/page")

# They take a minute or more and begin first, the longest before all, so that no process still has one when the others
# are done.
_LONG = (
    "test_train.py", "test_ray.py", "test_run.py", "test_experiment_command.py", "test_cache.py", "test_benchmarks.py",
    "test_export_reference.py", "test_export_model.py", "test_execution.py", "test_streamed_run.py",
    "test_import_run.py", "test_live_model.py", "serving/api", "test_servers.py", "test_stopped_run.py",
    "test_backends.py", "test_kept_features.py", "test_fine_tune.py", "test_streaming.py", "test_app.py",
    "test_register.py", "test_backbones.py", "serving/page", "test_kubernetes.py",
)  # fmt: skip


def _together(nodeid):
    """The folder of a test if one process runs all its files."""
    folder = nodeid.partition("::")[0].removeprefix("tests/").rpartition("/")[0]
    return folder if folder in _TOGETHER else None


def _place(item):
    whole = _together(item.nodeid) or item.path.name
    return _LONG.index(whole) if whole in _LONG else len(_LONG)


def pytest_collection_modifyitems(items):
    """Sort the files; within one, tests keep their order."""
    items.sort(key=_place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where a process gets whole files, it gets such folders as wholes, too."""
    from xdist.scheduler import LoadFileScheduling

    class LoadFolderScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return _together(nodeid) or super()._split_scope(nodeid)

    return LoadFolderScheduling(config, log) if config.getoption("dist") == "loadfile" else None
