"""The gate: floors, paired tests, verdicts and their reasons; no registry."""

import re
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import binom

from ferkit.config.run_config import RunConfig
from ferkit.data.labels import FER_EMOTIONS
from ferkit.errors import DataError
from ferkit.evaluation.metrics import EvaluationSettings, score
from ferkit.evaluation.paired_tests import compare_paired, mcnemar
from ferkit.promotion.gate import Measurement, judge
from ferkit.promotion.settings import GateSettings
from ferkit.registry.verdicts import verdict_page

CLASSES = 7
OPEN = {"accuracy": 0, "macro_f1": 0, "recall": 0, "expected_calibration_error": 1}


def measurement(name, labels, answers, latency=10.0, targets=("fer",), sure=0.9):
    """A model that gives `answers`, each with the probability `sure`."""
    scores = {}
    for target in targets:
        classes = {"fer": 7, "ferplus": 8}[target]
        probabilities = np.full((len(labels), classes), (1 - sure) / (classes - 1), np.float32)
        probabilities[np.arange(len(labels)), answers] = sure
        truth = np.eye(classes, dtype=np.float32)[labels]
        scores[target] = score(probabilities, truth, EvaluationSettings(bootstrap=100), 0)
    same = {target: np.asarray(answers, np.int8) for target in targets}
    return Measurement(name, {target: np.asarray(labels, np.int8) for target in targets}, same, scores, latency)


def predicted_classes(labels, accuracy, seed):
    """Right with the probability `accuracy`, otherwise the next class."""
    right = np.random.default_rng(seed).random(len(labels)) < accuracy
    return np.where(right, labels, (labels + 1) % CLASSES).astype(np.int8)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(0).integers(0, CLASSES, 2000).astype(np.int8)


def gate(floors=None, **change):
    return GateSettings.model_validate({"floors": {**OPEN, **(floors or {})}, "change": change})


def test_mcnemar_is_the_exact_test_less_half_of_what_was_observed():
    # Both tails of the binomial, summed one by one.
    both_tails = sum(binom.pmf(k, 20, 0.5) for k in range(21) if min(k, 20 - k) <= 5)
    assert mcnemar(5, 15) == mcnemar(15, 5) == pytest.approx(both_tails - binom.pmf(5, 20, 0.5))
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == pytest.approx(1 - binom.pmf(3, 6, 0.5) / 2)
    # Fagerland et al. 2013, table 1 (airway hyper-responsiveness before and after a transplantation): 1 and 7.
    assert mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


def test_the_tests_call_equal_models_different_as_often_as_they_say():
    generator = np.random.default_rng(1)
    trials = 2000
    wrong = sum(mcnemar(int(one), 60 - int(one)) < 0.05 for one in generator.binomial(60, 0.5, trials))
    assert 0.025 < wrong / trials < 0.06


def test_the_paired_bootstrap_covers_the_true_difference(labels):
    held, experiments = 0, 200
    generator = np.random.default_rng(2)
    for seed in range(experiments):
        few = labels[generator.integers(0, len(labels), 300)]
        first, second = predicted_classes(few, 0.6, 2 * seed), predicted_classes(few, 0.7, 2 * seed + 1)
        found = compare_paired(first, second, few, CLASSES, draws=200, confidence=0.9, seed=seed)
        held += found.accuracy_low <= 0.1 <= found.accuracy_high
    assert 0.84 < held / experiments < 0.96


def test_a_comparison_says_who_is_right_alone():
    labels = np.array([0, 0, 1, 1, 2], np.int8)
    found = compare_paired(
        np.array([0, 1, 1, 0, 0], np.int8), np.array([0, 0, 1, 1, 1], np.int8), labels, 7,
        draws=100, confidence=0.95, seed=0,
    )  # fmt: skip
    assert (found.only_first, found.only_second, found.pictures) == (0, 2, 5)
    assert found.accuracy == pytest.approx(0.4)
    assert found.accuracy_low <= found.accuracy <= found.accuracy_high
    # By hand: F1 of the first are 2/5, 1/2, 0; of the second 1, 4/5, 0.
    assert found.macro_f1 == pytest.approx((1 + 0.8) / 3 - (0.4 + 0.5) / 3)
    with pytest.raises(DataError, match="expected equally many"):
        compare_paired(labels[:2], labels, labels, 7, draws=10, confidence=0.9, seed=0)


