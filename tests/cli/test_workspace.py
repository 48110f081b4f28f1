"""The folder of all state: commands that need none, and folders with unusual names."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from ferkit.cli.state.one_at_a_time import one_at_a_time
from ferkit.cli.state.workspace import Workspace
from ferkit.errors import ConfigError, FerkitError
from tests.toys.command import forked

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A folder of state that nobody can make, not even root."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERKIT_HOME", str(tmp_path / "file" / "home"))
    return tmp_path / "file" / "home"


def ferkit(*arguments):
    return subprocess.run(
        forked(*arguments), check=False,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [("--help",), ("backbones",)])
def test_what_keeps_nothing_needs_no_folder(nowhere, arguments):
    done = ferkit(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_cannot_be_made_is_told_in_a_line(nowhere):
    done = ferkit("report")
    assert done.returncode == 1
    assert done.stderr == (
        f"ferkit: {nowhere}: the folder of ferkit's state cannot be written (Not a directory); change its permissions, "
        "or name another one with FERKIT_HOME.\n"
    )


def test_native_libraries_write_nowhere_without_a_folder(nowhere):
    assert Workspace.named().native_log == Path(os.devnull)


def test_native_libraries_write_into_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKIT_HOME", str(tmp_path / "home"))
    assert Workspace.named().native_log == tmp_path / "home" / "native.log"


def test_a_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FERKIT_WEIGHTS", "~/weights")
    Workspace.named().set_environment()
    assert os.environ["FERKIT_WEIGHTS"] == str(tmp_path / "weights")
    monkeypatch.setenv("FERKIT_HOME", "~/state")
    assert Workspace.named().root == tmp_path / "state"
    monkeypatch.setenv("FERKIT_HOME", "~no-such-user/state")
    with pytest.raises(ConfigError, match="FERKIT_HOME ~no-such-user/state"):
        Workspace.named()


@pytest.fixture
def nothing_set(monkeypatch):
    """No variable names a store, and what a test sets is forgotten."""
    for name in {*Workspace.named().environment(), "ZENML_STORE_URL"}:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["what? state", "a#b", "50%25", "two words"])
def test_databases_lie_in_a_folder_of_any_name(nothing_set, tmp_path, monkeypatch, name):
    root = tmp_path / name
    monkeypatch.setenv("FERKIT_HOME", str(root))
    workspace = Workspace.open()
    workspace.set_environment()
    urls = {"mlflow.db": workspace.tracking_uri}
    if "?" in name:
        urls["zenml/local_stores/default_zen_store/zenml.db"] = os.environ["ZENML_STORE_URL"]
    for file, url in urls.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlalchemy.create_engine(url).connect()) as database:
            database.execute(sqlalchemy.text("CREATE TABLE faces (row INTEGER)"))
        assert (root / file).stat().st_size > 0
    assert Workspace.open() == workspace


def test_a_link_of_somebody_else_is_not_followed(nothing_set, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("FERKIT_HOME", str(tmp_path / "what?"))
    workspace = Workspace.named()
    Path(workspace.tracking_uri.removeprefix("sqlite:///")).parent.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="expected a link of yours"):
        workspace.set_environment()


def test_one_process_at_a_time_makes_the_stores(tmp_path, monkeypatch):
    monkeypatch.setattr("ferkit.cli.state.one_at_a_time._MOST_SECONDS", 0.0)
    lock = tmp_path / "lock"
    with one_at_a_time(lock), pytest.raises(FerkitError, match="another ferkit has held it"), one_at_a_time(lock):
        pass
    with one_at_a_time(lock):
        pass


def test_a_damaged_configuration_of_zenml_is_told_in_a_line(tmp_path):
    (tmp_path / "zenml").mkdir()
    (tmp_path / "zenml" / "config.yaml").write_text("active_stack_id: [")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML", "MLFLOW", "FERKIT"))}
    done = subprocess.run(
        forked("report"), check=False, cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), "FERKIT_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(
        f"ferkit: {tmp_path}/zenml/config.yaml: not a configuration of ZenML (while parsing"
    )
    assert len(done.stderr.splitlines()) == 1
