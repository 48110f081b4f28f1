"""`ferkit promote`, `ferkit rollback`, `ferkit models`, on a real registry."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import typer

from ferkit.cli.commands import models as models_command
from ferkit.cli.commands import promote as command
from ferkit.errors import FerkitError
from ferkit.registry.client import RegistryError
from ferkit.registry.history import Entry, History, ensure_history
from ferkit.registry.models import champion_version
from ferkit.registry.promote import roll_back
from tests.toys.command import forked
from tests.toys.registry import register_toy, registry_at
from tests.toys.run import CONFIG

ROOT = Path(__file__).parents[2]
APP = typer.Typer()
command.register(APP)
models_command.register(APP)


@dataclass
class Done:
    status: int
    output: str
    error: Exception | None = None


@pytest.fixture
def ferkit(capsys, monkeypatch):
    """The commands, in this process: Keras is imported once."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        commands = typer.main.get_command(APP)
        capsys.readouterr()
        try:
            status = commands([str(each) for each in arguments], standalone_mode=False)
        except FerkitError as error:
            return Done(1, capsys.readouterr().out, error)
        return Done(status or 0, capsys.readouterr().out)

    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A registry with three versions, the second a copy of the first; nobody is champion yet."""
    folder = tmp_path_factory.mktemp("registry")
    with registry_at(f"sqlite:///{folder / 'mlflow.db'}") as client:
        one = {"targets": [{"name": "fer"}], "backbones": [CONFIG["backbones"][1]]}
        first = register_toy(folder, **one)
        copy = client.get_model_version("ferkit", "1")
        client.create_model_version("ferkit", copy.source, copy.run_id, model_id=first["model_id"][0])
        register_toy(folder, seed=1, **one)
        yield client


def aliases(client, name="ferkit"):
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}


def test_a_model_goes_through_the_gate_and_back(store, ferkit):
    """One story, in order: each step begins with what the one before left."""
    client = store
    assert aliases(client) == {"challenger": "3"}

    tried = ferkit("promote", "--version", 1, "--dry-run")
    assert tried.status == 0, tried.output
    assert "version 1 would be promoted; nothing was changed" in tried.output
    assert aliases(client) == {"challenger": "3"}
    assert "ferkit.verdict" not in client.get_model_version("ferkit", "1").tags

    first = ferkit("promote", "--version", 1)
    assert first.status == 0, first.output
    assert "there is no champion yet" in first.output
    assert "ferkit version 1 is the champion now." in first.output
    assert aliases(client) == {"challenger": "3", "champion": "1"}

    # Two networks that learned nothing do not differ by more than chance explains.
    refused = ferkit("promote")
    assert refused.status == command.REFUSED, refused.output
    assert "FAILED    fer accuracy" in refused.output
    assert "left out  fer recall of " in refused.output
    assert "McNemar p =" in refused.output
    assert "ferkit version 3 is refused and stays challenger." in refused.output
    assert aliases(client) == {"challenger": "3", "champion": "1"}
    version = client.get_model_version("ferkit", "3")
    assert version.tags["ferkit.verdict"] == "refused"
    assert "has to be higher" in version.tags["ferkit.verdict_reasons"]
    assert version.tags["ferkit.judged_against"] == "1"
    run = client.get_run(version.run_id)
    assert {"promotion/challenger/fer/accuracy", "promotion/champion/fer/macro_f1"} <= set(run.data.metrics)
    folder = client.list_artifacts(version.run_id, "promotion")[0].path
    content = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{folder}/verdict.json"))
    assert content["verdict"] == "refused"
    assert content["numbers"]["challenger/fer/accuracy"] == run.data.metrics["promotion/challenger/fer/accuracy"]

    floored = ferkit("promote", "--set", "registry.gate.floors.accuracy=0.99", "--dry-run")
    assert floored.status == command.REFUSED
    assert "at least 0.99 is needed" in floored.output

    forced = ferkit("promote", "--force", "--reason", "the first one is worse on dark pictures")
    assert forced.status == 0, forced.output
    assert "ferkit version 3 is the champion now in spite of the gate, version 1 was." in forced.output
    assert aliases(client) == {"champion": "3"}
    assert client.get_model_version("ferkit", "3").tags["ferkit.forced_because"].endswith("dark pictures")

    again = ferkit("promote", "--version", 3)
    assert isinstance(again.error, RegistryError)
    assert "version 3 is the champion already" in str(again.error)
    assert str(ferkit("promote").error).startswith("registered model ferkit: no version is challenger")
    assert "--force needs a reason" in str(ferkit("promote", "--version", 2, "--force").error)

    assert ferkit("promote", "--version", 2, "--force", "--reason", "a third").status == 0
    assert "version 3 is the champion again, version 2 was" in ferkit("rollback").output
    back = ferkit("rollback", "--reason", "the other one fails, too")
    assert "version 1 is the champion again, version 3 was" in back.output
    assert "nothing to roll back to" in str(ferkit("rollback").error)
    assert aliases(client) == {"champion": "1"}

    listed = ferkit("models")
    assert listed.status == 0, listed.output
    lines = listed.output.splitlines()
    assert next(line for line in lines if line.startswith("1 ")).split()[1] == "champion"
    assert sum("refused" in line or "forced" in line or "promoted" in line for line in lines) >= 3
    assert [line.split()[1:3] for line in lines if line.startswith("20")] == [
        ["promote", "1"], ["force", "3,"], ["force", "2,"], ["rollback", "3,"],
        ["rollback", "1,"],
    ]  # fmt: skip
    assert "the other one fails, too" in listed.output
    table = lines[: lines.index(next(line for line in lines if line.startswith("20")))]
    assert max(map(len, table)) <= 80, table
    content = json.loads(ferkit("models", "--json").output)
    assert [each["version"] for each in content["versions"]] == ["3", "2", "1"]
    assert content["versions"][2]["aliases"] == ["champion"]
    assert 0 <= content["versions"][2]["numbers"]["fer/PrivateTest/accuracy"] <= 1
    assert content["history"][-1]["reason"] == "the other one fails, too"


def test_two_promotions_at_the_same_moment_leave_one_champion(store, tmp_path):
    client = store
    champion = aliases(client)["champion"]
    before = len(History("ferkit").read())
    running = [
        subprocess.Popen(
            forked("promote", "--version", version, "--force", "--reason", f"race {version}"),
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
            env={**os.environ, "FERKIT_HOME": str(tmp_path / version)},
        )
        for version in ("2", "3")
    ]  # fmt: skip
    output = [each.communicate(timeout=400)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0], output
    first, second = History("ferkit").read()[before:]
    assert {first.version, second.version} == {"2", "3"}
    # The one that came second was compared with the one that came first.
    assert (first.previous, second.previous) == (champion, first.version)
    assert client.get_model_version("ferkit", second.version).tags["ferkit.judged_against"] == first.version
    assert aliases(client)["champion"] == second.version


def entry(version, previous=None, unique="x"):
    return Entry("promote", version, previous, "me", "2026-01-01T00:00:00+00:00", "why", unique)


def test_the_same_line_of_a_history_is_written_once(store):
    ensure_history("lines")
    ensure_history("lines")
    one, other = History("lines"), History("lines")
    assert one.append(entry("1", unique="a"), after=[])
    assert not other.append(entry("2", unique="b"), after=[])
    assert one.append(entry("1", unique="a"), after=[]), "a retry of the same write is no conflict"
    assert [each.version for each in other.read()] == ["1"]


def test_a_promotion_that_was_interrupted_is_finished_by_the_next_one(store):
    history = History("ferkit")
    entries = history.read()
    now = history.champions(entries)[-1]
    other = "1" if now != "1" else "2"
    # What a process leaves that was killed between the history and the alias.
    assert history.append(entry(other, now, "killed"), after=entries)
    assert champion_version() == now
    assert history.settle() == now
    assert champion_version() == other
    assert history.settle() is None


def test_a_champion_that_was_deleted_is_passed_over(store, tmp_path):
    client = store
    ensure_history("gone")
    for _ in range(3):
        client.create_model_version("gone", source=str(tmp_path))
    history = History("gone")
    for version, previous in (("1", None), ("2", "1"), ("3", "2")):
        history.append(entry(version, previous, version), after=history.read())
    history.settle()
    client.delete_model_version("gone", "2")
    assert roll_back("gone", "broken").version == "1"
    assert champion_version("gone") == "1"


def test_what_is_not_registered_is_told(store, ferkit):
    for arguments in (("promote", "--name", "nothing"), ("rollback", "--name", "nothing"), ("models", "nothing")):
        error = ferkit(*arguments).error
        assert isinstance(error, RegistryError)
        # The command writes "ferkit: " before it, and the model may be called so, too.
        assert str(error).startswith("no model is registered as nothing; `ferkit run` registers")
