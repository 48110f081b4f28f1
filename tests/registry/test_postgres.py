"""The registry of a team: an MLflow server on PostgreSQL, which the test starts from Debian's packages."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ferkit.bundles.bundle import Bundle
from ferkit.promotion.settings import GateSettings
from ferkit.registry.history import Entry, History, ensure_history
from ferkit.registry.listing import list_versions
from ferkit.registry.models import champion_version, load_champion
from ferkit.registry.promote import Pictures, find_challenger, promote, roll_back
from tests.toys.registry import register, registry_at
from tests.toys.run import CONFIG, toy_run
from tests.toys.services import free_port
from tests.toys.tracking import mlflow_server


def programs():
    """The folder of PostgreSQL's newest programs; skips the test with a reason where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL's programs are not installed (Debian: apt install postgresql)")
    pytest.importorskip("psycopg2", reason="MLflow needs psycopg2 to talk to PostgreSQL")
    return found[-1].parent


@contextmanager
def postgres(folder):
    """A cluster in `folder` as the user that may run one; its address."""
    root = os.geteuid() == 0
    # PostgreSQL refuses to run as root.
    nobody = pwd.getpwnam("nobody")
    who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if root else {}
    if root:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    port, bin_ = free_port(), programs()
    data = folder / "data"
    common = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **who}
    made = subprocess.run(
        [bin_ / "initdb", "-D", data, "-U", "ferkit", "--auth=trust", "--no-sync"], capture_output=True, text=True,
        check=False, **common,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    command = [bin_ / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **common)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    assert server.poll() is None, log.name
                    assert time.monotonic() < deadline, log.name
                    time.sleep(0.1)
            yield f"postgresql://ferkit@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="module")
def folder():
    """Where another user may go to, which pytest's own folders do not allow."""
    programs()
    made = Path(tempfile.mkdtemp(prefix="ferkit-postgres-"))
    made.chmod(0o755)
    (made / "cluster").mkdir()
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def client(folder):
    """MLflow's client of a server on that database."""
    with (
        postgres(folder / "cluster") as database,
        mlflow_server(folder, database=database) as address,
        registry_at(address) as found,
    ):
        yield found


def test_models_are_registered_promoted_and_rolled_back_on_postgresql(client, folder, tmp_path):
    one = {"targets": [{"name": "fer"}], "backbones": [CONFIG["backbones"][1]]}
    assert champion_version() is None
    for seed in (0, 1):
        run = toy_run(tmp_path / f"run-{seed}", seed=seed, **one)
        register(run, tmp_path)
    pictures = Pictures(run.faces, run.config.evaluation, 0)
    gate = GateSettings.model_validate(CONFIG["registry"]["gate"])
    first = promote(find_challenger("ferkit", "1", tmp_path / "cache"), pictures, gate, tmp_path / "cache")
    assert first.entry
    refused = promote(find_challenger("ferkit", None, tmp_path / "cache"), pictures, gate, tmp_path / "cache")
    assert refused.entry is None
    champion = load_champion(tmp_path / "other")
    assert (champion.version, champion_version()) == ("1", "1")
    assert Bundle(champion.folder).predict(run.faces.images[:2]).shape == (2, 7)
    forced = promote(
        find_challenger("ferkit", None, tmp_path / "cache"), pictures, gate, tmp_path / "cache", force="tests it"
    )
    assert forced.entry.previous == "1"
    assert champion_version() == "2"
    assert roll_back("ferkit", "tests that, too").version == "1"
    versions = {each.version: each for each in list_versions("ferkit")}
    assert versions["1"].aliases == ("champion",)
    assert versions["2"].verdict.startswith("forced")
    assert "fer/PrivateTest/accuracy" in versions["2"].numbers
    assert list((folder / "artifacts").rglob("verdict.json")), "files go through the server"


def test_of_many_that_write_the_same_line_one_succeeds(client):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ensure_history("crowded"), range(8)))
        history = History("crowded")
        written = list(
            pool.map(
                lambda at: history.append(Entry("promote", str(at), None, "me", "now", "why", f"id{at}"), after=[]),
                range(8),
            )
        )
    assert written.count(True) == 1
    assert [each.version for each in history.read()] == [str(written.index(True))]
