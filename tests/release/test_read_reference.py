"""An exported folder read back: it answers as the networks of the run did, and one that was damaged is refused."""

import json
import shutil

import numpy as np
import pytest

from ferkit.bundles.bundle import load_bundle
from ferkit.errors import DataError, WeightsError
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.monitoring.profile import Profile, bundle_sha256, prediction_profile
from ferkit.standalone.folder import RunFolder


def test_it_says_what_the_networks_of_the_run_said(run, bundle, faces):
    assert bundle.targets == ("fer", "ferplus")
    folder = RunFolder(run)
    both, single = folder.member("fer+ferplus-both"), folder.member("fer-single")
    for target, members in (("fer", (both, single)), ("ferplus", (both,))):
        said = bundle.predict_split(faces, target, "PublicTest", model="vote")
        stored = [each.read_predictions(target, "PublicTest") for each in members]
        assert said.row.tolist() == stored[0].row.tolist()
        mean = np.mean([each.probabilities for each in stored], axis=0)
        # The temperature takes nothing from the order.
        agreement = (said.label == mean.argmax(axis=1)).mean()
        assert agreement >= 0.95
        back = said.probabilities ** bundle.card.targets[target].vote.temperature
        np.testing.assert_allclose(back / back.sum(axis=1, keepdims=True), mean, atol=0.01)


def test_the_network_that_was_taught_answers_by_default_and_sees_each_picture_once(exported, faces):
    bundle = load_bundle(exported)
    assert bundle.card.models == ("vote", "default")
    pictures = faces.of_split("PrivateTest").images
    alone = bundle.predict(pictures, "ferplus")
    assert alone.shape == (len(pictures), 8)
    # By its LiteRT file, which needs no Keras.
    assert not bundle._networks
    network = bundle.network("fer+ferplus-small")
    once = network.predict(pictures[..., None], verbose=0)["ferplus"]
    np.testing.assert_array_equal(alone.argmax(axis=1), once.argmax(axis=1))
    assert not np.allclose(alone, bundle.predict(pictures, "ferplus", model="vote"))
    with pytest.raises(DataError, match="no model 'tiny'; it has vote, default"):
        bundle.predict(pictures, model="tiny")


def test_drift_knows_the_answers_of_what_was_exported(exported, bundle, faces):
    profile = Profile.read(exported)
    assert profile.model == bundle_sha256(exported)
    pictures = faces.of_split("PublicTest").images
    for model in ("vote", "default"):
        for target in bundle.targets:
            expected = prediction_profile(bundle.predict(pictures, target, model=model), bundle.classes(target))
            assert profile.answers[model][target] == expected


def test_loading_needs_no_pretrained_weights_and_predicting_nothing_is_fine(exported):
    content = json.loads((exported / "reference.json").read_text())
    assert {each["backbone"]["weights"] for each in content["networks"].values()} == {"none"}
    assert load_bundle(exported).predict(np.zeros((0, 48, 48), np.uint8)).shape == (0, 7)


def test_wrong_pictures_and_targets_are_refused(bundle):
    with pytest.raises(DataError, match=r"float32 \(2, 48, 48\), expected uint8"):
        bundle.predict(np.zeros((2, 48, 48), np.float32))
    with pytest.raises(DataError, match="answers for fer, ferplus"):
        bundle.predict(np.zeros((1, 48, 48), np.uint8), "valence")


def test_a_file_that_was_changed_is_refused(copy):
    weights = copy / "fer-single.npz"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match=r"fer-single\.npz: sha256 .* expected .*Install ferkit again"):
        load_bundle(copy)
    weights.unlink()
    with pytest.raises(WeightsError, match="No such file"):
        load_bundle(copy)


def test_weights_of_another_network_are_refused(copy):
    card = json.loads((copy / "reference.json").read_text())
    shutil.copyfile(copy / "fer+ferplus-both.npz", copy / "fer-single.npz")
    card["networks"]["fer-single"]["sha256"] = card["networks"]["fer+ferplus-both"]["sha256"]
    (copy / "reference.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="not the weights of single"):
        load_bundle(copy).predict(np.zeros((1, 48, 48), np.uint8), model="vote")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 4}, "format"),
        ({"extra": 1}, "extra"),
        ({"targets": {"fer": {"settings": {"name": "fer"}, "vote": {"weights": {"nobody": 1}}}}}, "nobody"),
        ({"targets": {"fer": {"settings": {"name": "fer"}, "vote": {"weights": {"fer-single": 0.5}}}}}, "sum to 1"),
    ],
)
def test_a_damaged_card_is_one_line(copy, change, message):
    card = json.loads((copy / "reference.json").read_text())
    (copy / "reference.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(WeightsError, match=message) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)


def test_a_card_of_format_1_is_read(copy):
    """Models that were registered or exported before there was a default network."""
    card = json.loads((copy / "reference.json").read_text())
    models = {target: each["settings"] for target, each in card["targets"].items()}
    old = {
        "format": 1,
        "name": "old",
        "networks": {
            name: {key: value for key, value in each.items() if key != "precision"}
            for name, each in card["networks"].items()
        },
        "targets": {
            target: {
                "settings": settings,
                "ensemble": {"weights": {"fer+ferplus-both": 1.0}, "temperature": 0.5},
                "student": {"weights": {"fer+ferplus-small": 1.0}, "temperature": 2.0} if target == "fer" else None,
            }
            for target, settings in models.items()
        },
        "views": {"flip": True, "crops": "none"},
        "student_views": {"flip": False, "crops": "none"},
    }
    (copy / "reference.json").write_text(json.dumps(old))
    read = load_bundle(copy).card
    assert read.models == ("vote", "tiny")
    assert (read.targets["fer"].vote.temperature, read.targets["fer"].tiny.temperature) == (0.5, 2.0)
    assert read.targets["ferplus"].tiny is None
    assert read.tta == {"vote": TestTimeAugmentation(flip=True), "tiny": TestTimeAugmentation()}
    assert read.resolved("default") == "vote"


def test_no_bundle_says_what_to_do(tmp_path):
    with pytest.raises(WeightsError, match="no bundle there"):
        load_bundle(tmp_path)
