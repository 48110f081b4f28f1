"""`python -m ferkit.standalone`: real processes and real networks, killed, continued, and read back."""

import contextlib
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.cli.evaluated.models import evaluated_models
from ferkit.config.loading import load_config
from ferkit.data.dataset import FaceDataset
from ferkit.environment import Environment
from ferkit.errors import ConfigError, DataError, WeightsError
from ferkit.evaluation.side_by_side import judge_models
from ferkit.models.ensemble import Ensemble, combine
from ferkit.preparation.quarantine import without_quarantined
from ferkit.preparation.validation import validate
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.sources import fingerprint, load
from ferkit.standalone.__main__ import main
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.members import RunData, RunMembers, read_data
from ferkit.training.execution import precision_of
from tests.toys.command import forked_script
from tests.toys.services import wait_for

ROOT = Path(__file__).parents[2]
# What a machine that only trains does not have; importing it there would end the run. A process that is forked from one
# that has it is as if that had not.
ABSENT = ("zenml", "mlflow", "great_expectations", "typer", "flask", "matplotlib")
BARE = f"""
import runpy, sys
for name in [each for each in sys.modules if each.partition(".")[0] in {ABSENT}]:
    del sys.modules[name]
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: this machine only trains", name=name)
sys.meta_path.insert(0, Absent())
sys.argv[0] = "ferkit.standalone"
runpy.run_module("ferkit.standalone", run_name="__main__")
"""
TINY = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 240},
    "validation": {"minimum_class": 1},
    "balancing": {"method": "random_over_sampler"},
    "targets": [{"name": "fer"}, {"name": "ferplus"}],
    "backbones": [
        {"name": "fernet", "alias": "j", "width": 4, "depth": 1, "joint": True},
        {
            "name": "fernet",
            "alias": "s",
            "width": 4,
            "depth": 1,
            "targets": ["fer"],
            "teacher": "ensemble",
            "training": {"network": {"epochs": 2}},
        },
    ],
    "training": {"network": {"epochs": 4, "learning_rate": 0.003}},
    "prediction": {"flip": True},
    "evaluation": {"bootstrap": 100},
}


def command(*arguments):
    return [sys.executable, "-c", BARE, *map(str, arguments)]


@cache
def bare():
    """A script of it, for processes that are forked."""
    path = Path(tempfile.mkdtemp()) / "bare.py"
    path.write_text(BARE)
    return path


