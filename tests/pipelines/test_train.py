"""The pipeline as a person runs it: the `ferkit` command on a copy of the checkout, real ZenML and MLflow stores."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.config.run_config import RunConfig
from ferkit.models.ensemble import Ensemble
from ferkit.sources import load
from ferkit.standalone.folder import RunFolder
from ferkit.training.teacher_file import write_teacher_file
from tests.toys.command import forked, forked_script
from tests.toys.services import wait_for

ROOT = Path(__file__).parents[2]
PARTS = ("configs", "ferkit", "materializers", "pipelines", "steps", "pyproject.toml")
TINY = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 400},
    "validation": {"minimum_class": 1},
    "balancing": {"method": "random_over_sampler"},
    "targets": [{"name": "fer"}, {"name": "ferplus"}],
    "backbones": [
        {"name": "fernet", "alias": "a", "width": 4, "depth": 1, "targets": ["fer"]},
        {"name": "fernet", "alias": "j", "width": 4, "depth": 1, "joint": True},
        {"name": "fernet", "alias": "s", "width": 4, "depth": 1, "joint": True, "teacher": "ensemble"},
    ],
    "training": {"network": {"epochs": 1, "learning_rate": 0.003}},
    "ensemble": {"method": "mean"},
    "evaluation": {"bootstrap": 100},
    "resources": {"fine_tune": {"cpu_count": 1, "memory": "2GB"}, "report": {"gpu_count": 0}},
}
TRAININGS = {"fine_tune_fer_a", "fine_tune_fer_ferplus_j", "fine_tune_fer_ferplus_s"}
TEACHING = {
    *("predict_training_fer_a", "predict_training_fer_ferplus_j"),
    *("teach_fer", "teach_ferplus", "distil_fer", "distil_ferplus"),
}
STEPS = 26
# Nothing here depends on what a network can learn.
SMALL = "name: fernet, width: 4, depth: 1"
ONE_NETWORK = f"backbones=[{{{SMALL}, alias: c}}]"
# A member and a student of one target: what the cache goes by, in half of the steps.
TWO_NETWORKS = (
    *("--set", "targets=[{name: fer}]"),
    *("--set", f"backbones=[{{{SMALL}, alias: b}}, {{{SMALL}, alias: p, teacher: ensemble}}]"),
    *("--set", "registry.promote=true"),
    *("--set", "registry.gate.floors={accuracy: 0, macro_f1: 0, recall: 0, expected_calibration_error: 1}"),
)


FILE_ALERTER = """
from pathlib import Path
from zenml.alerter import BaseAlerter, BaseAlerterConfig, BaseAlerterFlavor

class FileAlerter(BaseAlerter):
    def post(self, message=None, params=None):
        with Path("alerts.txt").open("a") as file:
            file.write(f"{message}\\n")
        return True

    def ask(self, question, params=None):
        return False

class FileAlerterFlavor(BaseAlerterFlavor):
    name = "file"
    config_class = BaseAlerterConfig
    implementation_class = FileAlerter
