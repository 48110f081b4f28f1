import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FERPLUS_TO_FER, Split, votes_to_labels
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.evaluation.evaluate import EvaluationSettings, evaluate
from ferkit.evaluation.metrics import Scores, score
from ferkit.evaluation.reliability import reliability
from ferkit.models.predictions import Predictions
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

SETTINGS = EvaluationSettings(bootstrap=500)


def one_hot(label: NDArray[np.int64] | list[int], classes: int) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[label]


def random_predictions(count: int, classes: int, skill: float, seed: int) -> tuple[NDArray, NDArray]:
    generator = np.random.default_rng(seed)
    labels = one_hot(generator.integers(0, classes, count), classes)
    odds = np.exp(generator.normal(0, 1, (count, classes)) + skill * labels)
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_scores_of_four_pictures_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.6, 0.3, 0.1], [0.2, 0.8, 0], [0.05, 0.05, 0.9]], dtype=np.float32)
    scores = score(probabilities, one_hot([0, 1, 1, 0], 3), SETTINGS, seed=0)
    assert scores.count == scores.available == 4
    assert scores.accuracy == 0.5
    assert scores.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert scores.recall[:2] == (0.5, 0.5)
    assert np.isnan(scores.recall[2]), "no picture has this label"
    # Class 0: 2 * 1 / (2 labelled + 2 predicted); class 1: 2 * 1 / (2 + 1); class 2 has no label.
    assert scores.macro_f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.log_loss == pytest.approx(-np.log([0.9, 0.3, 0.8, 0.05]).mean(), rel=1e-6)
    # 15 bins: 0.9 and 0.9 share one of accuracy 1/2; 0.6 and 0.8 are alone in theirs.
    assert scores.expected_calibration_error == pytest.approx((2 * abs(0.5 - 0.9) + 0.6 + 0.2) / 4, abs=1e-6)


def test_scores_agree_with_scikit_learn() -> None:
    from sklearn import metrics

    probabilities, labels = random_predictions(800, 7, 1.5, seed=1)
    truth, predicted = labels.argmax(axis=1), probabilities.argmax(axis=1)
    scores = score(probabilities, labels, SETTINGS, seed=0)
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert scores.recall == pytest.approx(metrics.recall_score(truth, predicted, average=None))
    assert scores.log_loss == pytest.approx(metrics.log_loss(truth, probabilities), rel=1e-5)
    np.testing.assert_array_equal(scores.confusion, metrics.confusion_matrix(truth, predicted))


def test_interval_is_that_of_a_bootstrap_over_pictures() -> None:
    """Drawing cells of the confusion matrix is drawing pictures: the plain way gives the same quantiles."""
    from sklearn import metrics

    probabilities, labels = random_predictions(300, 4, 1.5, seed=2)
    truth, predicted = labels.argmax(axis=1), probabilities.argmax(axis=1)
    scores = score(probabilities, labels, EvaluationSettings(bootstrap=4000), seed=0)
    generator = np.random.default_rng(0)
    draws = generator.integers(0, 300, (1000, 300))
    accuracies = [(truth[draw] == predicted[draw]).mean() for draw in draws]
    f1s = [metrics.f1_score(truth[draw], predicted[draw], average="macro") for draw in draws]
    assert [scores.accuracy_low, scores.accuracy_high] == pytest.approx(
        np.quantile(accuracies, [0.025, 0.975]), abs=0.01
    )
    assert [scores.macro_f1_low, scores.macro_f1_high] == pytest.approx(np.quantile(f1s, [0.025, 0.975]), abs=0.01)


def test_interval_holds_the_true_accuracy_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    true_accuracy, experiments = 0.7, 400
    held = 0
    for seed in range(experiments):
        right = generator.random(400) < true_accuracy
        probabilities = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
        scores = score(probabilities, one_hot(np.zeros(400, dtype=int), 2), SETTINGS, seed)
        held += scores.accuracy_low <= true_accuracy <= scores.accuracy_high
    # 95 % of 400 is 380, with a standard deviation of 4.4.
    assert 362 <= held <= 395


def test_confidence_and_seed() -> None:
    probabilities, labels = random_predictions(300, 4, 1.5, seed=2)
    wide, narrow = (score(probabilities, labels, EvaluationSettings(confidence=level), 0) for level in (0.99, 0.8))
    assert wide.accuracy_low < narrow.accuracy_low < narrow.accuracy < narrow.accuracy_high < wide.accuracy_high
    again = score(probabilities, labels, EvaluationSettings(confidence=0.8), 0)
    other = score(probabilities, labels, EvaluationSettings(confidence=0.8), 1)
    assert again.to_dict() == narrow.to_dict()
    assert other.macro_f1_low != narrow.macro_f1_low