def test_without_a_champion_the_floors_alone_decide(labels):
    good = measurement("m", labels, predicted_classes(labels, 0.8, 0), sure=0.8)
    verdict = judge(good, None, GateSettings(), 0)
    assert verdict.passed
    assert "no champion yet" in verdict.reasons[-1]
    assert set(verdict.metrics()) >= {"challenger/fer/accuracy", "challenger/latency_ms", "challenger/fer/recall_happy"}


@pytest.mark.parametrize(
    ("floors", "reason"),
    [
        ({"accuracy": 0.9}, r"fer accuracy 0\.7\d+, at least 0\.9 is needed"),
        ({"macro_f1": 0.9}, r"fer macro-F1 0\.7\d+, at least 0\.9"),
        ({"recall": 0.9}, r"fer recall of \w+, the lowest, 0\.\d+, at least 0\.9"),
        ({"expected_calibration_error": 0.01}, r"fer expected calibration error 0\.\d+, at most 0\.01"),
        ({"latency_ms": 5.0}, r"latency 10\.0 ms a face, at most 5 ms"),
    ],
)
def test_each_floor_refuses_alone_and_says_why(labels, floors, reason):
    model = measurement("m", labels, predicted_classes(labels, 0.8, 0), sure=0.9)
    assert judge(model, None, gate(), 0).passed
    verdict = judge(model, None, gate(floors), 0)
    assert not verdict.passed
    assert len(verdict.reasons) == 1
    assert re.search(reason, verdict.reasons[0]), verdict.reasons


def test_a_class_of_few_pictures_is_not_held_to_the_recall_floor(labels):
    rare = np.where(np.arange(len(labels)) < 5, 1, np.where(labels == 1, 0, labels)).astype(np.int8)
    answers = rare.copy()
    answers[:5] = 0
    model = measurement("m", rare, answers, sure=1.0)
    passed = judge(model, None, gate({"recall": 0.5}), 0)
    assert passed.passed
    # The floor is left out aloud: whoever reads the verdict knows of which classes nothing was asked.
    probabilities = "fer recall of disgust (5) is not held to the floor: a class needs 20 pictures."
    assert probabilities in passed.reasons
    assert probabilities in list(passed.table()["reason"])
    assert f"- left out: {probabilities}" in verdict_page(passed, "m").splitlines()
    verdict = judge(model, None, gate({"recall": 0.5, "recall_pictures": 5}), 0)
    assert "recall of disgust, the lowest, 0.0000" in verdict.reasons[0]
    assert not [check for check in verdict.checks if check.left_out]
    none = judge(model, None, gate({"recall": 0.5, "recall_pictures": 10**6}), 0)
    [left_out] = [check.reason for check in none.checks if check.left_out]
    assert all(f"{name} ({(rare == at).sum()})" in left_out for at, name in enumerate(FER_EMOTIONS))


def test_a_change_that_chance_explains_is_refused(labels):
    champion = measurement("champion", labels, predicted_classes(labels, 0.70, 0))
    verdict = judge(measurement("same", labels, predicted_classes(labels, 0.71, 1)), champion, gate(), 0)
    assert verdict.comparisons["fer"].p_value > 0.05
    assert not verdict.passed
    assert "McNemar p =" in verdict.reasons[0]
    assert "has to be higher" in verdict.reasons[0]


def test_a_better_model_is_let_through_and_a_worse_one_is_refused_for_each_reason(labels):
    weak = measurement("weak", labels, predicted_classes(labels, 0.6, 0))
    strong = measurement("strong", labels, predicted_classes(labels, 0.7, 1))
    verdict = judge(strong, weak, gate(), 0)
    assert verdict.passed
    assert verdict.metrics()["difference/fer/accuracy"] > 0.05
    assert judge(strong, weak, gate(metric="macro_f1"), 0).passed
    refused = judge(weak, strong, gate(), 0)
    assert not refused.passed
    assert len(refused.reasons) == 3
    assert not judge(strong, weak, gate(least=0.3), 0).passed
    assert "by at least 0.3" in judge(strong, weak, gate(least=0.3), 0).reasons[0]


def test_not_worse_lets_an_equal_model_through_and_no_worse_one(labels):
    champion = measurement("champion", labels, predicted_classes(labels, 0.70, 0))
    settings = gate(require="not_worse", margin=0.05)
    assert judge(measurement("same", labels, predicted_classes(labels, 0.70, 1)), champion, settings, 0).passed
    refused = judge(measurement("worse", labels, predicted_classes(labels, 0.60, 1)), champion, settings, 0)
    assert "lower by more than 0.05 has to be ruled out" in refused.reasons[0]