"""


class Checkout:
    """A copy of the project whose code a test may change."""

    def __init__(self, root):
        self.root = root
        self.home = root / ".ferkit"
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                # With the bytecode of what has not changed.
                shutil.copytree(source, root / part)
            else:
                shutil.copy(source, root / part)
        self.config = root / "configs" / "tiny.yaml"
        self.config.write_text(yaml.safe_dump(TINY))
        kept = ("FERKIT", "ZENML", "MLFLOW", "MPLCONFIGDIR", "GX_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(kept)}
        self.environment["PYTHONPATH"] = str(root)

    def ferkit(self, *arguments, **environment):
        return subprocess.run(
            forked(*arguments), cwd=self.root, env={**self.environment, **environment},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500,
        )  # fmt: skip

    def run(self, *arguments, **environment):
        """Run the tiny configuration; the names of the steps that were executed, in order."""
        done = self.ferkit("run", self.config, *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        self.output = done.stdout
        return re.findall(r"^\d\d:\d\d:\d\d  (\w+) \.\.\.$", done.stderr, flags=re.MULTILINE)

    def ask(self, script, *, plain=False, **environment):
        """What `script`, run beside the checkout's ZenML store, writes as JSON on its last line.

        An interpreter of its own runs it if it is to be `plain`.
        """
        path = self.root / "ask.py"
        path.write_text(
            "from ferkit.cli.state.workspace import Workspace\nWorkspace.open().set_environment()\n"
            + textwrap.dedent(script)
        )
        done = subprocess.run(
            [sys.executable, path] if plain else forked_script(path, zenml=True), cwd=self.root,
            env={**self.environment, **environment}, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout in which the tiny configuration ran once."""
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    # In the same fresh folder of state at the same moment.
    with subprocess.Popen(
        forked("stack", "list"), cwd=made.root, env=made.environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as beside:  # fmt: skip
        made.first = made.run()
        made.first_output = made.output
        made.beside = beside.communicate(timeout=60)[0], beside.returncode
    return made


def test_a_run_executes_every_step_and_prints_every_model(checkout):
    assert len(checkout.first) == STEPS
    assert set(checkout.first) >= {"ingest", "validate", "drop_non_faces", "report", *TRAININGS, *TEACHING}
    for model in ("fer/a", "fer/j", "fer/ensemble", "fer/s", "ferplus/j", "ferplus/ensemble", "ferplus/s"):
        assert model in checkout.first_output
    for subset in ("PublicTest", "PrivateTest", "no duplicates", "FER+ majority_7"):
        assert subset in checkout.first_output
    assert f"{STEPS} of {STEPS} steps executed" in checkout.first_output
    folder = Path(re.search(r"report\s+(\S+)report\.html", checkout.first_output)[1])
    assert "PrivateTest" in (folder / "report.html").read_text()
    assert "ferplus/s (joint student)" in (folder / "report.md").read_text()
    assert {path.name for path in folder.glob("figures/*_curves.png")} == {
        "fer_a_curves.png", "fer_ferplus_j_curves.png", "fer_ferplus_s_curves.png",
    }  # fmt: skip


def test_two_commands_may_make_the_stores_at_once(checkout):
    output, status = checkout.beside
    assert status == 0, output
    assert output.startswith("default  orchestrator local")
    assert "Traceback" not in output


def test_all_state_lies_in_the_checkout(checkout):
    assert {"zenml", "mlflow.db", "mlartifacts", "artifacts", "reports"} <= {
        path.name for path in checkout.home.iterdir()
    }
    assert not list((checkout.home / "checkpoints").glob("*/*/state"))


@pytest.fixture(scope="module")
def stored(checkout):
    """What ZenML's store says of the first run: its artifacts, their ids, and the resources of its steps.

    And which large libraries ZenML has imported once it has looked for materializers, and from which packages it takes
    modules with its way to look them up and with ours.
    """
    return checkout.ask(
        """
        import json, sys
        from zenml.client import Client
        from zenml.integrations.registry import integration_registry
        from ferkit.cli.zenml_shortcuts import shorten_zenml
        from zenml.utils import source_utils
        modules = ("pandas.core.frame", "yaml.loader", "nowhere")
        looked_up = [[source_utils._get_package_for_module(each) for each in modules]]
        shorten_zenml()
        looked_up.append([source_utils._get_package_for_module(each) for each in modules])
        integration_registry.activate_integrations()
        imported = sorted({"keras", "sklearn", "tensorflow"} & set(sys.modules))
        run = Client().list_pipeline_runs(sort_by="asc:created", size=1, hydrate=True).items[0]
        found, ids = [], {}
        for step in run.steps.values():
            for versions in step.outputs.values():
                for v in versions:
                    shown = len(v.visualizations or [])
                    ids[str(v.id)] = v.name
                    found.append((v.name, v.materializer.import_path, v.content_hash, v.uri, shown))
        of = {name: step.config.resource_settings for name, step in run.steps.items()}
        asked = {name: [each.cpu_count, each.gpu_count, each.memory] for name, each in of.items()}
        told = {"artifacts": found, "ids": ids, "resources": asked, "imported": imported, "packages": looked_up}
        print(json.dumps(told))
        """,
        plain=True,
    )


def test_zenml_imports_no_library_for_a_run_that_is_cached(stored):
    assert not stored["imported"]
    ours, by_itself = stored["packages"][::-1]
    assert ours == by_itself == ["pandas", "PyYAML", None]


def test_every_artifact_has_a_name_a_hash_and_a_materializer_of_ours(stored):
    artifacts = stored["artifacts"]
    names = {name for name, *_ in artifacts}
    assert names >= {
        *("faces_ingested", "faces_validated", "faces_cleaned", "manifest", "fer_training_set", "fer_a_model"),
        *(
            "fer_ferplus_j_model",
            "fer_ferplus_j_history",
            "fer_ferplus_j_public",
            "fer_ferplus_j_training",
            "fer_teacher",
        ),
        *("ferplus_distilled_set", "ferplus_ensemble_evaluation", "fer_ensemble", "report", "results"),
    }
    for name, materializer, digest, uri, _ in artifacts:
        assert name == "data_docs" or materializer.startswith("materializers."), (name, materializer)
        assert name == "data_docs" or digest, name
        assert not [path for path in Path(uri).rglob("*") if path.suffix in (".pkl", ".pickle")], name
    shown = {name: count for name, *_, count in artifacts}
    assert shown["faces_cleaned"]
    assert shown["fer_a_evaluation"]
    assert shown["report"]


def test_every_step_carries_the_resources_of_the_config(stored):
    asked = stored["resources"]
    for name in TRAININGS:
        assert asked[name] == [1, None, "2GB"]
    assert asked["report"] == [None, 0, None]
    assert asked["ingest"] == [None, None, None]


def test_mlflow_has_one_parent_and_a_child_a_network(checkout):
    client = mlflow.MlflowClient(f"sqlite:///{checkout.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ferkit")
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.info.run_name for run in children) == [
        "fer+ferplus/j", "fer+ferplus/s", "fer/a", "fer/ensemble", "fer/j", "fer/s", "ferplus/ensemble", "ferplus/j",
        "ferplus/s",
    ]  # fmt: skip
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in (parent, *children):
        assert {
            "ferkit.config",
            "ferkit.config_hash",
            "ferkit.data_hash",
            "ferkit.git_commit",
            "ferkit.seed",
        } <= set(run.data.tags)
    network = next(run for run in children if run.info.run_name == "fer/a")
    assert network.data.params.items() >= {"backbone": "fernet", "network.learning_rate": "0.003", "width": "4"}.items()
    assert {"seed", "training_set_hash"} <= set(network.data.params)
    assert "version.keras" in network.data.tags
    assert len(client.get_metric_history(network.info.run_id, "val_accuracy")) == 1
    assert {"pictures_per_second", "PrivateTest/accuracy", "PrivateTest/pictures"} <= set(network.data.metrics)
    joint = next(run for run in children if run.info.run_name == "fer+ferplus/j")
    assert {"val_accuracy/fer", "val_accuracy/ferplus", "pictures_per_second"} <= set(joint.data.metrics)
    assert joint.data.params["training_set_hash"].count(",") == 1
    assert "PrivateTest/accuracy" in next(run for run in children if run.info.run_name == "ferplus/j").data.metrics
    assert parent.data.params["j.joint"] == "True"
    vote = next(run for run in children if run.info.run_name == "fer/ensemble")
    for name, subset in (("public", "PublicTest/no duplicates"), ("private", "PrivateTest")):
        assert parent.data.metrics[f"{name}_accuracy"] == vote.data.metrics[f"{subset}/accuracy"]
    assert "| fer/ensemble |" in parent.data.tags["mlflow.note.content"]
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.sharedViewState.ferkit-runs"]
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"report", "validation", "cleaning", "balancing"} <= files
    assert {file.path for file in client.list_artifacts(network.info.run_id)} >= {"evaluation", "training"}
    assert {file.path for file in client.list_artifacts(parent.info.run_id, "cleaning")} == {
        "cleaning/manifest.csv",
        "cleaning/found.png",
    }
    assert network.info.artifact_uri.startswith((checkout.home / "mlartifacts").as_uri())


