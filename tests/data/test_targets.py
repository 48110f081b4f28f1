import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings, labelled, pictures_left_out
from ferkit.errors import DataError
from ferkit.preparation.balancing import BalancingSettings, oversample

FERPLUS = TargetSettings(name="ferplus")


def faces(votes):
    count = 3
    return FaceDataset(
        images=np.zeros((count, 48, 48), np.uint8),
        label=np.array([3, 0, 6], np.int8),
        split=np.zeros(count, np.int8),
        row=np.array([5, 6, 7], np.int64),
        votes=votes,
    )


VOTES = np.array(
    [[0, 10, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10], [6, 0, 0, 4, 0, 0, 0, 0, 0, 0]], np.uint8
)


def test_fer_labels_every_picture_one_hot():
    kept, labels = labelled(faces(None), TargetSettings())
    assert len(kept) == 3
    assert labels.argmax(axis=1).tolist() == [3, 0, 6]
    assert labels.sum(axis=1).tolist() == [1, 1, 1]


def test_ferplus_keeps_what_the_protocol_keeps():
    kept, labels = labelled(faces(VOTES), FERPLUS, "probability")
    assert kept.row.tolist() == [5, 7]
    np.testing.assert_allclose(labels[1][[0, 3]], [0.6, 0.4])
    kept, labels = labelled(faces(VOTES), FERPLUS, "majority")
    assert labels[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_ferplus_without_votes_says_which_file_is_missing():
    with pytest.raises(DataError, match=r"fer2013new\.csv"):
        labelled(faces(None), FERPLUS)


def own(classes, label=(0, 1, 2, 1)):
    count = len(label)
    return FaceDataset(
        images=np.zeros((count, 48, 48), np.uint8),
        label=np.array(label, np.int8),
        split=np.zeros(count, np.int8),
        row=np.arange(count),
        classes=classes,
    )


def test_a_target_of_its_own_has_the_classes_of_the_data():
    target = TargetSettings(name="mood")
    kept, labels = labelled(own(("calm", "tense", "bored")), target)
    assert len(kept) == 4
    assert labels.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]]
    assert target.class_names(("calm", "tense", "bored")) == ("calm", "tense", "bored")


def test_a_map_joins_classes_and_leaves_out_and_counts():
    target = TargetSettings(name="mood", map={"calm": "fine", "bored": "fine", "tense": None, "odd": "strange"})
    data = own(("calm", "tense", "bored", "odd"), (0, 1, 2, 1, 3))
    kept, labels = labelled(data, target)
    assert target.class_names(data.classes) == ("fine", "strange")
    assert kept.row.tolist() == [0, 2, 4]
    assert labels.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert pictures_left_out(data, target) == {"tense": 2}
    assert pictures_left_out(data, TargetSettings(name="mood")) == {}


def test_classes_that_are_numbers_can_be_mapped_as_yaml_reads_them():
    kept, labels = labelled(own(("0", "1", "2")), TargetSettings(name="mood", map={0: "calm", 1: None}))
    assert kept.row.tolist() == [0, 2]
    assert labels.tolist() == [[1, 0], [0, 1]]


def test_given_classes_are_in_the_order_that_they_are_given_in():
    target = TargetSettings(name="mood", classes=("tense", "calm", "never"), map={"bored": None})
    kept, labels = labelled(own(("Calm", "tense", "bored")), target)
    assert labels.argmax(axis=1).tolist() == [1, 0, 0]
    assert labels.shape == (3, 3)
    assert kept.row.tolist() == [0, 1, 3]


def test_fer_finds_its_emotions_whatever_they_are_called():
    _, labels = labelled(own(("Anger", "Happiness", "1_Surprise")), TargetSettings())
    assert labels.argmax(axis=1).tolist() == [0, 3, 5, 3]
    left, _ = labelled(own(("Anger", "Happiness", "Contempt")), TargetSettings(map={"contempt": None}))
    assert left.row.tolist() == [0, 1, 3]


def test_a_class_that_a_target_does_not_know_is_a_line_with_the_setting():
    with pytest.raises(DataError) as caught:
        labelled(own(("happy", "contempt", "sad")), TargetSettings())
    assert str(caught.value).startswith(
        "target fer: the data has the class 'contempt', which is none of angry, disgust, fear, happy, sad, surprise, "
        "neutral: say in targets.fer.map which of them it is, or null to leave its pictures out, {contempt: null};"
    )
    with pytest.raises(DataError, match="map names joy, but the classes of the data are calm, tense, bored; drop it"):
        labelled(own(("calm", "tense", "bored")), TargetSettings(name="mood", map={"joy": None}))
    with pytest.raises(DataError, match=r"target mood: 1 classes, \['calm'\]; expected at least 2"):
        labelled(own(("calm", "tense", "bored")), TargetSettings(name="mood", map={"tense": None, "bored": "calm"}))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"classes": ["a", "b"]}, "fer has the classes angry, .*: give others another name"),
        ({"name": "ferplus", "map": {"a": None}}, "from FER\\+'s votes, which map does not change"),
        ({"name": "mood", "classes": ["a", "A"]}, "expected different names"),
        ({"name": "mood", "classes": ["a", " "]}, "expected different names, none of them empty"),
        ({"map": {"contempt": "scorn"}}, "map contempt: 'scorn' is none of fer's classes"),
        ({"name": "My mood"}, "String should match pattern"),
    ],
)
def test_declarations_that_cannot_be(settings, line):
    with pytest.raises(ValidationError, match=line):
        TargetSettings(**settings)


def test_what_a_target_says_of_itself_is_as_it_was_where_it_has_no_classes_and_no_map():
    before = '{"name":"ferplus","train_on":"probability","protocol":"majority"}'
    assert FERPLUS.model_dump_json() == before
    mood = TargetSettings(name="mood", classes=("a", "b"), map={"c": None})
    assert TargetSettings.model_validate_json(mood.model_dump_json()) == mood


def test_votes_smooth_fer_labels_by_what_the_taggers_say_of_fer_s_emotions():
    votes = np.zeros((4, 10), dtype=np.uint8)
    votes[0, [3, 4, 0]] = 5, 3, 1  # sadness, anger, and one neutral, which is an outlier
    votes[1, [7, 8]] = 6, 4  # contempt and unknown
    votes[2] = 1
    label = np.array([4, 1, 6, 3], dtype=np.int8)
    images, split = np.zeros((4, 48, 48), np.uint8), np.zeros(4, np.int8)
    faces = FaceDataset(images, label, split, np.arange(4, dtype=np.int64), votes)
    own = np.eye(7, dtype=np.float32)[label]
    learned = oversample(faces, TargetSettings(votes=0.4), BalancingSettings(), 0).targets
    # angry, disgust, fear, happy, sad, surprise, neutral
    np.testing.assert_allclose(learned[0], [0.4 * 3 / 8, 0, 0, 0, 0.6 + 0.4 * 5 / 8, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(learned[1:], own[1:])
    # What chooses and what judges stays FER-2013's own.
    np.testing.assert_array_equal(labelled(faces, TargetSettings())[1], own)
    blind = FaceDataset(images, label, split, faces.row)
    with pytest.raises(DataError, match=r"targets\.fer\.votes 0\.4 needs FER\+ votes: put fer2013new\.csv beside"):
        oversample(blind, TargetSettings(votes=0.4), BalancingSettings(), 0)
