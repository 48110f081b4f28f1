"""Bundles: what a run made, written from memory, read back, and what is said about it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import TargetCard, Vote
from ferkit.bundles.parity import ParityError
from ferkit.bundles.writing import ensemble_vote, write_bundle
from ferkit.config.loading import load_config
from ferkit.data.targets import TargetSettings
from ferkit.models.ensemble import Ensemble
from ferkit.models.selection import SelectionSettings, selection_pictures
from ferkit.models.temperature import apply_temperature
from ferkit.promotion.measure import measure_bundle, protocols_of
from ferkit.release.run_bundle import bundle_ensemble, bundle_single
from tests.toys.run import toy_run

ORIGIN = {"Commit of ferkit": "abc123"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("networks"), prediction={"flip": True})


@pytest.fixture(scope="module")
def judged(run, tmp_path_factory):
    return bundle_ensemble(run, tmp_path_factory.mktemp("bundles") / "bundle", ORIGIN)


def test_a_bundle_holds_what_serves_it_and_what_explains_it(judged):
    assert sorted(each.name for each in judged.bundle.folder.iterdir()) == [
        "MODEL_CARD.md", "config.yaml", "fer+ferplus-both.npz", "fer+ferplus-small.npz", "fer-single.npz",
        "profile.json", "reference.json", "scores.csv",
    ]  # fmt: skip


def test_it_answers_what_the_run_said_calibrated(judged, run):
    bundle = Bundle(judged.bundle.folder)
    for target in ("fer", "ferplus"):
        judged = run.evaluation(target, "ensemble").predictions["PrivateTest"]
        said = bundle.predict_split(run.faces, target, "PrivateTest")
        temperature = bundle.card.targets[target].vote.temperature
        assert temperature != 1
        np.testing.assert_array_equal(said.row, judged.row)
        np.testing.assert_allclose(said.probabilities, apply_temperature(judged.probabilities, temperature), atol=0.02)
    assert bundle.card.tta == {"vote": run.config.prediction, "tiny": run.config.prediction}


def test_the_numbers_are_those_of_the_calibrated_answers(judged, run):
    scores = judged.scores.set_index(["target", "model", "subset"])
    raw = run.evaluation("fer", "ensemble").scores["PrivateTest"]
    assert scores.loc[("fer", "vote", "PrivateTest"), "accuracy"] == raw.accuracy
    line = scores.loc[("fer", "vote", "PrivateTest")]
    assert line["raw_log_loss"] == raw.log_loss != line["log_loss"]
    assert line["raw_expected_calibration_error"] == raw.expected_calibration_error
    member = scores[scores["role"] == "member"]
    assert (member["raw_log_loss"] == member["log_loss"]).all()
    assert scores.loc[("fer", "vote", "PublicTest"), "log_loss"] < (
        run.evaluation("fer", "ensemble").scores["PublicTest"].log_loss
    )
    assert set(judged.scores["role"]) == {"member", "vote", "tiny"}
    assert judged.metrics["fer/PrivateTest/accuracy"] == raw.accuracy
    assert {"fer/tiny/PrivateTest/macro_f1", "ferplus/PublicTest/expected_calibration_error"} <= set(judged.metrics)
    assert not any("member" in name or np.isnan(value) for name, value in judged.metrics.items())
    pd.testing.assert_frame_equal(pd.read_csv(judged.bundle.folder / "scores.csv"), judged.scores, atol=1e-9)


def test_the_card_and_the_configuration_go_with_it(judged, run):
    card = (judged.bundle.folder / "MODEL_CARD.md").read_text()
    for expected in ("What they must not be used for", "`both` (fernet)", "Commit of ferkit: abc123", "synthetic"):
        assert expected in card
    assert "Kaggle contest" not in card, "no word of FER-2013's pictures: these are others"
    assert load_config(judged.bundle.folder / "config.yaml") == run.config


def test_a_single_network_answers_for_all_that_it_learned(run, tmp_path):
    judged = bundle_single(run, "small", tmp_path / "bundle", ORIGIN)
    assert judged.bundle.targets == ("fer", "ferplus")
    assert judged.bundle.card.models == ("vote",)
    assert list(judged.bundle.card.networks) == ["fer+ferplus-small"]
    student = bundle_ensemble(run, tmp_path / "other", ORIGIN).bundle
    pictures = run.faces.of_split("PrivateTest").images
    np.testing.assert_array_equal(
        judged.bundle.predict(pictures, "fer"), student.predict(pictures, "fer", model="tiny")
    )


def test_a_member_without_a_say_is_left_out(run, tmp_path):
    ensembles = [replace(each, weights=(1.0, 0.0)[: len(each.weights)]) for each in run.ensembles]
    evaluations = [
        replace(each, predictions=run.evaluation(each.target, "both").predictions) if each.model == "ensemble" else each
        for each in run.evaluations
    ]
    changed = replace(run, ensembles=ensembles, evaluations=evaluations)
    judged = bundle_ensemble(changed, tmp_path / "bundle", ORIGIN)
    assert "fer-single" not in judged.bundle.card.networks
    assert not (tmp_path / "bundle" / "fer-single.npz").exists()


def test_networks_that_are_not_those_of_the_run_are_refused(run, tmp_path):
    other = toy_run(tmp_path / "networks", seed=7, prediction={"flip": True})
    with pytest.raises(ParityError, match=r"bundle, vote does not say what the trained networks say: .*difference"):
        bundle_ensemble(replace(run, models=other.models), tmp_path / "bundle", ORIGIN)


def test_a_bundle_of_pieces_needs_no_run(run, tmp_path):
    networks = run.networks(["single", "both"])
    ensemble = Ensemble("fer", "mean", ("fer-single", "fer+ferplus-both"), (0.5, 0.5))
    card = TargetCard(settings=TargetSettings(), vote=ensemble_vote(ensemble, 2.0))
    made = write_bundle(tmp_path / "bundle", "pieces", networks, {"fer": card}, {})
    content = json.loads((tmp_path / "bundle" / "reference.json").read_text())
    assert content["targets"]["fer"]["vote"] == {"weights": {"fer-single": 0.5, "fer+ferplus-both": 0.5},
                                                     "temperature": 2.0}  # fmt: skip
    assert made.predict(run.faces.images[:3]).shape == (3, 7)
    shutil.rmtree(tmp_path / "bundle")
    alone = TargetCard(settings=TargetSettings(), vote=Vote(weights={"fer-single": 1.0}))
    made = write_bundle(tmp_path / "bundle", "alone", networks, {"fer": alone}, {})
    assert list(made.card.networks) == ["fer-single"]


def test_the_gate_asks_the_pictures_that_choose(judged, run):
    images = run.faces.images.copy()
    images[np.flatnonzero(run.faces.in_split("PublicTest"))[:3]] = images[run.faces.in_split("Training")][:3]
    faces = replace(run.faces, images=images)
    for selection in (SelectionSettings(), SelectionSettings(duplicates="keep")):
        measurement = measure_bundle(
            "toy", judged.bundle, faces, protocols_of(judged.bundle), run.config.evaluation, 0,
            selection=selection,
        )  # fmt: skip
        assert measurement.labels["fer"].tolist() == selection_pictures(faces, selection).label.tolist()
        assert measurement.subset == selection.subset
    assert len(measurement.labels["fer"]) >= len(selection_pictures(faces, SelectionSettings())) + 3
