"""Models of a run in MLflow's registry: what is written, and that it works where nothing of this checkout is."""

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.bundles.bundle import Bundle
from ferkit.config.resources import ResourceRequest, Resources
from ferkit.data.labels import class_names
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.promotion.settings import GateSettings
from ferkit.registry.addresses import ModelAddress
from ferkit.registry.client import RegistryError
from ferkit.registry.history import HISTORY_TAG
from ferkit.registry.mlflow_model import requirements
from ferkit.registry.models import champion_version, load_champion, load_version, version_exists
from ferkit.registry.promote import Pictures, find_challenger, promote
from ferkit.sources import SyntheticSettings, load
from tests.toys.command import forked_script
from tests.toys.pictures import encoded
from tests.toys.registry import register, register_toy, registry_at
from tests.toys.run import CONFIG, toy_run
from tests.toys.services import free_port, served

ASK = Path(__file__).with_name("model_client.py").read_text()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A registry with one version, and its folder."""
    folder = tmp_path_factory.mktemp("registry")
    with registry_at(f"sqlite:///{folder / 'mlflow.db'}") as client:
        registered = register_toy(folder, registry={"singles": True})
        client.set_registered_model_alias("ferkit", "champion", "1")
        yield folder, client, registered


@pytest.fixture(scope="module")
def bundle(store, tmp_path_factory):
    return Bundle(load_version("1", tmp_path_factory.mktemp("cache")).folder)


def environment(folder):
    """Of a process that knows the registry and nothing of this checkout."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHONPATH", "FERKIT", "ZENML"))}
    return {**kept, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}


def test_a_run_registers_its_ensemble_and_if_asked_its_networks(store):
    _, client, registered = store
    assert list(registered["name"]) == ["ferkit", "ferkit-both", "ferkit-single", "ferkit-small"]
    for name, version in zip(registered["name"], registered["version"], strict=True):
        assert version == "1"
        assert str(client.get_registered_model(name).aliases["challenger"]) == "1"
    assert HISTORY_TAG in client.get_registered_model("ferkit").tags


def test_a_version_tells_where_it_comes_from_and_how_good_it_is(store, bundle):
    _, client, registered = store
    version = client.get_model_version("ferkit", "1")
    assert version.tags["ferkit.data_hash"] == "data123"
    assert version.tags["ferkit.git_commit"] == "commit456"
    assert json.loads(version.tags["ferkit.artifacts"]) == {"faces_ingested": "an-id"}
    assert version.tags["ferkit.registered_by"]
    assert "accuracy" in version.description
    assert client.get_run(version.run_id).info.experiment_id == client.get_experiment_by_name("toy").experiment_id
    logged = client.get_logged_model(registered.set_index("name").loc["ferkit", "model_id"])
    numbers = {metric.key: metric.value for metric in logged.metrics}
    scores = pd.read_csv(bundle.folder / "scores.csv").set_index(["target", "model", "subset"])
    assert numbers["fer/PrivateTest/accuracy"] == scores.loc[("fer", "vote", "PrivateTest"), "accuracy"]
    assert "ferplus/tiny/PublicTest/macro_f1" in numbers
    assert "What they must not be used for" in (bundle.folder / "MODEL_CARD.md").read_text()


