"""Which classes of a data set are which of a model's."""

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.evaluation.target_fit import fitting_targets

EIGHT = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
ANSWERS = {"fer": FER_EMOTIONS, "ferplus": FERPLUS_EMOTIONS}
SETTINGS = {name: TargetSettings(name=name) for name in ANSWERS}


def faces(classes, *, votes: bool = False) -> FaceDataset:
    count = len(classes)
    return FaceDataset(
        np.zeros((count, 48, 48), np.uint8), np.arange(count, dtype=np.int8), np.full(count, 2, np.int8),
        np.arange(count), np.full((count, 10), 1, np.uint8) if votes else None, tuple(classes),
    )  # fmt: skip


def fit(data, class_map=None, wanted=None, answers=ANSWERS, settings=SETTINGS):
    return fitting_targets("vote", answers, settings, data, class_map or {}, wanted)


def test_seven_emotions_in_other_words_are_fers():
    found = fit(faces(EIGHT[:7]))
    assert list(found) == ["fer"]
    assert found["fer"].index_of(EIGHT[:7]).tolist() == [6, 3, 4, 5, 2, 1, 0]


def test_contempt_is_judged_by_the_head_that_has_it_and_not_by_votes():
    found = fit(faces(EIGHT))
    assert list(found) == ["ferplus"]
    target = found["ferplus"]
    assert (target.name, target.from_votes, target.class_names(EIGHT)) == ("ferplus_classes", False, FERPLUS_EMOTIONS)
    assert target.index_of(EIGHT).tolist() == [0, 1, 3, 2, 6, 5, 4, 7]


def test_with_votes_both_are_judged_as_they_were_trained():
    assert fit(faces(FER_EMOTIONS, votes=True)) == SETTINGS


def test_a_map_brings_names_together_and_leaves_classes_out():
    data = faces(("calm", "smiling", "blurred"))
    found = fit(data, {"calm": "neutral", "smiling": "happiness", "blurred": None})
    assert found["fer"].index_of(data.classes).tolist() == [6, 3, -1]


def test_a_model_with_classes_of_its_own_is_judged_as_it_is():
    own = {"mood": ("good", "bad")}
    found = fit(faces(("Bad", "good")), answers=own, settings={"mood": TargetSettings(name="mood")})
    assert found["mood"].index_of(("Bad", "good")).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("class_map", "wanted", "message"),
    [
        ({}, "fer", r"vote \(fer\): the data has the class 'Contempt', which is none of angry, .*--map Contempt=$"),
        ({"Contempt": "boredom"}, "fer", r"--map Contempt=boredom: vote has no class 'boredom', it has angry, "),
        ({"Rage": "angry"}, "fer", r"--map Rage: the data has no such class, it has Neutral, "),
        ({}, "mood", r"--target mood: vote answers for fer, ferplus\."),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_known_names(class_map, wanted, message):
    with pytest.raises(DataError, match=message):
        fit(faces(EIGHT), class_map, wanted)