def test_reliability_bins() -> None:
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [0.2, 0.8], [1.0, 0.0]], dtype=np.float32)
    bins = reliability(probabilities, np.array([0, 1, 1, 0], dtype=np.int8), bins=4)
    # A bin holds its upper edge: 0.5 lies in (0.25, 0.5], 0.75 in (0.5, 0.75].
    assert bins.count.tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(bins.accuracy[1:], [1, 0, 1])
    np.testing.assert_allclose(bins.confidence[1:], [0.5, 0.75, 0.9], atol=1e-6)
    assert np.isnan(bins.accuracy[0])
    assert bins.expected_calibration_error == pytest.approx((0.5 + 0.75 + 2 * 0.1) / 4, abs=1e-6)


def test_a_calibrated_model_has_no_calibration_error() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 20_000)
    probabilities = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    label = (generator.random(20_000) > confidence).astype(np.int8)
    assert reliability(probabilities, label).expected_calibration_error < 0.015
    overconfident = np.stack([confidence**0.2, 1 - confidence**0.2], axis=1).astype(np.float32)
    assert reliability(overconfident, label).expected_calibration_error > 0.1


def test_scores_round_trip_through_json() -> None:
    scores = score(*random_predictions(50, 7, 1.0, seed=0), SETTINGS, seed=0)
    missing = score(one_hot([0, 1], 3), one_hot([0, 1], 3), SETTINGS, seed=0)
    for each in (scores, missing):
        text = json.dumps(each.to_dict(), allow_nan=False)
        assert Scores.from_dict(json.loads(text)).to_dict() == each.to_dict()


def test_nothing_to_judge_and_shapes_that_differ() -> None:
    empty = np.zeros((0, 7), dtype=np.float32)
    with pytest.raises(DataError, match="not empty"):
        score(empty, empty, SETTINGS, seed=0)
    with pytest.raises(DataError, match="expected equal shapes"):
        score(one_hot([0], 7), one_hot([0], 8), SETTINGS, seed=0)
    with pytest.raises(ValidationError):
        EvaluationSettings(confidence=95)