def environment(**more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FERKIT")}
    return {**kept, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **more}


class Run:
    """One run: killed, continued until its time limit, and continued to its end."""

    def __init__(self, root):
        self.config, self.out = root / "tiny.yaml", root / "out"
        self.config.write_text(yaml.safe_dump(TINY))
        self.folder = RunFolder(self.out)
        self.arguments = [str(self.config), "--out", str(self.out)]
        running = subprocess.Popen(
            forked_script(bare(), *self.arguments), env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        checkpoints = self.out / "checkpoints" / "fer+ferplus-j"
        wait_for(lambda: list(checkpoints.glob("*/state/progress.json")) or running.poll() is not None)
        running.send_signal(signal.SIGKILL)
        # The end of its output is that of the process.
        running.communicate()
        self.killed = running.returncode
        self.after_kill = (self.out / "training.log").read_text()
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            self.stopped = main([*self.arguments, "--time-limit", "0.01"])
        self.stop_output = printed.getvalue()
        self.after_stop = (self.out / "training.log").read_text()
        self.finished = subprocess.run(
            command(*self.arguments), env=environment(), capture_output=True, text=True, check=False
        )
        self.log = (self.out / "training.log").read_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("standalone"))


def test_a_run_that_was_killed_goes_on_after_its_last_epoch(run):
    assert run.killed == -signal.SIGKILL
    assert re.search(r"j goes on after epoch \d", run.after_stop.removeprefix(run.after_kill))
    assert run.log.count("j network epoch 1/4: loss") == 1


def test_a_time_limit_stops_after_an_epoch_and_says_how_to_go_on(run):
    assert run.stopped == 75, run.stop_output
    last = run.stop_output.splitlines()[-1]
    stopped = re.match(
        r"ferkit: the time limit has passed, fer\+ferplus-j stands after epoch (\d)\. To go on: python -m", last
    )
    assert stopped, last
    assert last.endswith(f"ferkit.standalone {run.config} --out {run.out} --time-limit 0.01")
    assert run.after_stop.removeprefix(run.after_kill).count(": loss") == 1, "one epoch, and no more"
    assert run.finished.returncode == 0, run.finished.stderr
    assert f"j goes on after epoch {stopped[1]}" in run.log.removeprefix(run.after_stop)


def test_nothing_of_a_pipeline_is_needed(run):
    """ZenML, MLflow, Great Expectations and more cannot be imported in the processes that made this run."""
    absent = subprocess.run(
        [sys.executable, "-c", BARE.replace('"ferkit.standalone", run_name', '"zenml", run_name')],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "this machine only trains" in absent.stderr
    assert run.finished.returncode == 0


def test_every_file_of_the_run_is_there_and_no_checkpoint_is_left(run):
    files = {str(path.relative_to(run.out)) for path in run.out.rglob("*") if path.is_file()}
    teacher = {name for name in files if name.startswith("ensembles/teacher-fer-")}
    member = ("network.keras", "history.csv", "member.json")
    predicted = [f"{split}-{target}.npz" for split in ("validation", "test") for target in ("fer", "ferplus")]
    assert len(teacher) == 1
    assert files - teacher == {
        *("config.yaml", "run.json", "training.log", "ensembles/fer.json", "ensembles/ferplus.json"),
        *("evaluations/fer.csv", "evaluations/ferplus.csv"),
        *(f"trainings/fer+ferplus-j/{name}" for name in (*member, *predicted)),
        *(f"trainings/fer-s/{name}" for name in (*member, "validation-fer.npz", "test-fer.npz")),
    }
    assert load_config(run.folder.config) == load_config(run.config)


def test_records_say_where_and_from_what(run):
    record = run.folder.read_record()
    assert record.complete
    assert record.fingerprint == fingerprint(load_config(run.config).data)
    assert record.environment.backend == "tensorflow"
    assert record.environment.versions["keras"] == metadata.version("keras")
    assert record.environment.device
    assert set(record.pictures_per_second) == {"fer+ferplus-j", "fer-s"}
    joint, student = (run.folder.member(name).read_record() for name in ("fer+ferplus-j", "fer-s"))
    assert joint.targets == ("fer", "ferplus")
    assert joint.precision == precision_of(joint.training.execution, joint.backbone.card)
    assert joint.distillation is None
    assert student.distillation is not None
    assert student.training_sets["fer"] == joint.training_sets["fer"]
    assert student.numbers["pictures_per_second"] > 0
    history = run.folder.member("fer-s").read_history()
    assert history["epoch"].tolist() == [0, 1]
    assert f"PublicTest loss {history['val_loss'][1]:.4f}" in run.log


def test_scores_are_those_of_the_predictions(run):
    table = run.folder.read_evaluations("fer").set_index(["model", "subset"])
    assert set(table.index.get_level_values("model")) == {"j", "s", "ensemble"}
    config = load_config(run.config)
    faces = load(config.data)
    label = dict(zip(faces.row.tolist(), faces.label.tolist(), strict=True))
    ensemble = run.folder.read_ensemble("fer")
    assert ensemble.members == ("j",), "a student has no vote"
    for split in ("PublicTest", "PrivateTest"):
        predicted = {"j": run.folder.member("fer+ferplus-j").read_predictions("fer", split)}
        predicted |= {
            "s": run.folder.member("fer-s").read_predictions("fer", split),
            "ensemble": combine(predicted, ensemble),
        }
        for name, each in predicted.items():
            right = np.mean([label[row] == found for row, found in zip(each.row.tolist(), each.label, strict=True)])
            assert table.loc[(name, split), "accuracy"] == pytest.approx(right)
            assert f"{right:.4f}" in run.finished.stdout
    assert str(run.out / "evaluations") in run.finished.stdout


def test_the_network_says_what_its_predictions_say(run):
    from ferkit.models.face_model import FaceModel

    config = load_config(run.config)
    faces = load(config.data)
    target = config.targets[1]
    files = run.folder.member("fer+ferplus-j")
    found = FaceModel("j", "ferplus", files.network).predict_split(faces, target, "PublicTest", config.prediction)
    stored = files.read_predictions("ferplus", "PublicTest")
    np.testing.assert_array_equal(found.row, stored.row)
    np.testing.assert_allclose(found.probabilities, stored.probabilities, atol=1e-5)


def test_its_folder_is_a_model_that_comes_to_the_same_scores(run):
    """`ferkit evaluate FOLDER`: the ensemble of each target, or one network."""
    config = load_config(run.config)
    models = evaluated_models([str(run.out), f"{run.out}#s"])
    faces = read_data(config).faces
    judged = judge_models(models, faces, ["PublicTest"], config.evaluation, config.seed)
    assert [(each.model, each.target) for each in judged.evaluations] == [
        (run.out.name, "fer"), (run.out.name, "ferplus"), (f"{run.out.name}#s", "fer"),
    ]  # fmt: skip
    for evaluation, model in zip(judged.evaluations, ("ensemble", "ensemble", "s"), strict=True):
        table = run.folder.read_evaluations(evaluation.target).set_index(["model", "subset"])
        found = evaluation.scores["PublicTest"]
        assert found.accuracy == table.loc[(model, "PublicTest"), "accuracy"]
        assert found.log_loss == pytest.approx(table.loc[(model, "PublicTest"), "log_loss"], rel=1e-4)
    with pytest.raises(ConfigError, match="no network 'x' in this run, it has ensemble, j, s"):
        evaluated_models([f"{run.out}#x"])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Configuration of two networks of one target."""
    path = tmp_path_factory.mktemp("small") / "small.yaml"
    networks = [{"name": "fernet", "alias": alias, "width": 4, "depth": 1} for alias in ("a", "b")]
    content = {**TINY, "targets": [{"name": "fer"}], "backbones": networks, "prediction": {}}
    path.write_text(yaml.safe_dump({**content, "training": {"network": {"epochs": 1}}}))
    return path


def test_parts_of_a_run_come_together_and_private_test_is_read_when_asked_for(small, tmp_path, capsys):
    out = tmp_path / "out"
    # As another process leaves it that trains `a` into the same folder, and has not yet kept what it finished.
    elsewhere = out / "checkpoints" / "fer-a" / "0123456789ab" / "network.keras"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.touch()
    assert main([str(small), "--out", str(out), "--only", "b"]) == 0
    assert elsewhere.exists()
    assert not (out / "checkpoints" / "fer-b").exists()
    printed = capsys.readouterr()
    assert "still to be trained before anything is combined and judged: fer-a" in printed.err
    assert str(out / "trainings") in printed.out
    assert sorted(path.name for path in (out / "trainings").iterdir()) == ["fer-b"]
    assert not (out / "evaluations").exists()
    assert not RunFolder(out).read_record().complete

    assert main([str(small), "--out", str(out), "--no-test"]) == 0
    assert "fer-b is trained already" in capsys.readouterr().err
    assert not list(out.rglob("test-*.npz"))
    assert set(RunFolder(out).read_evaluations("fer")["subset"]) == {"PublicTest", "PublicTest, no duplicates"}

    before = {path: path.stat().st_mtime_ns for path in (out / "trainings").rglob("network.keras")}
    assert main([str(small), "--out", str(out)]) == 0
    assert "PrivateTest" in capsys.readouterr().out
    assert RunFolder(out).read_record().complete
    files = RunFolder(out).member("fer-b")
    written = (files.path / "test-fer.npz").stat().st_mtime_ns
    assert main([str(small), "--out", str(out)]) == 0
    assert (files.path / "test-fer.npz").stat().st_mtime_ns == written, "PrivateTest is predicted once"

    files.network.write_bytes(files.network.read_bytes()[:1000])
    assert main([str(small), "--out", str(out), "--set", "prediction.flip=true"]) == 0
    err = capsys.readouterr().err
    assert "fer-a is trained already, and predicts anew: other views" in err
    assert "b network epoch 1/1: loss" in err, "a damaged network is trained again"
    assert "a network epoch" not in err
    assert (files.path / "test-fer.npz").stat().st_mtime_ns > written
    after = {path: path.stat().st_mtime_ns for path in (out / "trainings").rglob("network.keras")}
    assert [path.parent.name for path in before if after[path] != before[path]] == ["fer-b"]


def test_seeds_are_runs_of_their_own_and_one_table(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(
            [
                str(small),
                "--out",
                str(out),
                "--seeds",
                "0,3",
                "--no-test",
                "--set",
                "backbones=[{name: fernet, width: 4, depth: 1}]",
            ]
        )
        == 0
    )
    # Beside all of PublicTest there is what of it no other split has.
    spread = pd.read_csv(out / "seeds.csv").query("subset == 'PublicTest'").set_index("model")
    accuracies = []
    for seed in (0, 3):
        folder = RunFolder(out / f"seed-{seed}")
        assert folder.read_record().seed == load_config(folder.config).seed == seed
        table = folder.read_evaluations("fer").query("subset == 'PublicTest'").set_index("model")
        accuracies.append(table.loc["fernet", "accuracy"])
    assert spread.loc["fernet", "accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert spread.loc["fernet", "accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    networks = [RunFolder(out / f"seed-{seed}").member("fer-fernet").read_record().key for seed in (0, 3)]
    assert networks[0] != networks[1]
    assert "accuracy over the seeds" in capsys.readouterr().out


def test_folds_are_runs_that_each_test_on_pictures_of_their_own(small, tmp_path, capsys):
    out = tmp_path / "out"
    changes = (
        "backbones=[{name: fernet, width: 4, depth: 1}]", "registry={register: false}",
        "data.split={folds: 2, by: picture}",
    )  # fmt: skip
    assert main([str(small), "--out", str(out), *(word for each in changes for word in ("--set", each))]) == 0
    spread = pd.read_csv(out / "folds.csv").query("subset == 'PrivateTest'").set_index("model")
    tables, tested = [], []
    for fold in range(2):
        folder = RunFolder(out / f"fold-{fold}")
        assert folder.read_record().complete
        config = load_config(folder.config)
        assert (config.name, config.data.split.fold) == (f"tiny-fold-{fold}", fold)
        tables.append(folder.read_evaluations("fer").query("subset == 'PrivateTest'").set_index("model"))
        tested.append(set(folder.member("fer-fernet").read_predictions("fer", "PrivateTest").row.tolist()))
    assert not tested[0] & tested[1]
    accuracies = [table.loc["ensemble", "accuracy"] for table in tables]
    assert spread.loc["ensemble", "folds"] == 2
    assert spread.loc["ensemble", "accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert spread.loc["ensemble", "accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert "accuracy over the folds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "c"], "--only c: no such backbone, expected some of a b."),
        (["--set", "data.cuont=3"], "data.synthetic.cuont: unknown key; did you mean count?"),
    ],
)
def test_a_mistake_is_a_line_and_status_1(small, tmp_path, capsys, arguments, message):
    assert main([str(small), "--out", str(tmp_path), *arguments]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ferkit: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_a_backend_that_is_not_there_is_named(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    assert main([str(small), "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("ferkit: KERAS_BACKEND=mxnet: not installed; there is ")
    assert "expected one of tensorflow, jax, torch." in printed


def test_a_folder_that_cannot_be_written_is_told(small, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([str(small), "--out", str(tmp_path / "file" / "out")]) == 1
    assert f"ferkit: {tmp_path / 'file' / 'out'}: Not a directory" in capsys.readouterr().err


def test_what_is_missing_or_damaged_in_a_folder_is_named(run, tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(DataError, match=r"run\.json: missing; run `python -m ferkit\.standalone`"):
        folder.read_record()
    (tmp_path / "run.json").write_text(run.folder.path.joinpath("run.json").read_text()[:100])
    with pytest.raises(DataError, match=r"run\.json: damaged \(.*EOF"):
        folder.read_record()
    content = json.loads(run.folder.path.joinpath("run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**content, "seconds": "long"}))
    with pytest.raises(DataError, match=r"run\.json: damaged \(seconds: "):
        folder.read_record()
    folder.write_ensemble(Ensemble("fer", "mean", ("a",), (1.0,)))
    assert folder.read_ensemble("fer").members == ("a",)
    assert not list(tmp_path.rglob(".*")), "nothing half written is left"


def test_quarantine_is_that_of_the_validation():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    split = np.repeat(np.array([0, 1, 2], dtype=np.int8), 20)
    label = np.tile(np.arange(7, dtype=np.int8), 9)[:60]
    images[3] = 90
    images[7], images[25] = images[6], images[5]
    faces = FaceDataset(images, label, split, np.arange(60, dtype=np.int64) * 3)
    loose = {"minimum_training": 1, "minimum_evaluation": 1, "minimum_class": 1, "maximum_copies": 1.0}
    for setting in ("constant", "copies_in_training", "copies_across_splits", "conflicting_labels"):
        choice = {"constant": "keep", setting: "quarantine", "maximum_constant": 1.0}
        settings = ValidationSettings.model_validate({**loose, **choice})
        left = without_quarantined(faces, settings)
        assert len(left) < len(faces), setting
        np.testing.assert_array_equal(left.row, validate(faces, settings).faces.row)


def test_another_content_of_a_weights_file_is_another_network(tmp_path):
    file, other = tmp_path / "mine.weights.h5", tmp_path / "other.weights.h5"
    file.write_bytes(b"one")
    networks = [
        {"name": "fernet", "alias": "a", "width": 4, "weights": str(file)},
        {"name": "fernet", "alias": "b", "width": 4},
    ]
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**TINY, "targets": [{"name": "fer"}], "backbones": networks, "prediction": {}}))
    config = load_config(path)
    generator = np.random.default_rng(0)
    faces = FaceDataset(
        generator.integers(0, 256, (40, 48, 48), dtype=np.uint8),
        np.arange(40, dtype=np.int8) % 7,
        np.repeat(np.array([0, 1], dtype=np.int8), 20),
        np.arange(40, dtype=np.int64),
    )

    def keys():
        environment = Environment(backend="tensorflow", device="CPU", versions={})
        members = RunMembers(config, RunData("", faces, faces), RunFolder(tmp_path / "out"), environment)
        return {each.label: members._key(each) for each in config.trained()}

    before = keys()
    file.write_bytes(b"two")
    after = keys()
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    file.rename(other)
    with pytest.raises(WeightsError, match=r"mine.weights.h5: the weights of a cannot be read"):
        keys()


TOY = {
    "name": "toy",
    "data": {"source": "synthetic", "count": 1500},
    "backbones": [{"name": "fernet", "alias": "a", "width": 8, "dropout": 0}],
    "training": {
        "network": {"epochs": 5, "learning_rate": 0.004},
        "batch_size": 16,
        "augmentation": {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0},
    },
    "evaluation": {"bootstrap": 100},
}


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_each_backend_learns_the_same(backend, tmp_path):
    """Initial weights differ between backends; what a network has learned in the end does not, but for noise."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"the Keras backend {backend} is not installed here")
    config = tmp_path / "toy.yaml"
    config.write_text(yaml.safe_dump(TOY))
    arguments = (config, "--out", tmp_path / "out", "--no-test")
    done = subprocess.run(
        # One that is forked has imported Keras with TensorFlow.
        forked_script(bare(), *arguments) if backend == "tensorflow" else command(*arguments),
        # A quick compilation of what runs for seconds.
        env=environment(KERAS_BACKEND=backend, XLA_FLAGS="--xla_backend_optimization_level=0"),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path / "out")
    assert folder.read_record().environment.backend == backend
    table = folder.read_evaluations("fer").query("subset == 'PublicTest'").set_index("model")
    line = table.loc["a"]
    # Four standard errors of the accuracy that JAX reached, 0.73 of 150 pictures; the largest class has 0.25 of them.
    assert abs(line["accuracy"] - 0.73) < 4 * (0.73 * 0.27 / line["pictures"]) ** 0.5