def test_a_training_has_its_data_its_model_and_what_the_machine_did(checkout):
    client = mlflow.MlflowClient(f"sqlite:///{checkout.home / 'mlflow.db'}")
    place = client.get_experiment_by_name("ferkit").experiment_id
    runs = {each.info.run_name: each for each in client.search_runs([place], "attributes.status = 'FINISHED'")}
    contexts = {each.dataset.name: each.tags[0].value for run in runs.values() for each in run.inputs.dataset_inputs}
    assert contexts == {
        **{f"synthetic Training{end}": "training" for end in ("", ", fer", ", ferplus")},
        "synthetic PublicTest": "validation",
        "synthetic PrivateTest": "test",
    }
    found = client.search_runs([place], "dataset.name = 'synthetic PublicTest' and dataset.context = 'validation'")
    assert {each.info.run_id for each in found} == {each.info.run_id for each in runs.values()}
    joint, network = (client.get_run(runs[name].info.run_id) for name in ("fer+ferplus/j", "fer/a"))
    for run, judged in ((joint, ("fer/j", "ferplus/j")), (network, ("fer/a",))):
        (output,) = run.outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        assert (model.name, model.model_type) == (run.info.run_name.partition("/")[2], "fernet")
        assert model.params["network.epochs"] == "1"
        accuracies = [each for each in model.metrics if each.key == "PrivateTest/accuracy"]
        assert {each.dataset_name for each in accuracies} == {"synthetic PrivateTest"}
        assert {each.run_id for each in accuracies} == {runs[name].info.run_id for name in judged}
        assert run.data.metrics["system/cpu_utilization_percentage"] >= 0


