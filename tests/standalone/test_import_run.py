"""A run without ZenML and MLflow, imported into real stores of both."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

from ferkit.cli.commands.import_run import import_run
from ferkit.errors import DataError
from ferkit.standalone.__main__ import main
from ferkit.standalone.folder import RunFolder
from tests.toys.command import forked
from tests.toys.state import prepared_home

ROOT = Path(__file__).parents[2]
TINY = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 240},
    "validation": {"minimum_class": 1},
    "targets": [{"name": "fer"}, {"name": "ferplus"}],
    "backbones": [
        {"name": "fernet", "alias": "j", "width": 4, "depth": 1, "joint": True},
        {"name": "fernet", "alias": "s", "width": 4, "depth": 1, "targets": ["fer"], "teacher": "ensemble"},
    ],
    "training": {"network": {"epochs": 2, "learning_rate": 0.003}},
    "prediction": {"flip": True},
    "evaluation": {"bootstrap": 100},
}


def ferkit(home, *arguments):
    kept = ("FERKIT", "ZENML", "MLFLOW")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(kept)}
    return subprocess.run(
        forked(*arguments), cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT), "FERKIT_HOME": str(home)},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a machine that only trains left behind."""
    root = tmp_path_factory.mktemp("elsewhere")
    config = root / "tiny.yaml"
    config.write_text(yaml.safe_dump(TINY))
    assert main([str(config), "--out", str(root / "out")]) == 0
    return RunFolder(root / "out")


class Imported:
    """The folder, imported twice."""

    def __init__(self, folder, home):
        self.home = home
        self.first = ferkit(home, "import-run", folder.path)
        assert self.first.returncode == 0, self.first.stderr
        self.client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
        experiment = self.client.get_experiment_by_name("ferkit").experiment_id
        runs = self.client.search_runs([experiment], order_by=["attributes.start_time ASC"])
        self.parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
        self.children = {run.info.run_name: run for run in runs if "mlflow.parentRunId" in run.data.tags}
        self.second = ferkit(home, "import-run", folder.path)
        assert self.second.returncode == 0, self.second.stderr


@pytest.fixture(scope="module")
def imported(folder, tmp_path_factory):
    return Imported(folder, prepared_home(tmp_path_factory.mktemp("imported") / "home"))


def test_nothing_is_trained_and_everything_else_happens(imported):
    executed = re.findall(r"^\d\d:\d\d:\d\d  (\w+) \.\.\.$", imported.first.stderr, flags=re.MULTILINE)
    assert {"ingest", "validate", "import_fer_ferplus_j", "import_fer_s", "ensemble_fer", "report"} <= set(executed)
    assert {"evaluate_fer_ferplus_j", "evaluate_fer_s", "evaluate_ferplus_ensemble"} <= set(executed)
    assert not [name for name in executed if name.startswith(("fine_tune", "predict_training", "teach", "distil"))]
    assert " epoch " not in imported.first.stderr
    report = re.search(r"report\s+(\S+report\.html)", imported.first.stdout)
    assert "PrivateTest" in Path(report[1]).read_text()


def test_numbers_are_those_of_the_folder(imported, folder):
    assert "differ from those in" in imported.first.stdout
    assert "by at most 0.0000 in accuracy" in imported.first.stdout
    for target, models in (("fer", ("j", "s", "ensemble")), ("ferplus", ("j", "ensemble"))):
        table = folder.read_evaluations(target).set_index(["model", "subset"])
        for model in models:
            metrics = imported.children[f"{target}/{model}"].data.metrics
            for subset in ("PublicTest", "PrivateTest"):
                for score in ("accuracy", "macro_f1", "log_loss", "pictures"):
                    found = table.loc[(model, subset), score]
                    assert metrics[f"{subset}/{score}"] == pytest.approx(found, abs=1e-5), (target, model, subset)


