"""`ferkit evaluate`: models on data that they were not made for, from the command line to the report."""

import subprocess

import numpy as np
import pytest

from ferkit.bundles.bundle import SHIPPED
from ferkit.cli.evaluated.data import data_settings, read_class_map, sized_for
from ferkit.cli.evaluated.models import evaluated_model, evaluated_models
from ferkit.data.input_card import InputCard
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings
from ferkit.errors import ConfigError, FerkitError
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.evaluation.side_by_side import JudgedModel, judge_models
from ferkit.sources import load
from tests.toys.command import forked
from tests.toys.layouts import write_affectnet, write_rafdb


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """RAF-DB and AffectNet in small."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_rafdb(folder / "rafdb")
    write_affectnet(folder / "affectnet")
    return folder


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(forked("evaluate", *arguments), capture_output=True, text=True, check=False)


def test_two_models_on_a_foreign_data_set_are_one_command(place, tmp_path):
    done = evaluate("tiny", f"{SHIPPED}#tiny", "--data", place / "rafdb", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "fer/tiny, labels of the data" in done.stdout
    assert sum(line.split()[:2] == ["PrivateTest", "7"] for line in lines) == 2
    assert "labels down, predictions across" in done.stdout
    assert "differences from tiny, points" in done.stdout
    report = (tmp_path / "report" / "report.html").read_text()
    assert "McNemar" in report
    assert "Confusion" in report or "confusion" in report
    assert (tmp_path / "report" / "report.md").read_text().startswith("# Models on ")
    assert list((tmp_path / "report" / "figures").glob("*_confusion_PrivateTest.png"))


def test_an_unknown_class_is_one_line_with_the_option_that_maps_it(place):
    done = evaluate("tiny", "--target", "fer", "--data", place / "affectnet")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ferkit:")]
    assert "'contempt', which is none of angry, disgust, fear, happy, sad, surprise, neutral" in line
    assert line.endswith("--map contempt=")


def test_options_that_say_nothing_are_refused(place):
    done = evaluate("tiny", "--data", place / "rafdb", "--limit", 3)
    assert (done.returncode, "--limit: for `ferkit evaluate reference` alone" in done.stderr) == (1, True)
    done = evaluate("reference", "--data", place, "--map", "a=b")
    assert (done.returncode, "--map: the published table is always made alike" in done.stderr) == (1, True)


def test_data_is_in_the_splits_that_it_says_itself(place, tmp_path):
    assert load(data_settings(place / "rafdb", [])).in_split("PublicTest").sum() == 0
    with pytest.raises(ConfigError, match="--set changes a configuration"):
        data_settings(place / "rafdb", ["data.seed=1"])
    file = tmp_path / "map.yaml"
    file.write_text("Happiness: happy\n7: null\n")
    assert read_class_map([str(file), "a=b"]) == {"Happiness": "happy", "7": None, "a": "b"}
    with pytest.raises(ConfigError, match="--map happy: expected NAME=CLASS"):
        read_class_map(["happy"])


def test_each_model_gets_the_pictures_that_it_takes(place):
    """From the same files: one in colour at 64, one grey at 48."""
    inputs = [InputCard(size=64, colour=True), InputCard()]
    faces = load(sized_for(data_settings(place / "rafdb", []), inputs))
    seen = []

    def predict(images, targets, on_pictures):
        seen.append(np.asarray(images).shape)
        return {"fer": np.full((len(images), 7), 1 / 7, np.float32)}

    settings = {"fer": TargetSettings()}
    models = [JudgedModel(str(each), {"fer": FER_EMOTIONS}, settings, predict, input=each) for each in inputs]
    judge_models(models, faces, ["PrivateTest"], EvaluationSettings(bootstrap=100), 0)
    assert seen == [(7, 64, 64, 3), (7, 48, 48)]


def test_models_are_found_by_their_names():
    """The address is that of the registry, where the tests have none."""
    assert list(evaluated_model("tiny").classes) == ["fer", "ferplus"]
    assert evaluated_model(f"{SHIPPED}#vote").networks > evaluated_model(f"{SHIPPED}#tiny").networks == 1
    assert [each.name for each in evaluated_models(["tiny", f"{SHIPPED}#tiny", str(SHIPPED)])] == [
        "tiny", "reference#tiny", "reference",
    ]  # fmt: skip
    for name in ("models:/ferkit@nobody", "ferkit@nobody", "@nobody", "ferkit/3"):
        with pytest.raises(FerkitError, match="no model is registered as ferkit"):
            evaluated_model(name)
    with pytest.raises(ConfigError, match="nowhere: no such model"):
        evaluated_model("nowhere")
