"""Selection: copies of what a network learned choose neither the epoch nor the vote nor the temperature."""

from functools import partial

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.errors import DataError
from ferkit.models.ensemble import EnsembleSettings, selection_ensemble
from ferkit.models.predictions import Predictions
from ferkit.models.selection import NO_DUPLICATES, SelectionSettings, selection_pictures, selection_predictions
from ferkit.models.temperature import selection_temperature
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training.member import train_member
from tests.training.test_fine_tune import BACKBONE, TARGET, marked_faces, settings

KEEP = SelectionSettings(duplicates="keep")
# Of PublicTest: the first three also occur in Training, the fourth in PrivateTest.
COPIES = 4


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    marked = marked_faces()
    images, split = marked.images.copy(), marked.split
    training, public, private = (np.flatnonzero(split == at) for at in range(3))
    images[public[: COPIES - 1]] = images[training[[5, 9, 2]]]
    images[private[0]] = images[public[COPIES - 1]]
    # Two copies within PublicTest give nothing away.
    images[public[-1]] = images[public[-2]]
    return FaceDataset(images, marked.label, split, marked.row + 100)


def confident(faces: FaceDataset, right: np.ndarray, probability: float) -> Predictions:
    """Predictions of PublicTest that are right where `right` says, and that sure of themselves."""
    public = faces.of_split("PublicTest")
    predicted = np.where(right, public.label, (public.label + 1) % 7)
    rest = np.full((len(public), 7), (1 - probability) / 6, dtype=np.float32)
    rest[np.arange(len(public)), predicted] = probability
    return Predictions("fer", "PublicTest", public.row, rest)


def test_pictures_that_another_split_has_are_left_out_by_default(faces):
    public = faces.of_split("PublicTest")
    chosen = selection_pictures(faces, NO_DUPLICATES)
    assert SelectionSettings() == NO_DUPLICATES
    np.testing.assert_array_equal(chosen.row, public.row[COPIES:])
    np.testing.assert_array_equal(selection_pictures(faces, KEEP).row, public.row)


def test_nothing_left_to_choose_by_is_one_line(faces):
    copies = faces.of_split("PublicTest").take(np.arange(COPIES))
    both = FaceDataset(
        np.concatenate([copies.images, copies.images]),
        np.concatenate([copies.label, copies.label]),
        np.repeat([0, 1], COPIES).astype(np.int8),
        np.arange(2 * COPIES),
    )
    with pytest.raises(DataError, match=r"all 4 pictures of PublicTest also occur in another split.*to keep"):
        selection_pictures(both, NO_DUPLICATES)
    assert len(selection_pictures(both, KEEP)) == COPIES
    assert not len(selection_pictures(faces.of_split("Training"), NO_DUPLICATES))


@pytest.mark.parametrize("selection", [NO_DUPLICATES, KEEP], ids=["leave_out", "keep"])
def test_the_epoch_is_judged_on_the_pictures_that_choose(faces, tmp_path, selection):
    balanced = {"fer": oversample(faces, TARGET, BalancingSettings(), 0)}
    chosen = settings(epochs=1, learning_rate=0.005, batch_size=8)
    member = train_member(faces, balanced, [TARGET], BACKBONE, chosen, 3, workspace=tmp_path, selection=selection)
    pictures = selection_pictures(faces, selection)
    predicted = member.models["fer"].predict(pictures.images)
    right = np.maximum(predicted[np.arange(len(pictures)), pictures.label], 1e-7)
    assert member.history["val_loss"].iloc[0] == pytest.approx(-np.log(right).mean(), rel=1e-4)


def test_a_member_that_knows_the_copies_by_heart_gets_no_vote_for_that(faces):
    copied = np.arange(len(faces.of_split("PublicTest"))) < COPIES
    members = {"learned_by_heart": confident(faces, copied, 0.99), "able": confident(faces, ~copied, 0.6)}
    fit = partial(selection_ensemble, members, faces, TARGET, settings=EnsembleSettings(objective="log_loss"))
    assert fit(selection=NO_DUPLICATES).weights == pytest.approx((0, 1), abs=1e-3)
    assert fit(selection=KEEP).weights[0] > 0.05


def test_the_copies_do_not_make_a_model_sure_of_itself(faces):
    order = np.arange(len(faces.of_split("PublicTest")))
    predicted = confident(faces, (order < COPIES) | (order % 2 == 0), 0.9)
    chosen, labels = selection_predictions(predicted, faces, TARGET, NO_DUPLICATES)
    assert len(chosen) == len(labels) == len(order) - COPIES
    assert selection_temperature(predicted, faces, TARGET, NO_DUPLICATES) > selection_temperature(
        predicted, faces, TARGET, KEEP
    )


def test_predictions_find_their_pictures_in_any_order_or_say_which_is_missing(faces):
    predicted = confident(faces, np.ones(len(faces.of_split("PublicTest")), dtype=bool), 0.9)
    shuffled = predicted.of_rows(np.random.default_rng(0).permutation(predicted.row))
    again = shuffled.of_rows(predicted.row)
    np.testing.assert_array_equal(again.probabilities, predicted.probabilities)
    with pytest.raises(DataError, match=rf"1 pictures are missing, the first is row {predicted.row[0]}"):
        predicted.of_rows(predicted.row[1:]).of_rows(predicted.row)
    with pytest.raises(DataError, match="pictures are missing"):
        predicted.of_rows(predicted.row[:0]).of_rows(predicted.row)
    test = Predictions("fer", "PrivateTest", predicted.row, predicted.probabilities)
    with pytest.raises(DataError, match="PublicTest alone may choose"):
        selection_predictions(test, faces, TARGET, KEEP)