def test_the_ensemble_is_registered_with_its_lineage(checkout, stored):
    client = mlflow.MlflowClient(f"sqlite:///{checkout.home / 'mlflow.db'}")
    assert str(client.get_registered_model("ferkit").aliases["challenger"]) == "1"
    version = client.get_model_version("ferkit", "1")
    run = client.get_run(version.run_id)
    assert "mlflow.parentRunId" not in run.data.tags
    assert version.tags["ferkit.pipeline_run"].startswith("tiny-")
    artifacts = json.loads(version.tags["ferkit.artifacts"])
    assert {"faces_cleaned", "fer_a_model", "fer_ferplus_j_model", "fer_ensemble", "fer_ferplus_s_evaluation"} <= set(
        artifacts
    )
    assert stored["ids"][artifacts["fer_a_model"]] == "fer_a_model"


def test_a_run_without_zenml_comes_to_the_same_numbers(checkout, tmp_path):
    alone = checkout.root / "alone.py"
    alone.write_text("import sys\nfrom ferkit.standalone.__main__ import main\nsys.exit(main(sys.argv[1:]))\n")
    done = subprocess.run(
        forked_script(alone, checkout.config, "--out", tmp_path), cwd=checkout.root,
        env=checkout.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path)
    checkout.ask(
        f"""
        import json
        from zenml.client import Client
        # What an artifact is read with lies in the checkout.
        Workspace.open().activate_stack()
        run = Client().list_pipeline_runs(sort_by="asc:created", size=1, hydrate=True).items[0]
        for step in run.steps.values():
            for name, versions in step.outputs.items():
                if name.endswith(("_history", "results")):
                    versions[0].load().to_csv("{tmp_path}/" + name + ".csv", index=False)
                if name.endswith("_ensemble"):
                    open("{tmp_path}/" + name + ".json", "w").write(versions[0].load().to_json())
        print(json.dumps(None))
        """
    )
    results = pd.read_csv(tmp_path / "results.csv")
    for target in ("fer", "ferplus"):
        alone = folder.read_evaluations(target)
        # The table of all targets has the recalls of the first one's classes first.
        here = results[results["target"] == target][alone.columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(here, alone, rtol=1e-6)
        assert Ensemble.from_json((tmp_path / f"{target}_ensemble.json").read_text()) == folder.read_ensemble(target)
    for member in ("fer-a", "fer+ferplus-j", "fer+ferplus-s"):
        curves = pd.read_csv(tmp_path / f"{re.sub('[+-]', '_', member)}_history.csv")
        pd.testing.assert_frame_equal(
            *(each.drop(columns="pictures_per_second") for each in (curves, folder.member(member).read_history())),
            rtol=1e-6,
        )


def test_a_second_run_executes_nothing(checkout):
    before = {path: path.stat().st_size for path in checkout.home.rglob("*") if path.is_file()}
    assert checkout.run() == []
    after = {path: path.stat().st_size for path in checkout.home.rglob("*") if path.is_file()}
    assert sum(size - before.get(path, 0) for path, size in after.items()) < 500_000
    assert f"0 of {STEPS} steps executed" in checkout.output
    assert re.findall(r"(?m)^  PrivateTest .*$", checkout.output) == re.findall(
        r"(?m)^  PrivateTest .*$", checkout.first_output
    )


def test_a_cached_run_has_children_that_lead_to_where_they_were_executed(checkout):
    client = mlflow.MlflowClient(f"sqlite:///{checkout.home / 'mlflow.db'}")
    place = [client.get_experiment_by_name("ferkit").experiment_id]
    first, second = client.search_runs(
        place,
        "tags.`ferkit.config` = 'tiny' and tags.`ferkit.member` IS NULL",
        order_by=["attributes.start_time ASC"],
        max_results=2,
    )
    one, other = (
        {
            each.data.tags["ferkit.member"]: client.get_run(each.info.run_id)
            for each in client.search_runs(place, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        }
        for run in (first, second)
    )
    assert one.keys() == other.keys()
    assert second.info.status == "FINISHED"
    assert second.data.params == first.data.params
    assert second.data.metrics.items() <= first.data.metrics.items()
    assert second.data.metrics.keys() >= {"public_accuracy", "private_accuracy", "ferplus_public_accuracy"}
    for member, copy in other.items():
        assert copy.data.params == one[member].data.params
        assert copy.data.metrics.items() <= one[member].data.metrics.items()
        assert copy.data.tags["ferkit.executed_in"] == first.info.run_name
        assert one[member].info.run_id in copy.data.tags["mlflow.note.content"]
        assert [each.model_id for each in copy.outputs.model_outputs] == [
            each.model_id for each in one[member].outputs.model_outputs
        ]
    assert other["fer/a"].data.metrics.keys() >= {"public_accuracy", "private_accuracy", "val_accuracy", "best_epoch"}


@pytest.fixture(scope="module")
def two_networks(checkout):
    """The checkout after a run of the two networks, at whose end the gate was asked."""
    checkout.of_two = checkout.run(*TWO_NETWORKS)
    return checkout


def test_the_gate_is_asked_at_the_end_of_a_run_if_the_configuration_says_so(two_networks):
    assert {"fine_tune_fer_b", "teach_fer", "distil_fer", "fine_tune_fer_p", "promote"} <= set(two_networks.of_two)
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    assert str(client.get_registered_model("ferkit").aliases["champion"]) == "2"
    assert two_networks.run(*TWO_NETWORKS) == ["promote"], "the champion may have changed"


def test_a_plan_says_what_would_run_and_why_and_runs_nothing(two_networks):
    def planned(*arguments):
        done = two_networks.ferkit("run", two_networks.config, *TWO_NETWORKS, "--plan", *arguments, COLUMNS="200")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = re.findall(r"(?m)^(\w+) +(cached|runs|follows) *(.*?) *$", done.stdout)
        return {name: f"{action} {why}".strip() for name, action, why in lines}

    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    runs = len(client.search_runs([client.get_experiment_by_name("ferkit").experiment_id]))
    unchanged = planned()
    assert set(unchanged.values()) == {"cached", "runs never taken from the cache"}
    assert unchanged["promote"].startswith("runs")
    changed = planned(
        "--set", "backbones.p.training.network.learning_rate=0.005", "--no-cache", "ingest", "--set", "name=new"
    )
    assert changed["ingest"] == "runs --no-cache"
    assert changed["validate"] == "follows ingest"
    rate = planned("--set", "backbones.p.training.network.learning_rate=0.005")
    assert rate["fine_tune_fer_p"] == "runs settings.network.learning_rate 0.005, before 0.003"
    assert rate["evaluate_fer_p"] == "follows fine_tune_fer_p, predict_public_fer_p"
    weight = planned("--set", "distillation.weight=0.5")
    assert weight["distil_fer"] == "runs settings.weight 0.5, before 0.7"
    assert {name for name, why in weight.items() if why.startswith("follows")} == {
        *("fine_tune_fer_p", "predict_public_fer_p", "evaluate_fer_p", "register", "report"),
    }, "the teacher is asked nothing anew"
    (two_networks.root / "b.h5").write_bytes(b"other weights")
    weights = planned("--set", "backbones.b.weights=b.h5")["fine_tune_fer_b"]
    assert re.fullmatch(
        r'runs backbone.weights "b.h5", before "pretrained", weights_hash "[0-9a-f]+\.\.\., before ""', weights
    )
    (two_networks.root / "imbalanced_learn-99.dist-info").mkdir()
    (two_networks.root / "imbalanced_learn-99.dist-info" / "METADATA").write_text(
        "Name: imbalanced-learn\nVersion: 99\n"
    )
    upgraded = planned()
    shutil.rmtree(two_networks.root / "imbalanced_learn-99.dist-info")
    assert upgraded["oversample_fer"] == "runs the code of ferkit that it uses, or the version of a package"
    assert upgraded["fine_tune_fer_b"] == "follows oversample_fer"
    assert upgraded["ingest"] == "cached"
    assert len(client.search_runs([client.get_experiment_by_name("ferkit").experiment_id])) == runs


def test_other_names_and_requests_re_run_nothing_and_stand_on_the_report(two_networks):
    names = ("name=other", "experiment=elsewhere", "resources.report.cpu_count=1", "backbones.p.resources.cpu_count=1")
    changes = (word for change in names for word in ("--set", change))
    executed = two_networks.run(*TWO_NETWORKS, *changes, "--no-cache", "drop_non_faces")
    assert set(executed) == {"drop_non_faces", "promote"}, "it makes what it made before, the gate is always asked"
    page = Path(re.search(r"report\s+(\S+report\.html)", two_networks.output)[1])
    assert "<h1>ferkit run: other-" in page.read_text()
    assert page.with_name("report.md").read_text().startswith("# ferkit run: other-")


def test_models_are_registered_again_when_they_are_gone(two_networks):
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    assert {str(each.version) for each in client.search_model_versions("name = 'ferkit'")} == {"1", "2"}
    client.delete_model_version("ferkit", "2")
    assert set(two_networks.run(*TWO_NETWORKS)) == {"register", "promote"}
    assert str(client.get_registered_model("ferkit").aliases["champion"]) == "3"


def test_a_copy_of_the_state_keeps_the_cache_and_the_same_models_are_registered_once(two_networks, tmp_path):
    copy, hidden = tmp_path / "copy", two_networks.home.with_name("hidden")
    shutil.copytree(two_networks.home, copy)
    two_networks.home.rename(hidden)
    try:
        # The registry lies elsewhere now: it is asked, and has the models already.
        assert two_networks.run(*TWO_NETWORKS, FERKIT_HOME=str(copy)) == ["register", "promote"]
        client = mlflow.MlflowClient(f"sqlite:///{copy / 'mlflow.db'}")
        assert {str(each.version) for each in client.search_model_versions("name = 'ferkit'")} == {"1", "3"}
        assert not two_networks.home.exists(), "nothing is written to where it was copied from"
    finally:
        hidden.rename(two_networks.home)
    shutil.rmtree(copy)


def test_another_learning_rate_of_one_backbone_re_runs_that_and_what_follows(two_networks):
    executed = two_networks.run(*TWO_NETWORKS, "--set", "backbones.p.training.network.learning_rate=0.005")
    assert set(executed) == {
        "fine_tune_fer_p",
        "predict_public_fer_p",
        "evaluate_fer_p",
        "register",
        "report",
        "promote",
    }


def test_other_views_or_another_weight_of_the_teacher_train_no_member(two_networks):
    executed = set(two_networks.run(*TWO_NETWORKS, "--set", "prediction.flip=true", "--set", "distillation.weight=0.5"))
    assert executed >= {f"{step}_fer_{label}" for step in ("predict_public", "evaluate") for label in "bp"}
    assert executed >= {"teach_fer", "distil_fer", "fine_tune_fer_p", "ensemble_fer", "evaluate_fer_ensemble", "report"}
    assert not executed & {"fine_tune_fer_b", "ingest", "oversample_fer"}


def test_a_member_that_is_taught_by_stored_answers_votes(two_networks, tmp_path):
    faces = load(RunConfig.model_validate(TINY).data).of_split("Training")
    answers = np.random.default_rng(0).dirichlet(np.ones(7), len(faces))
    taught = (*TWO_NETWORKS, "--set", f"backbones.b.teacher={tmp_path / 'answers.npz'}")
    without = two_networks.ferkit("run", two_networks.config, *taught)
    assert without.stderr.splitlines()[-1] == (
        f"ferkit: backbones.b.teacher {tmp_path / 'answers.npz'}: cannot be read (No such file or directory)."
    )
    write_teacher_file(tmp_path / "answers.npz", faces.images, {"fer": answers})
    executed = set(two_networks.run(*taught))
    assert executed >= {"read_teacher_fer_b", "distil_fer_b", "fine_tune_fer_b", "ensemble_fer", "teach_fer"}
    assert "oversample_fer" not in executed
    write_teacher_file(tmp_path / "answers.npz", faces.images[5:], {"fer": answers[5:]})
    checked = two_networks.ferkit("run", two_networks.config, *taught, "--check")
    assert checked.returncode == 1
    # Cleaning leaves one of the five out, and twenty of all.
    assert "4 of 300 training pictures are not in the file" in checked.stderr
    assert len(checked.stderr.strip().splitlines()) == 1


def test_a_changed_function_of_ferkit_re_runs_the_steps_that_reach_it(two_networks):
    path = two_networks.root / "ferkit" / "models" / "ensemble.py"
    path.write_text(path.read_text() + "\n\ndef _new() -> int:\n    return 1\n")
    executed = set(two_networks.run(*TWO_NETWORKS))
    assert {"ensemble_fer", "report"} <= executed
    assert not executed & {"ingest", "validate", "drop_non_faces", "oversample_fer", "fine_tune_fer_b"}


def test_data_that_is_not_fit_stops_the_run_with_a_line_a_problem_and_trains_nothing(checkout):
    (checkout.root / "file_alerter.py").write_text(FILE_ALERTER)
    stack = checkout.root / "alerting.yaml"
    alerter = {"flavor": "file", "flavor_source": "file_alerter.FileAlerterFlavor"}
    stack.write_text(yaml.safe_dump({"name": "alerting", "orchestrator": {"flavor": "local"}, "alerter": alerter}))
    done = checkout.ferkit(
        *(
            "run",
            checkout.config,
            "--set",
            "validation.minimum_training=9999",
            "--set",
            "validation.maximum_constant=0",
        ),
        *("--stack", stack),
    )
    assert done.returncode == 1
    (alert,) = (checkout.root / "alerts.txt").read_text().splitlines()
    assert re.match(r"tiny-\S+: validate failed: Training pictures: 320, expected at least 9,999\. ", alert)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ferkit: ")]
    assert lines[0] == "ferkit: Training pictures: 320, expected at least 9,999."
    assert lines[1].startswith("ferkit: constant pictures: ")
    assert lines[-1] == "ferkit: The data is not fit to train on; nothing was trained."
    assert "Traceback" not in done.stderr
    assert "epoch" not in done.stderr
    assert "fine_tune_fer_a is skipped" in done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{checkout.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ferkit")
    failed = client.search_runs([experiment.experiment_id], "attributes.status = 'FAILED'")
    assert [file.path for file in client.list_artifacts(failed[0].info.run_id, "validation")] == [
        "validation/data_docs.html"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "configs/tiny.yml"), "configs/tiny.yml: no such file. Configurations in configs/: configs/fer2013"),
        (("run", "configs/tiny.yaml", "--set", "trainig.epochs=1"), "trainig: unknown key; did you mean training?"),
        (("run", "configs/fer2013.yaml"), "data: no fer2013.csv or icml_face_data.csv there. Run `ferkit data"),
        (("run", "configs/tiny.yaml", "--set", "cleaning.exclude=no.csv"), "cleaning.exclude no.csv: cannot be read"),
        (("run", "--no-cache", "configs/tiny.yaml", "--check"), "--check runs nothing and asks no cache"),
        (("run", "configs/tiny.yaml", "--no-cache", "fin_tune", "--plan"), "did you mean 'fine_tune'?"),
    ],
)  # fmt: skip
def test_a_mistake_ends_the_command_with_one_line(checkout, arguments, message):
    done = checkout.ferkit(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("ferkit: ")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_report_writes_the_last_run_and_names_the_runs_that_there_are(checkout, tmp_path):
    done = checkout.ferkit("report", "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
    missing = checkout.ferkit("report", "no-such-run")
    assert missing.returncode == 1
    assert "no run 'no-such-run'; the last ones are tiny-" in missing.stderr


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A folder of state on a disk of 4 MB, and why there is none: a folder as others are then."""
    home = tmp_path_factory.mktemp("small")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "ferkit", home], capture_output=True, text=True, check=False
    )
    yield home, mounted.stderr.strip() if mounted.returncode else ""
    if not mounted.returncode:
        subprocess.run(["umount", "-l", home], check=True)


LONG = (
    *("--set", "training.network.epochs=4"),
    *("--set", "targets=[{name: fer}]"),
    *("--set", ONE_NETWORK),
)


def test_a_full_disk_is_told_in_a_line(checkout, small_disk):
    home, why = small_disk
    if why:
        pytest.skip(f"no small file system can be mounted here: {why}")
    done = checkout.ferkit("run", checkout.config, *LONG, FERKIT_HOME=str(home))
    assert done.returncode == 1
    assert "ferkit: the disk is full" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,size=400m", home], check=True)


def test_a_later_run_goes_on_and_so_does_a_training_that_was_killed(checkout, small_disk):
    home, _ = small_disk
    command, environment = ("run", checkout.config, *LONG), {"FERKIT_HOME": str(home)}
    running = subprocess.Popen(
        forked(*command), cwd=checkout.root, env={**checkout.environment, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    checkpoints = home / "checkpoints" / "fer-c"
    wait_for(lambda: list(checkpoints.glob("*/state/progress.json")) or running.poll() is not None)
    (record,) = (home / "running").glob("*.json")
    process = json.loads(record.read_text())["process"]
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    wait_for(lambda: not Path(f"/proc/{process}").exists())
    done = checkout.ferkit(*command, **environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"c goes on after epoch \d", done.stderr)
    assert "fine_tune_fer_c ..." in done.stderr
    assert "c network epoch 1/4" not in done.stderr
    assert "of 11 steps executed" in done.stdout
    # Nobody works on the first one any more, which could not say so itself.
    assert re.search(
        rf"^ferkit: run tiny-\S+ was cut off \(process {process} is gone\): closed\.$", done.stderr, re.MULTILINE
    )
    states = checkout.ask(
        """
        import json
        from zenml.client import Client
        runs = Client().list_pipeline_runs(sort_by="desc:created", size=2, hydrate=True).items
        print(json.dumps([[run.status, *{step.status for step in run.steps.values() if not step.status.is_finished}]
                          for run in runs]))
        """,
        **environment,
    )
    assert states == [["completed"], ["failed"]], "and so are its steps"
    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ferkit").experiment_id
    assert not client.search_runs([experiment], "attributes.status = 'RUNNING'")
    assert client.search_runs([experiment], "attributes.status = 'KILLED'")
    assert not list((home / "running").iterdir())


def test_two_runs_are_compared_and_what_no_other_run_has_is_removed(two_networks):
    names = re.compile(r"(?m)^(tiny-\S+) +completed +(\d+) of")
    listed = two_networks.ferkit("runs", "list", "--limit", "50", COLUMNS="160")
    assert listed.returncode == 0, listed.stderr
    runs = [name for name, _ in names.findall(listed.stdout)]
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    place = [client.get_experiment_by_name("ferkit").experiment_id]
    rates = {
        each.info.run_name: each.data.params["p.network.learning_rate"]
        for each in client.search_runs(place, "params.`p.network.learning_rate` = '0.005'", max_results=500)
    }
    (changed,) = [name for name in runs if name in rates]
    before = runs[runs.index(changed) + 1]
    compared = two_networks.ferkit("runs", "compare", before, changed, COLUMNS="160")
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"(?m)^p\.network\.learning_rate +- +0\.005 *$", compared.stdout)
    lines = re.findall(r"(?m)^(fer/\w+) +(P\w+Test) +(\d+) +([\d.]+) +([\d.]+) +([+-][\d.]+) ", compared.stdout)
    assert {(model, split) for model, split, *_ in lines} == {
        (f"fer/{model}", split) for model in ("b", "ensemble", "p") for split in ("PublicTest", "PrivateTest")
    }
    for model, split, _, first, second, difference in lines:
        for name, value in ((before, first), (changed, second)):
            found = client.search_runs(
                place, f"tags.`ferkit.member` = '{model}' and metrics.`{split}/accuracy` >= 0", max_results=500
            )
            of_run = [
                each for each in found if client.get_run(each.data.tags["mlflow.parentRunId"]).info.run_name == name
            ]
            assert not of_run or float(value) == pytest.approx(
                100 * of_run[0].data.metrics[f"{split}/accuracy"], abs=0.01
            )
        assert float(difference) == pytest.approx(float(second) - float(first), abs=0.011)
    refused = two_networks.ferkit("runs", "remove", runs[-1])
    assert refused.returncode == 1
    assert re.fullmatch(
        rf"ferkit: {runs[-1]}: \S+.* has results of it; name it, too, or leave both\.\n", refused.stderr
    )
    pruned = two_networks.ferkit("runs", "prune", "--keep", "1", COLUMNS="160")
    assert pruned.returncode == 0, pruned.stderr
    count = int(re.search(r"(?m)^(\d+) runs? removed, [\d.]+ MB of files", pruned.stdout)[1])
    # A run of another test lies in an experiment of its own.
    everywhere = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(everywhere, "tags.`ferkit.member` IS NULL", max_results=500)
    left = {each.info.run_name for each in found}
    assert len(left & set(runs)) == len(runs) - count
    assert runs[0] in left
    assert set(re.findall(r"(?m)^(\S+) stays: ", pruned.stdout)) <= left
    assert not {path.name for path in (two_networks.home / "reports").iterdir()} - left - {"other"}
    assert two_networks.run(*TWO_NETWORKS) == ["promote"], "what the newest run is made of is all there"