def make_faces(votes: bool = True) -> FaceDataset:
    """90 faces; the first 3 of PublicTest and 5 of PrivateTest occur in Training, and 2 of PrivateTest are copies."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (90, 48, 48)).astype(np.uint8)
    split = np.repeat([0, 1, 2], 30).astype(np.int8)
    images[60:65] = images[0:5]
    images[30:33] = images[10:13]
    images[89] = images[88]
    label = generator.integers(0, 7, 90).astype(np.int8)
    counted = generator.multinomial(10, [0.1] * 10, size=90).astype(np.uint8)
    counted[::2] = 0
    counted[np.arange(0, 90, 2), generator.integers(0, 8, 45)] = 8
    return FaceDataset(images, label, split, np.arange(90) + 500, counted if votes else None)


def predict(faces: FaceDataset, rows: NDArray[np.int64], split: Split, classes: int = 7, seed: int = 0) -> Predictions:
    probabilities, _ = random_predictions(len(rows), classes, 0, seed)
    return Predictions("fer" if classes == 7 else "ferplus", split, rows, probabilities)


def test_every_subset_with_its_count() -> None:
    faces = make_faces()
    public, private = faces.of_split("PublicTest"), faces.of_split("PrivateTest")
    predictions = [predict(faces, public.row, "PublicTest"), predict(faces, private.row, "PrivateTest")]
    evaluation = evaluate("fernet", predictions, faces, TargetSettings(), SETTINGS, seed=0)
    assert private.votes is not None
    keep = votes_to_labels(private.votes, "majority_7").keep
    counts = {name: scores.count for name, scores in evaluation.scores.items()}
    assert counts == {
        "PublicTest": 30,
        "PublicTest, no duplicates": 27,
        "PrivateTest": 30,
        "PrivateTest, no duplicates": 25,
        "PrivateTest, FER+ majority_7": keep.sum(),
        "PrivateTest, FER+ majority_7, no duplicates": keep[5:].sum(),
    }
    of_private = predictions[1].label
    of_public, unknown = predictions[0].label[3:], public.label[3:]
    assert evaluation.scores["PublicTest, no duplicates"].accuracy == (of_public == unknown).mean()
    assert evaluation.scores["PrivateTest"].accuracy == (of_private == private.label).mean()
    assert evaluation.scores["PrivateTest, no duplicates"].accuracy == (of_private[5:] == private.label[5:]).mean()
    plus = FERPLUS_TO_FER[votes_to_labels(private.votes, "majority_7").label[keep]]
    assert evaluation.scores["PrivateTest, FER+ majority_7"].accuracy == pytest.approx(
        (of_private[keep] == plus).mean()
    )
    np.testing.assert_array_equal(evaluation.labels["PrivateTest"], private.label)
    assert evaluation.protocol == "FER-2013"


def test_the_order_of_predictions_does_not_matter() -> None:
    faces = make_faces()
    predicted = predict(faces, faces.of_split("PrivateTest").row, "PrivateTest")
    order = np.random.default_rng(1).permutation(30)
    shuffled = Predictions("fer", "PrivateTest", predicted.row[order], predicted.probabilities[order])
    first, other = (evaluate("a", [each], faces, TargetSettings(), SETTINGS, seed=0) for each in (predicted, shuffled))
    assert {name: each.to_dict() for name, each in first.scores.items()} == {
        name: each.to_dict() for name, each in other.scores.items()
    }
    np.testing.assert_array_equal(other.labels["PrivateTest"], first.labels["PrivateTest"][order])
    assert first.content_hash() != other.content_hash()


def test_ferplus_under_the_protocol_of_the_config() -> None:
    faces = make_faces()
    private = faces.of_split("PrivateTest")
    assert private.votes is not None
    for protocol in ("majority", "argmax"):
        target = TargetSettings.model_validate({"name": "ferplus", "protocol": protocol})
        labels = votes_to_labels(private.votes, target.protocol)
        predicted = predict(faces, private.row[labels.keep], "PrivateTest", classes=8)
        evaluation = evaluate("a", [predicted], faces, target, SETTINGS, seed=0)
        assert list(evaluation.scores) == ["PrivateTest", "PrivateTest, no duplicates"]
        assert evaluation.scores["PrivateTest"].count == labels.keep.sum()
        assert evaluation.scores["PrivateTest"].accuracy == pytest.approx(
            (predicted.label == labels.label[labels.keep]).mean()
        )
        assert set(evaluation.to_table()["labels"]) == {f"FER+ {protocol}"}


def test_pictures_that_were_not_asked_about_are_counted() -> None:
    faces = make_faces(votes=False)
    predicted = predict(faces, faces.of_split("PrivateTest").row[2:], "PrivateTest")
    table = evaluate("a", [predicted], faces, TargetSettings(), SETTINGS, seed=0).to_table().set_index("subset")
    assert table[["pictures", "available"]].to_numpy().tolist() == [[28, 30], [25, 25]]


def test_predictions_that_do_not_belong_are_refused() -> None:
    faces = make_faces()
    with pytest.raises(DataError, match=r"30 predictions of PrivateTest have no label there.*first for row 530"):
        evaluate(
            "a",
            [predict(faces, faces.of_split("PublicTest").row, "PrivateTest")],
            faces,
            TargetSettings(),
            SETTINGS,
            seed=0,
        )
    with pytest.raises(DataError, match="a: predictions of target ferplus, expected fer"):
        evaluate(
            "a", [predict(faces, np.arange(560, 590), "PrivateTest", 8)], faces, TargetSettings(), SETTINGS, seed=0
        )
    with pytest.raises(DataError, match="no picture of PublicTest was predicted"):
        evaluate("a", [predict(faces, np.arange(0), "PublicTest")], faces, TargetSettings(), SETTINGS, seed=0)


def test_table_has_a_line_a_subset() -> None:
    faces = make_faces()
    predicted = [predict(faces, faces.of_split(split).row, split) for split in ("PublicTest", "PrivateTest")]
    evaluation = evaluate("fernet", predicted, faces, TargetSettings(), SETTINGS, seed=0)
    table = evaluation.to_table()
    assert table["subset"].tolist() == list(evaluation.scores)
    assert table["labels"].tolist() == ["FER-2013"] * 4 + ["FER+ majority_7"] * 2
    scores = evaluation.scores["PrivateTest"]
    line = table.iloc[2]
    assert (line["accuracy"], line["macro_f1"]) == (scores.accuracy, scores.macro_f1)
    assert line["recall_disgust"] == pytest.approx(scores.recall[1], nan_ok=True)


@pytest.mark.skipif(
    not os.environ.get("FERKIT_TEST_DATA"), reason="FERKIT_TEST_DATA names no folder with a FER-2013 sample"
)
def test_the_labels_of_fer2013_judged_against_ferplus() -> None:
    """The label of FER equals the majority of FER+ on two thirds of PrivateTest."""
    faces = load_fer2013(Fer2013Settings(path=Path(os.environ["FERKIT_TEST_DATA"])))
    private = faces.of_split("PrivateTest")
    perfect = Predictions("fer", "PrivateTest", private.row, one_hot(private.label.astype(int), 7))
    evaluation = evaluate("labels", [perfect], faces, TargetSettings(), SETTINGS, seed=0)
    assert evaluation.scores["PrivateTest"].accuracy == 1
    assert 0.55 < evaluation.scores["PrivateTest, FER+ majority_7"].accuracy < 0.8
