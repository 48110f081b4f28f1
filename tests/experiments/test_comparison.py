"""Comparing configurations over pictures and seeds: against direct computations, and against what is true."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ferkit.errors import DataError
from ferkit.experiments.comparison import Answers, compare_cells, holm, seeds_needed

CLASSES = 4


def answers_of(label, accuracy, seeds, generator, spread=0.0):
    """Answers of networks that are right with a probability, which differs between seeds."""
    levels = accuracy + spread * generator.standard_normal(seeds)
    right = generator.random((seeds, len(label))) < levels[:, None]
    wrong = (label + generator.integers(1, CLASSES, (seeds, len(label)))) % CLASSES
    predicted = np.where(right, label, wrong).astype(np.int8)
    return Answers(predicted, np.where(right, 0.2, 2.0).astype(np.float32))


def compare(answers, label, metric="accuracy", draws=500, seed=0, least_difference=0.01):
    return compare_cells(
        answers, label, CLASSES, "base", metric,
        least_difference=least_difference, draws=draws, confidence=0.95, seed=seed,
    )  # fmt: skip


@pytest.fixture(scope="module")
def label():
    return np.random.default_rng(0).integers(0, CLASSES, 800).astype(np.int8)


def test_the_numbers_are_those_of_each_seed(label):
    generator = np.random.default_rng(1)
    answers = {"base": answers_of(label, 0.6, 3, generator), "other": answers_of(label, 0.7, 2, generator)}
    for metric, of in (
        ("accuracy", lambda each: (each.predicted == label).mean(axis=1)),
        ("macro_f1", lambda each: [f1_score(label, one, average="macro") for one in each.predicted]),
        ("log_loss", lambda each: each.log_loss.astype(np.float64).mean(axis=1)),
    ):
        found = compare(answers, label, metric)
        for name, each in answers.items():
            expected = np.array(of(each))
            np.testing.assert_allclose(found[name].values, expected, rtol=1e-6)
            assert found[name].mean == pytest.approx(expected.mean())
            assert found[name].spread == pytest.approx(expected.std(ddof=1))
        assert found["other"].difference == pytest.approx(found["other"].mean - found["base"].mean)
        assert np.isnan(found["base"].difference)


def test_with_one_seed_the_interval_is_that_of_the_pictures_alone(label):
    generator = np.random.default_rng(2)
    answers = {"base": answers_of(label, 0.6, 1, generator), "other": answers_of(label, 0.65, 1, generator)}
    found = compare(answers, label, draws=4000)["other"]
    gain = (answers["other"].predicted[0] == label).astype(float) - (answers["base"].predicted[0] == label)
    error = gain.std() / np.sqrt(len(label))
    assert found.low == pytest.approx(gain.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(gain.mean() + 1.96 * error, abs=0.1 * error)
    assert found.seeds_needed is None
    assert np.isnan(found.spread)


def test_the_interval_is_as_wide_as_both_sources_of_chance_make_it(label):
    generator = np.random.default_rng(3)
    answers = {name: answers_of(label, 0.6, 6, generator, spread=0.05) for name in ("base", "other")}
    right = {name: each.predicted == label for name, each in answers.items()}
    pictures = right["other"].mean(axis=0) - right["base"].mean(axis=0)
    seeds = sum(each.mean(axis=1).var(ddof=1) / 6 for each in right.values())
    error = np.sqrt(pictures.var() / len(label) + seeds)
    found = compare(answers, label, draws=4000)["other"]
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.12)
    own = right["other"]
    error = np.sqrt(own.mean(axis=0).var() / len(label) + own.mean(axis=1).var(ddof=1) / 6)
    # What pictures are to single seeds is in both sources, so that this errs on the safe side.
    assert 0.95 < (found.mean_high - found.mean_low) / (2 * 1.96 * error) < 1.2
    assert (found.mean_high + found.mean_low) / 2 == pytest.approx(found.mean, abs=0.2 * error)


def test_in_folds_every_training_is_drawn_on_its_own():
    """Trainings of one seed number have no more in common in two folds than those of two numbers."""
    generator, seeds, folds, each_fold = np.random.default_rng(6), 4, 3, 800
    label = generator.integers(0, CLASSES, folds * each_fold).astype(np.int8)
    fold = generator.permutation(np.repeat(np.arange(folds), each_fold))
    answers, right = {}, {}
    for name in ("base", "other"):
        levels = 0.6 + 0.06 * generator.standard_normal((seeds, folds))
        right[name] = generator.random((seeds, len(label))) < levels[:, fold]
        predicted = np.where(right[name], label, (label + 1) % CLASSES).astype(np.int8)
        answers[name] = Answers(predicted, np.where(right[name], 0.2, 2.0).astype(np.float32))
    found = compare_cells(
        answers, label, CLASSES, "base", "accuracy",
        least_difference=0.01, draws=1500, confidence=0.95, seed=0, fold=fold,
    )["other"]  # fmt: skip
    units = {
        name: np.stack([each[:, fold == at].mean(axis=1) for at in range(folds)], axis=1)
        for name, each in right.items()
    }
    np.testing.assert_allclose(found.units, units["other"].ravel())
    assert found.spread == pytest.approx(units["other"].std(ddof=1))
    assert found.units_better == (units["other"] > units["base"]).sum()
    assert found.difference == pytest.approx(right["other"].mean() - right["base"].mean())
    pictures = (right["other"].mean(axis=0) - right["base"].mean(axis=0)).var() / len(label)
    trainings = sum((each.var(axis=0, ddof=1) / seeds / folds**2).sum() for each in units.values())
    assert (found.high - found.low) / (2 * 1.96 * np.sqrt(pictures + trainings)) == pytest.approx(1, abs=0.15)


def test_what_is_no_better_is_found_better_as_seldom_as_the_level_says(label):
    """Forty experiments in which nothing differs: about two of them may be taken in at the level 0.05."""
    found = []
    for trial in range(40):
        generator = np.random.default_rng(100 + trial)
        answers = {name: answers_of(label, 0.6, 5, generator, spread=0.02) for name in ("base", "other")}
        found.append(compare(answers, label, draws=200, seed=trial)["other"].p_value < 0.05)
    assert sum(found) <= 7


def test_a_large_difference_is_found(label):
    generator = np.random.default_rng(4)
    answers = {
        "base": answers_of(label, 0.6, 3, generator, 0.01),
        "same": answers_of(label, 0.6, 3, generator, 0.01),
        "better": answers_of(label, 0.8, 3, generator, 0.01),
    }
    found = compare(answers, label)
    assert found["better"].adjusted_p_value == pytest.approx(2 * found["better"].p_value)
    assert found["better"].adjusted_p_value < 0.01
    assert found["same"].adjusted_p_value > 0.05


def test_holm_never_lets_a_larger_p_value_become_the_smaller():
    assert holm({"a": 0.02, "b": 0.021, "c": 0.5}) == pytest.approx({"a": 0.06, "b": 0.06, "c": 0.5})
    assert holm({}) == {}


def test_seeds_that_are_needed_grow_with_the_spread_and_end_where_pictures_limit():
    few, many = (seeds_needed(1e-6, 2 * spread**2, 0.005) for spread in (0.002, 0.006))
    assert 2 <= few < many
    assert seeds_needed(0.01**2, 0.0, 0.005) is None


def test_answers_about_other_pictures_are_refused(label):
    short = answers_of(label[:10], 0.6, 2, np.random.default_rng(5))
    with pytest.raises(DataError, match=r"base: answers \(2, 10\) for 800 labels"):
        compare({"base": short}, label)
