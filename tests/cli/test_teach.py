"""`ferkit teach`: a vote's answers about Training as a file."""

import json
from pathlib import Path

import numpy as np

from ferkit.bundles.bundle import load_bundle
from ferkit.config.loading import load_config
from ferkit.models.test_time_augmentation import NO_TTA
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.sources import load
from ferkit.training.teacher_file import read_teacher_file
from tests.cli.test_app import ferkit
from tests.toys.bundle import write_toy_bundle

DATA = "data={source: synthetic, count: 200}"


def test_the_file_holds_what_the_vote_answers_without_its_temperature(tmp_path):
    (tmp_path / "toy").mkdir()
    folder = write_toy_bundle(tmp_path / "toy")
    card = json.loads((folder / "reference.json").read_text())
    card["targets"]["fer"]["vote"]["temperature"] = 0.5
    (folder / "reference.json").write_text(json.dumps(card))
    file = tmp_path / "answers.npz"
    done = ferkit("teach", "configs/quickstart.yaml", "--set", DATA, "--model", str(folder), "--to", str(file))
    assert done.returncode == 0, done.stderr
    config = load_config(Path("configs/quickstart.yaml"), [DATA])
    faces = load(config.data)
    training = faces.of_split("Training")
    assert f"{len(training)} pictures of Training, answers for fer" in done.stdout
    teacher = load_bundle(folder)
    found = read_teacher_file(file).predict(oversample(faces, config.targets[0], BalancingSettings(), 0), "fer")
    raw = 0.75 * teacher.predict_network("one", training.images, tta=NO_TTA)["fer"]
    raw += 0.25 * teacher.predict_network("two", training.images, tta=NO_TTA)["fer"]
    np.testing.assert_allclose(found.probabilities, raw, atol=1e-3)
    assert not np.allclose(raw, teacher.predict(training.images), atol=1e-3)


def test_another_suffix_is_refused(tmp_path):
    done = ferkit("teach", "configs/quickstart.yaml", "--to", str(tmp_path / "answers.csv"))
    assert done.returncode == 1
    assert "expected the name of a file that ends with .npz" in done.stderr
