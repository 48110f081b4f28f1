"""`python -m ferkit.standalone`: real processes and real networks, killed, continued, and read back."""

import contextlib
import io
import json
import re
import signal
import subprocess
from importlib import metadata

import numpy as np
import pytest
import yaml

from ferkit.cli.evaluated.models import evaluated_models
from ferkit.config.loading import load_config
from ferkit.errors import ConfigError, DataError
from ferkit.evaluation.side_by_side import judge_models
from ferkit.models.ensemble import Ensemble, combine
from ferkit.sources import fingerprint, load
from ferkit.standalone.__main__ import main
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.run_data import read_data
from ferkit.training.execution import precision_of
from tests.toys.bare import bare, bare_environment, bare_script
from tests.toys.command import forked_script
from tests.toys.services import wait_for

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


class Run:
    """One run: killed, continued until its time limit, and continued to its end."""

    def __init__(self, root):
        self.config, self.out = root / "tiny.yaml", root / "out"
        self.config.write_text(yaml.safe_dump(TINY))
        self.folder = RunFolder(self.out)
        self.arguments = [str(self.config), "--out", str(self.out)]
        running = subprocess.Popen(
            forked_script(bare_script(), *self.arguments), env=bare_environment(), stdin=subprocess.DEVNULL,
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
            bare(*self.arguments), env=bare_environment(), capture_output=True, text=True, check=False
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
    absent = subprocess.run(bare(module="zenml"), env=bare_environment(), capture_output=True, text=True, check=False)
    assert "No module named zenml" in absent.stderr
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