def test_a_second_target_may_not_suffer_nor_get_lost(labels):
    both = ("fer", "ferplus")
    champion = measurement("champion", labels, predicted_classes(labels, 0.6, 0), targets=both)
    assert judge(
        measurement("better", labels, predicted_classes(labels, 0.7, 1), targets=both), champion, gate(), 0
    ).passed
    lost = judge(measurement("fer only", labels, predicted_classes(labels, 0.7, 1)), champion, gate(), 0)
    [reason] = lost.reasons
    assert reason.startswith(
        "the champion answers for ferplus, the challenger does not; allow it with registry.gate.ch"
    )
    mixed = measurement("better", labels, predicted_classes(labels, 0.7, 1))
    worse = measurement("worse", labels, predicted_classes(labels, 0.5, 1), targets=both)
    half = Measurement(
        "half", worse.labels, {"fer": mixed.predicted_classes["fer"], "ferplus": worse.predicted_classes["ferplus"]},
        {"fer": mixed.scores["fer"], "ferplus": worse.scores["ferplus"]}, 10.0,
    )  # fmt: skip
    refused = judge(half, champion, gate(), 0)
    assert not refused.passed
    assert all(reason.startswith("ferplus") for reason in refused.reasons)
    unknown = judge(mixed, measurement("m", labels, predicted_classes(labels, 0.6, 0)), gate(target="ferplus"), 0)
    assert "ferplus, which decides, is not answered by both" in unknown.reasons[0]


def test_what_the_champion_alone_answers_refuses_unless_told(labels):
    """As a bundle is measured: a target of the champion that the challenger lacks has classes and no scores."""
    classes = {"fer": FER_EMOTIONS, "mood": ("calm", "cross"), "ferplus": ("a", "b")}
    champion = replace(measurement("champion", labels, predicted_classes(labels, 0.6, 0)), classes=classes)
    better = measurement("better", labels, predicted_classes(labels, 0.7, 1))
    better = replace(better, classes={"fer": FER_EMOTIONS, "mood": ("tense", "calm", "cross")})
    lost, changed = judge(better, champion, gate(), 0).reasons[::-1]
    assert lost.startswith("the champion answers for ferplus, the challenger does not; allow it with ")
    assert changed.startswith("mood is calm, cross to the champion, and tense, calm, cross to the challenger; allow it")
    assert judge(better, champion, gate(may_lack=["mood"]), 0).reasons == (lost,)
    told = judge(better, champion, gate(may_lack=["ferplus", "mood"]), 0)
    assert told.passed
    allowed = "the champion answers for ferplus, the challenger does not, as registry.gate.change.may_lack allows."
    assert allowed in told.reasons
    again = replace(better, classes={**classes, "mood": ("cross", "calm")})
    assert judge(again, champion, gate(), 0).passed, "the order of classes is no change"


def test_models_of_other_classes_are_not_compared_and_a_person_decides(labels):
    one, other = (measurement(name, labels, predicted_classes(labels, 0.6, 0)) for name in ("one", "other"))
    names = tuple(f"class {at}" for at in range(CLASSES))
    before = replace(other, scores={}, predicted_classes={}, labels={}, classes={"fer": ("calm", "cross")})
    [reason] = judge(replace(one, classes={"fer": names}), before, gate(), 0).reasons
    assert reason.startswith("fer is calm, cross to the champion, and class 0, class 1")
    before = replace(before, classes={"mood": ("calm", "cross")})
    [reason] = judge(replace(one, classes={"fer": names}), before, gate(), 0).reasons
    assert reason.startswith("the champion answers for mood, the challenger for fer: nothing is compared")
    assert reason.endswith("`ferkit promote --force`.")


def test_the_settings_have_bounds_and_names():
    with pytest.raises(ValidationError):
        gate(alpha=0.7)
    with pytest.raises(ValidationError):
        gate({"acuracy": 0.5})
    run = {"name": "r", "data": {"source": "synthetic"}, "backbones": [{"name": "fernet"}]}
    config = RunConfig.model_validate({**run, "registry": {"register": False}})
    assert not config.registry.register_
    assert RunConfig.model_validate(run).registry.register_
    assert "register: false" in config.to_yaml()
