"""Several models on the same pictures."""

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.evaluation.side_by_side import JudgedModel, judge_models, splits_to_judge

SETTINGS = EvaluationSettings(bootstrap=200)


@pytest.fixture
def faces() -> FaceDataset:
    """Pictures that say in their first pixel what they show; the last 40 of 120 are for tests."""
    label = (np.arange(120) % 4).astype(np.int8)
    images = np.zeros((120, 48, 48), np.uint8)
    images[:, 0, 0], images[:, 1, :] = label, np.arange(120)[:, None]
    split = np.where(np.arange(120) < 80, 0, 2).astype(np.int8)
    return FaceDataset(images, label, split, np.arange(120), classes=("calm", "tense", "glad", "blurred"))


def reader(name: str, classes: tuple[str, ...], order: list[int], wrong: int = 0) -> JudgedModel:
    """Reads the first pixel, which `order` turns into a class, and is wrong about every `wrong`-th picture."""

    def predict(images, targets, on_pictures):
        pixels = np.asarray(images)
        answer = np.array(order)[pixels[:, 0, 0]]
        if wrong:
            answer = np.where(pixels[:, 1, 0] % wrong == 0, (answer + 1) % len(classes), answer)
        on_pictures(len(pixels))
        return {target: np.eye(len(classes), dtype=np.float32)[answer] for target in targets}

    return JudgedModel(name, {"mood": classes}, {"mood": TargetSettings(name="mood")}, predict)


RIGHT = reader("right", ("calm", "tense", "glad"), [0, 1, 2, 0])
# The same classes in another order and other letters.
OFTEN = reader("often", ("Glad", "Calm", "Tense"), [1, 2, 0, 0], wrong=4)


def test_models_of_one_set_of_classes_are_compared_whatever_their_order(faces):
    seen = []
    judged = judge_models(
        [RIGHT, OFTEN], faces, ["PrivateTest"], SETTINGS, 0,
        class_map={"blurred": None}, labels="labels of the data", on_pictures=lambda *each: seen.append(each),
    )  # fmt: skip
    first, second = judged.evaluations
    assert first.scores["PrivateTest"].accuracy == 1.0
    assert first.scores["PrivateTest"].count == 30
    # Pictures 80, 84, ... are calm, ten of thirty.
    assert second.scores["PrivateTest"].accuracy == pytest.approx(20 / 30)
    assert first.protocol == "labels of the data"
    (comparison,) = judged.comparisons
    assert (comparison.first, comparison.second, comparison.subset) == ("right", "often", "PrivateTest")
    assert (comparison.result.only_first, comparison.result.only_second) == (10, 0)
    assert comparison.result.accuracy == pytest.approx(-1 / 3)
    assert comparison.result.p_value < 0.01
    assert judged.notes == ("Pictures of blurred are left out.",)
    assert seen[-1] == ("often", 30, 30)


def test_models_of_other_classes_are_judged_but_not_compared(faces):
    four = reader("four", ("calm", "tense", "glad", "sad"), [0, 1, 2, 3])
    judged = judge_models([RIGHT, four], faces, ["PrivateTest"], SETTINGS, 0, class_map={"blurred": None})
    assert [each.model for each in judged.evaluations] == ["right", "four"]
    assert judged.comparisons == ()
    assert judged.notes[0] == "four (mood) tells other classes apart than right: not compared."


def test_pictures_for_tests_are_judged_and_all_where_there_are_none(faces):
    assert splits_to_judge(faces) == ("PrivateTest",)
    whole = faces.of_split("Training")
    assert splits_to_judge(whole) == ("Training",)
    judged = judge_models([RIGHT], whole, ["Training"], SETTINGS, 0, class_map={"blurred": None})
    assert judged.evaluations[0].scores["Training"].count == 60


def test_what_cannot_be_judged_is_told_before_anything_is_predicted(faces):
    with pytest.raises(DataError, match="right is named twice"):
        judge_models([RIGHT, RIGHT], faces, ["PrivateTest"], SETTINGS, 0)
    with pytest.raises(DataError, match="no picture of PublicTest"):
        judge_models([RIGHT], faces, ["PublicTest"], SETTINGS, 0)
    with pytest.raises(DataError, match="--map blurred=CLASS"):
        judge_models([RIGHT], faces, ["PrivateTest"], SETTINGS, 0)
