"""What a bundle says of itself: its classes, its targets and the pictures that it takes; earlier formats, too."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.bundles.card import BundleCard, InputCard, TargetCard, Vote
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from tests.toys.bundle import MOODS, write_mood_bundle

ALONE = Vote(weights={"mood-one": 1.0})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_mood_bundle(tmp_path_factory.mktemp("bundles") / "moods")


def test_a_bundle_says_its_classes_its_targets_and_its_input(bundle):
    read = Bundle(bundle.folder)
    assert (read.targets, read.classes("mood"), read.classes()) == (("mood",), MOODS, MOODS)
    assert read.input == InputCard(size=64, colour=True)
    assert json.loads((bundle.folder / "reference.json").read_text())["format"] == 3
    with pytest.raises(DataError, match="target 'fer': this bundle answers for mood"):
        read.classes("fer")


def test_it_takes_the_pictures_that_its_networks_take_and_no_others(bundle):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    answers = bundle.predict(pictures)
    assert answers.shape == (3, 3)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(answers, bundle.predict(pictures, "mood"))
    for wrong in (pictures[..., 0], pictures[:, :48, :48], pictures.astype(np.float32)):
        with pytest.raises(DataError, match=r"^pictures are .*, expected uint8 \(N, 64, 64, 3\), RGB\.$"):
            bundle.predict(wrong)


def test_labels_of_other_data_are_read_with_the_classes_of_the_bundle(bundle):
    """A target without classes in its settings has those of the data that it is held to: here they come later."""
    data = FaceDataset(
        np.zeros((3, 48, 48), np.uint8), np.array([0, 1, 0], np.int8), np.zeros(3, np.int8), np.arange(3),
        classes=("glad", "calm"),
    )  # fmt: skip
    labelling = bundle.card.targets["mood"].labelling
    assert labelling.class_names(data.classes) == MOODS
    assert labelling.index_of(data.classes).tolist() == [2, 0]
    assert TargetCard(settings=TargetSettings(name="fer"), vote=ALONE).labelling == TargetSettings(name="fer")


def test_what_ships_is_of_an_earlier_format_and_takes_48_grey():
    shipped = load_bundle()
    assert (shipped.input, shipped.targets) == (InputCard(size=48, colour=False), ("fer", "ferplus"))
    assert (shipped.classes("fer"), shipped.classes("ferplus")) == (FER_EMOTIONS, FERPLUS_EMOTIONS)
    assert shipped.classes() == FER_EMOTIONS


def test_a_card_that_does_not_hold_together_is_refused(bundle):
    content = bundle.card.model_dump(mode="json")
    content["targets"]["mood"]["classes"] = ["calm", "cross"]
    with pytest.raises(ValidationError, match=r"target mood: 2 classes, network 'mood-one' answers 3"):
        BundleCard.model_validate(content)
    with pytest.raises(ValidationError, match="classes"):
        TargetCard(settings=TargetSettings(name="mood"), vote=ALONE)
    assert TargetCard(settings=TargetSettings(name="mood", classes=("a", "b")), vote=ALONE).classes == ("a", "b")


@pytest.mark.parametrize("shape", [(48, 48, 2), (48, 47, 1), (None, None, 1), (48, 48)])
def test_an_input_that_is_no_picture_is_one_line(shape):
    with pytest.raises(DataError, match=r"an input of \(.*\), expected pictures \(side, side, 1\)"):
        InputCard.of_shape(shape)
