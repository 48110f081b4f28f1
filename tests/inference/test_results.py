"""Tables of faces of any classes: written, read back, and held against what a model of them learned."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from ferkit.errors import DataError
from ferkit.inference.predictor import FacePrediction
from ferkit.inference.results import Finding, class_columns, read_face_table, table_of, table_schema
from ferkit.monitoring.drift import Baseline, drift
from ferkit.monitoring.profile import Profile, Sample, prediction_profile

# The second is what another column is called, the third looks like what is written in its place.
CLASSES = ("calm", "score", "class one")
MADE_WITH = {"model": "a" * 64, "target": "mood", "answers_by": "vote"}


@pytest.fixture
def written(tmp_path):
    """Thirty faces of colour pictures in a parquet and a CSV file, and the probabilities that they hold."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 30).astype(np.float32)
    findings = [
        Finding(
            f"{at}.png", (200, 200), [FacePrediction((1, 2, 90, 90), 0.9, CLASSES[row.argmax()], row)],
            random.integers(0, 256, (1, 96, 96, 3), dtype=np.uint8),
        )
        for at, row in enumerate(probabilities)
    ]  # fmt: skip
    findings.append(Finding("broken.png", None, [], np.zeros((0, 48, 48), np.uint8), problem="cut short"))
    table = table_of(findings, table_schema(CLASSES, MADE_WITH))
    pq.write_table(table, tmp_path / "faces.parquet")
    table.to_pandas().to_csv(tmp_path / "faces.csv", index=False)
    return tmp_path, probabilities


@pytest.mark.parametrize(("name", "target"), [("faces.parquet", "mood"), ("faces.csv", None)])
def test_a_table_is_read_back_with_its_classes(written, name, target):
    folder, probabilities = written
    table = read_face_table(folder / name)
    assert (table.classes, table.target) == (CLASSES, target)
    np.testing.assert_allclose(table.probabilities, probabilities, atol=1e-6)
    assert table.faces["score"].tolist() == pytest.approx([0.9] * 30)
    assert table.faces["brightness"].between(100, 155).all()


def test_columns_are_called_as_the_classes_unless_another_one_is():
    assert class_columns(CLASSES) == ["calm", "class score", "class class one"]


@pytest.mark.parametrize("name", ["faces.parquet", "faces.csv"])
def test_a_batch_is_held_against_a_model_of_its_classes_and_no_other(written, name):
    folder, probabilities = written
    table = read_face_table(folder / name)
    pictures = {each: Sample.of(np.arange(9.0)) for each in ("brightness", "contrast", "sharpness")}
    answers = {"vote": {"mood": prediction_profile(probabilities, CLASSES)}}
    baseline = Baseline.of_profile(Profile(model="a" * 64, pictures=pictures, answers=answers), table)
    assert sum(baseline.emotions.values()) == 30
    by_name = {each.statistic: each for each in drift(table, baseline)}
    assert {by_name[each].verdict for each in CLASSES if each != "score"} == {"same"}
    others = replace(table, classes=("calm", "score", "other"))
    assert not Baseline.of_profile(Profile(model="a" * 64, pictures=pictures, answers=answers), others).emotions


def test_another_table_is_a_line(tmp_path):
    (tmp_path / "other.csv").write_text("file,score,emotion\na.png,1,calm\n")
    with pytest.raises(DataError, match=r"other\.csv: columns file, score, emotion, expected a table"):
        read_face_table(tmp_path / "other.csv")