def test_the_model_holds_its_code_and_no_pickle(store):
    folder, _, _ = store
    files = [path for path in (folder / "artifacts").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pyc")]
    assert any(path.match("code/ferkit/bundles/bundle.py") for path in files)
    assert not any("ferkit/bundles/reference/" in str(path) for path in files), (
        "the shipped models are no part of another one"
    )
    content = yaml.safe_load(next(path for path in files if path.name == "MLmodel").read_text())
    assert content["metadata"]["ferkit.git_commit"] == "commit456"
    pinned = next(path for path in files if path.name == "requirements.txt").read_text().split()
    assert sorted(pinned) == sorted(requirements())
    assert all("==" in line and "+" not in line for line in pinned)


def test_the_champion_comes_to_this_machine_once(store, tmp_path):
    found = load_champion(tmp_path)
    assert (found.name, found.version, found.alias, champion_version()) == ("ferkit", "1", "champion", "1")
    assert found.run_id
    marker = found.folder / "marker"
    marker.touch()
    assert load_champion(tmp_path).folder == found.folder
    assert marker.exists()
    assert len(list((tmp_path / "ferkit").iterdir())) == 1


def test_a_model_is_found_by_any_alias_and_version_of_any_name(store, tmp_path):
    """As `ferkit predict --model`, `ferkit export` and `ferkit evaluate` name it."""
    _, client, _ = store
    client.set_registered_model_alias("ferkit-small", "on-phones_2", "1")
    for address, name, alias in (
        ("models:/ferkit@challenger", "ferkit", "challenger"),
        ("models:/ferkit-small@on-phones_2", "ferkit-small", "on-phones_2"),
        ("models:/ferkit-single/1", "ferkit-single", None),
    ):
        parsed = ModelAddress.parse(address)
        assert str(parsed) == address
        found = parsed.load(tmp_path)
        assert (found.name, found.version, found.alias) == (name, "1", alias)
        assert Bundle(found.folder).targets
    for text in ("models:/ferkit", "models:/ferkit/one", "models:/ferkit/1/2", "models:ferkit@a", "ferkit@champion"):
        assert ModelAddress.parse(text) is None
    for address, line in (
        ("models:/ferkit@nobody", r"models:/ferkit@nobody: no such alias; ferkit has chall.* \(version 1\), champ.*\."),
        ("models:/ferkit/99", "ferkit version 99: .*not found"),
        ("models:/other@nobody", "no model is registered as other; `ferkit run` registers"),
        ("models:/other/1", "no model is registered as other; `ferkit run` registers"),
        ("models:/ferkit-small@champion", "no model was promoted yet; `ferkit promote --name ferkit-small` does that"),
    ):
        with pytest.raises(RegistryError, match=line) as raised:
            ModelAddress.parse(address).load(tmp_path)
        assert "\n" not in str(raised.value)


def test_a_registered_model_that_is_none_of_ours_is_told(store, tmp_path):
    _, client, _ = store
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "model.txt").write_text("a model")
    client.create_registered_model("else")
    client.create_model_version("else", source=(tmp_path / "else").as_uri())
    with pytest.raises(
        RegistryError, match=r"files of else version 1: .*No such artifact: 'artifacts/bundle'"
    ) as raised:
        ModelAddress.parse("models:/else/1").load(tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_what_is_not_there_is_told(store, tmp_path, monkeypatch):
    with pytest.raises(RegistryError, match=r"ferkit version 99: .*not found"):
        load_version("99", tmp_path)
    assert champion_version("other") is None
    assert load_champion(tmp_path, "other") is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    assert champion_version() is None
    assert not (tmp_path / "none.db").exists(), "a question makes no database"


def test_a_registry_that_does_not_answer_is_told(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with registry_at("http://127.0.0.1:9"), pytest.raises(RegistryError, match="registered model ferkit: MLflow"):
        champion_version()


def test_it_answers_without_the_checkout(store, bundle, tmp_path):
    folder, _, _ = store
    faces = load(SyntheticSettings(count=200)).of_split("PrivateTest").images[:5]
    colour = np.random.default_rng(0).integers(0, 256, (70, 60, 3), np.uint8)
    np.savez(tmp_path / "pixels.npz", grey=faces, colour=colour)
    (tmp_path / "face.png").write_bytes(encoded(faces[0]))
    (tmp_path / "ask.py").write_text(ASK)
    done = subprocess.run(
        forked_script("ask.py"), cwd=tmp_path, env=environment(folder), capture_output=True, text=True, check=False,
        timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert "code/ferkit" in said["home"]
    expected = bundle.predict(faces, "fer")
    assert [line["picture"] for line in said["lines"]] == list(range(5))
    for lines in (said["lines"], said["tensor"]):
        found = [[line["probabilities"][name] for name in class_names("fer")] for line in lines]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [line["emotion"] for line in said["lines"]] == [class_names("fer")[at] for at in expected.argmax(axis=1)]
    assert said["kinds"][0]["probabilities"] == pytest.approx(said["lines"][0]["probabilities"], abs=1e-5)
    assert said["kinds"][1] == {**said["kinds"][2], "picture": 1}
    assert (said["kinds"][1]["width"], said["kinds"][1]["height"]) == (60, 70)
    taught = bundle.predict(faces, "ferplus", model="tiny")
    found = [[line["probabilities"][name] for name in class_names("ferplus")] for line in said["ferplus"]]
    np.testing.assert_allclose(found, taught, atol=1e-5)
    assert said["nobody"] == []
    assert "not base64" in said["refused"]["text"]
    assert "picture 0: not a picture" in said["refused"]["file"]
    assert "float64 (4, 4), expected whole numbers" in said["refused"]["float"]
    assert "answers for fer, ferplus" in said["refused"]["target"]


def test_mlflow_serves_it(store, bundle, tmp_path):
    folder, _, _ = store
    port = free_port()
    command = forked_script(
        Path(sys.executable).with_name("mlflow"), "models", "serve", "--model-uri", "models:/ferkit@champion",
        *("--env-manager", "local", "--port", port, "--workers", "1"),
    )  # fmt: skip
    # What MLflow starts, too, begins with its libraries imported.
    uvicorn = tmp_path / "bin" / "uvicorn"
    uvicorn.parent.mkdir()
    uvicorn.write_text(f'#!/bin/sh\nexec {shlex.join(forked_script(Path(sys.executable).with_name("uvicorn")))} "$@"\n')
    uvicorn.chmod(0o755)
    face = np.random.default_rng(1).integers(0, 256, (48, 48), np.uint8)
    cells = [base64.b64encode(encoded(face)).decode(), face.tolist()]
    asked = {
        "dataframe_split": {"columns": ["picture"], "data": [[cell] for cell in cells]},
        "params": {"target": "fer"},
    }
    environ = {**environment(folder), "PATH": f"{uvicorn.parent}:{os.environ['PATH']}"}
    with served(command, f"http://127.0.0.1:{port}/ping", environ, tmp_path / "log"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            lines = json.load(answer)["predictions"]
    expected = bundle.predict(face[None], "fer")[0]
    for line in lines:
        np.testing.assert_allclose([line["probabilities"][name] for name in class_names("fer")], expected, atol=1e-5)
    assert [line["picture"] for line in lines] == [0, 1]


def test_the_same_models_are_registered_once_whatever_the_run_is_called(store):
    folder, client, _ = store
    run = toy_run(folder / "run-7", seed=7, targets=[{"name": "fer"}], backbones=[CONFIG["backbones"][1]])
    made = register(run, folder)
    version, model = made["version"].iloc[0], made["model_id"].iloc[0]
    assert register(_renamed(run), folder).equals(made)
    assert str(client.get_registered_model("ferkit").aliases["challenger"]) == version
    client.set_registered_model_alias("ferkit", "champion", version)
    client.delete_registered_model_alias("ferkit", "challenger")
    assert register(_renamed(run), folder).equals(made)
    assert "challenger" not in client.get_registered_model("ferkit").aliases, "the champion is no challenger"
    client.set_registered_model_alias("ferkit", "champion", "1")
    assert version_exists("ferkit", version)
    files = client.get_logged_model(model).artifact_location
    shutil.rmtree(urllib.request.url2pathname(files.removeprefix("file://")))
    assert not version_exists("ferkit", version), "its files are gone"
    again = register(run, folder)["version"].iloc[0]
    assert int(again) > int(version)
    client.delete_model_version("ferkit", again)
    assert not version_exists("ferkit", again)
    assert not version_exists("other", "1")


def test_a_model_that_lacks_a_target_of_the_champion_is_refused_unless_told(store, tmp_path):
    """One network of the run, which learned FER alone, in the place of its ensemble, which answers for FER+, too."""
    _, client, _ = store
    single = client.get_model_version("ferkit-single", "1")
    made = client.create_model_version("ferkit", single.source, single.run_id)
    challenger = find_challenger("ferkit", made.version, tmp_path)
    pictures = Pictures(load(SyntheticSettings(count=240)), EvaluationSettings(bootstrap=100), 0)

    def reasons(**change):
        gate = GateSettings.model_validate({"change": {"require": "not_worse", **change}})
        outcome = promote(challenger, pictures, gate, tmp_path, dry_run=True)
        return [check.reason for check in outcome.verdict.checks if not check.passed]

    line = "the champion answers for ferplus, the challenger does not; allow it with registry.gate.change.may_lack="
    assert f"{line}[ferplus]." in reasons()
    assert not [reason for reason in reasons(may_lack=["ferplus"]) if "ferplus" in reason]
    client.delete_model_version("ferkit", made.version)


def _renamed(run):
    changes = {"name": "other", "resources": Resources(report=ResourceRequest(cpu_count=1))}
    return replace(run, config=run.config.model_copy(update=changes))