def test_mlflow_has_curves_settings_and_where_it_was_trained(imported, folder):
    for run, member in (("fer+ferplus/j", "fer+ferplus-j"), ("fer/s", "fer-s")):
        record, history = folder.member(member).read_record(), folder.member(member).read_history()
        child = imported.children[run]
        for curve in ("loss", "val_loss", "learning_rate"):
            logged = imported.client.get_metric_history(child.info.run_id, curve)
            assert [point.value for point in logged] == pytest.approx(history[curve].tolist())
            assert [point.step for point in logged] == history["epoch"].tolist()
        assert child.data.params["network.learning_rate"] == "0.003"
        assert child.data.params["width"] == "4"
        assert child.data.params["training_set_hash"] == ", ".join(record.training_sets.values())
        assert child.data.tags["version.keras"] == record.environment.versions["keras"]
        assert child.data.params["trained_on.backend"] == "tensorflow"
        assert child.data.params["trained_on.precision"] == record.precision
        assert child.data.metrics["best_epoch"] == record.numbers["best_epoch"]
        stored = imported.client.download_artifacts(child.info.run_id, "training/history.csv")
        pd.testing.assert_frame_equal(pd.read_csv(stored), history)
    place = f"{record.environment.device} (tensorflow)"
    assert {run.data.tags["ferkit.imported_from"] for run in (imported.parent, *imported.children.values())} == {place}
    assert place in imported.first.stderr


def test_a_second_import_is_cached(imported):
    assert re.search(r": 0 of \d+ steps executed", imported.second.stdout), imported.second.stdout
    assert re.findall(r"(?m)^  PrivateTest .*$", imported.second.stdout) == re.findall(
        r"(?m)^  PrivateTest .*$", imported.first.stdout
    )


def copy(folder, to):
    shutil.copytree(folder.path, to)
    return RunFolder(to)


def test_other_data_is_refused_with_both_hashes(folder, tmp_path):
    done = ferkit(tmp_path, "import-run", folder.path, "--set", "data.count=200")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert re.search(
        rf"trained on data with the hash {folder.read_record().fingerprint}, .* has [0-9a-f]{{64}}: ", lines[0]
    )
    assert "--set data.path=FOLDER" in lines[0]
    assert not (tmp_path / "mlflow.db").exists()


def test_other_settings_are_refused_by_name(folder):
    with pytest.raises(
        DataError, match=r"fer\+ferplus-j: trained with training\.network\.epochs 2, this run has 3\. Import"
    ):
        import_run(folder.path, ["training.network.epochs=3"])


@pytest.mark.parametrize(
    ("file", "size", "message"),
    [
        ("run.json", None, r"run\.json: missing; run `python -m ferkit\.standalone` on the same"),
        ("trainings/fer-s/member.json", None, r"fer-s/member\.json: missing"),
        ("trainings/fer-s/member.json", 60, r"fer-s/member\.json: damaged \("),
        ("trainings/fer-s/history.csv", None, r"fer-s/history\.csv: missing"),
        ("trainings/fer-s/validation-fer.npz", None, r"validation-fer\.npz: missing"),
        ("trainings/fer-s/validation-fer.npz", 200, r"validation-fer\.npz: damaged \("),
        ("trainings/fer+ferplus-j/network.keras", None, r"network\.keras: missing"),
        ("trainings/fer+ferplus-j/network.keras", 20_000, r"network\.keras: damaged \(.*; copy it again, or delete"),
        ("trainings/fer+ferplus-j", None, r"fer\+ferplus-j/member\.json: missing"),
    ],
)
def test_a_damaged_folder_is_one_line(folder, tmp_path, file, size, message):
    damaged = copy(folder, tmp_path / "copy")
    path = damaged.path / file
    if size is None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=message) as raised:
        import_run(damaged.path, [])
    assert "\n" not in str(raised.value)


def test_a_flipped_bit_in_the_weights_is_found(folder, tmp_path):
    damaged = copy(folder, tmp_path / "copy")
    network = damaged.member("fer-s").network
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)
    with pytest.raises(DataError, match=r"network\.keras: damaged \("):
        import_run(damaged.path, [])


def test_predictions_of_other_pictures_are_refused(folder, tmp_path):
    from ferkit.config.loading import load_config
    from ferkit.sources import load
    from ferkit.standalone.import_member import read_member

    config = load_config(folder.config)
    training = config.trained()[1]
    faces = load(config.data)
    of_record = json.loads((folder.member("fer-s").path / "member.json").read_text())["training_sets"]
    assert list(of_record) == ["fer"]
    with pytest.raises(DataError, match=r"predicts 24 pictures of PublicTest for fer, this run has 23, or others"):
        read_member(
            folder.member("fer-s"), faces.take(faces.row != faces.of_split("PublicTest").row[0]), {},
            training.targets, training.entry.backbone, config.training_of(training.entry), config.seed_of(training),
            config.selection,
        )  # fmt: skip
