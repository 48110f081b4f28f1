"""The pipeline as a person runs it: the `ferkit` command on a copy of the checkout, real ZenML and MLflow stores."""

import json
import re
import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from ferkit.models.ensemble import Ensemble
from ferkit.standalone.folder import RunFolder
from tests.toys.checkout import Checkout, first_run
from tests.toys.command import forked_script

TRAININGS = {"fine_tune_fer_a", "fine_tune_fer_ferplus_j", "fine_tune_fer_ferplus_s"}
TEACHING = {
    *("predict_training_fer_a", "predict_training_fer_ferplus_j"),
    *("teach_fer", "teach_ferplus", "distil_fer", "distil_ferplus"),
}
STEPS = 26


@pytest.fixture(scope="module")
def checkout():
    """A checkout in which the tiny configuration ran once."""
    run = first_run()
    made = Checkout(Path(run.root))
    made.first, made.first_output, made.beside = run.steps, run.output, run.beside
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
def stored(checkout, tmp_path_factory):
    """What ZenML's store says of the first run: its artifacts, their ids, the resources of its steps, tags, metadata.

    And a folder with its tables and votes.
    """
    folder = tmp_path_factory.mktemp("stored")
    told = checkout.ask(
        f"""
        import json
        from zenml.client import Client
        # What an artifact is read with lies in the checkout.
        Workspace.open().activate_stack()
        run = Client().list_pipeline_runs(sort_by="asc:created", size=1, hydrate=True).items[0]
        found, ids = [], {{}}
        for step in run.steps.values():
            for name, versions in step.outputs.items():
                for v in versions:
                    shown = len(v.visualizations or [])
                    ids[str(v.id)] = v.name
                    found.append((v.name, v.materializer.import_path, v.content_hash, v.uri, shown))
                if name.endswith(("_history", "results")):
                    versions[0].load().to_csv("{folder}/" + name + ".csv", index=False)
                if name.endswith("_ensemble"):
                    open("{folder}/" + name + ".json", "w").write(versions[0].load().to_json())
        of = {{name: step.config.resource_settings for name, step in run.steps.items()}}
        asked = {{name: [each.cpu_count, each.gpu_count, each.memory] for name, each in of.items()}}
        tags = sorted(each.name for each in run.tags)
        print(json.dumps(
            {{"artifacts": found, "ids": ids, "resources": asked, "tags": tags, "metadata": dict(run.run_metadata)}}
        ))
        """
    )
    return {**told, "folder": folder}


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


def test_zenml_has_the_tags_and_the_numbers_of_a_run(stored):
    metadata, results = stored["metadata"], pd.read_csv(stored["folder"] / "results.csv")
    assert stored["tags"] == ["synthetic", "tiny"]
    lines = results.query("target == 'fer' and model == 'ensemble'").set_index("subset")
    for split, subset in (("public", "PublicTest, no duplicates"), ("private", "PrivateTest")):
        assert metadata[f"{split}_accuracy"] == pytest.approx(lines.loc[subset, "accuracy"])
    assert {"mlflow_run_id", "mlflow_experiment", "data_hash", "git_commit", "seed"} <= set(metadata)


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


def test_a_run_without_zenml_comes_to_the_same_numbers(checkout, stored, tmp_path):
    alone = checkout.root / "alone.py"
    alone.write_text("import sys\nfrom ferkit.standalone.__main__ import main\nsys.exit(main(sys.argv[1:]))\n")
    done = subprocess.run(
        forked_script(alone, checkout.config, "--out", tmp_path), cwd=checkout.root,
        env=checkout.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path)
    results = pd.read_csv(stored["folder"] / "results.csv")
    for target in ("fer", "ferplus"):
        alone = folder.read_evaluations(target)
        # The table of all targets has the recalls of the first one's classes first.
        here = results[results["target"] == target][alone.columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(here, alone, rtol=1e-6)
        assert Ensemble.from_json((stored["folder"] / f"{target}_ensemble.json").read_text()) == folder.read_ensemble(
            target
        )
    for member in ("fer-a", "fer+ferplus-j", "fer+ferplus-s"):
        curves = pd.read_csv(stored["folder"] / f"{re.sub('[+-]', '_', member)}_history.csv")
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


def test_report_writes_the_last_run_and_names_the_runs_that_there_are(checkout, tmp_path):
    done = checkout.ferkit("report", "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
    missing = checkout.ferkit("report", "no-such-run")
    assert missing.returncode == 1
    assert "no run 'no-such-run'; the last ones are tiny-" in missing.stderr
