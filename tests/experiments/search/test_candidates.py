"""The trials of a search: chosen, stopped early, killed and gone on with, with a function in place of trainings."""

import itertools
import math

import pytest

from ferkit.errors import ConfigError
from ferkit.experiments.search.candidates import Candidates
from ferkit.experiments.search.settings import SearchSettings

RANGES = {
    "rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "size": {"low": 8, "high": 64, "step": 8},
    "method": ["none", "smote"],
    "shift": {"low": 0.0, "high": 0.5, "step": 0.25},
}


def settings(**change):
    given = {"ranges": RANGES, "trials": 8, "startup_trials": 3, "pruner": {"method": "none"}}
    return SearchSettings.model_validate({**given, **change})


def score(values):
    """Best at a rate of 0.01, in large steps, with SMOTE."""
    values = {"size": 8, "method": "none", "shift": 0, **values}
    return -abs(math.log10(values["rate"]) + 2) + values["size"] / 64 + (values["method"] == "smote") - values["shift"]


def opened(folder, given, key="k", maximize=True):
    return Candidates(folder / "trials.db", "toy", given, maximize=maximize, key=key)


def run(candidates, most=None):
    """As many trials as are asked for, or all."""
    while (most is None or candidates.ended < most) and (candidate := candidates.next()):
        candidates.complete(candidate, score(candidate.values))


def test_values_lie_in_their_ranges_and_the_best_trial_is_the_best(tmp_path):
    candidates = opened(tmp_path, settings())
    run(candidates)
    records = candidates.records()
    assert [each.number for each in records] == list(range(8))
    for each in records:
        assert each.state == "complete"
        assert 1e-4 <= each.values["rate"] <= 1e-1
        assert each.values["size"] in range(8, 65, 8)
        assert each.values["method"] in ("none", "smote")
        assert each.values["shift"] in (0.0, 0.25, 0.5)
        assert each.score == score(each.values)
    assert candidates.best.score == max(score(each.values) for each in records)
    assert candidates.next() is None


def test_a_search_that_was_stopped_makes_the_trials_of_one_that_was_not(tmp_path):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = opened(tmp_path / "whole", settings())
    run(whole)
    for most in (2, 5):
        run(opened(tmp_path / "stopped", settings()), most)
        cut_off = opened(tmp_path / "stopped", settings()).next()
        cut_off.report(0, 0.5)
    last = opened(tmp_path / "stopped", settings())
    run(last)
    assert [each.values for each in last.records()] == [each.values for each in whole.records()]
    assert [each.score for each in last.records()] == [each.score for each in whole.records()]


def test_more_trials_go_on_with_those_that_are_there(tmp_path):
    run(opened(tmp_path, settings(trials=3)))
    more = opened(tmp_path, settings(trials=5))
    assert more.ended == 3
    run(more)
    assert more.ended == 5


@pytest.mark.parametrize("stopped", [False, True])
def test_a_grid_tries_every_combination_once(tmp_path, stopped):
    ranges = {"size": {"low": 1, "high": 3, "step": 1}, "method": ["none", "smote"], "flag": [True, False]}
    given = SearchSettings.model_validate({"ranges": ranges, "sampler": "grid"})
    assert given.count == 12
    candidates = opened(tmp_path, given)
    while candidate := candidates.next():
        if stopped and candidate.number == 5:
            stopped = False
            candidates = opened(tmp_path, given)
            continue
        candidates.complete(candidate, 0.0)
    tried = [tuple(each.values.values()) for each in candidates.records()]
    assert len(tried) == 12
    assert set(tried) == set(itertools.product((1, 2, 3), ("none", "smote"), (True, False)))


def side_by_side(candidates, most):
    """As many trials at a time as are asked for; the later one of two ends first."""
    running = []
    while True:
        while len(running) < most and (candidate := candidates.next()):
            running.append(candidate)
        if not running:
            return
        candidate = running.pop()
        candidates.complete(candidate, score(candidate.values))


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_trials_that_no_result_decides_are_the_same_side_by_side(tmp_path, sampler):
    few = {"rate": [0.001, 0.01], "method": RANGES["method"], "shift": RANGES["shift"]}
    ranges = few if sampler == "grid" else RANGES
    given = SearchSettings.model_validate(
        {"ranges": ranges, "sampler": sampler, "trials": None if sampler == "grid" else 8}
    )
    found = []
    for most in (1, 3):
        (tmp_path / str(most)).mkdir()
        candidates = opened(tmp_path / str(most), given)
        side_by_side(candidates, most)
        found.append((candidates.records(), candidates.best.number))
    assert found[0] == found[1]


def test_those_that_run_at_the_same_time_are_others_and_all_go_on_after_a_kill(tmp_path):
    given = settings(ranges={"rate": RANGES["rate"]}, startup_trials=2, trials=8)
    candidates = opened(tmp_path, given)
    run(candidates, 3)
    begun = [candidates.next().values["rate"] for _ in range(3)]
    assert min(abs(math.log10(one / other)) for one, other in itertools.combinations(begun, 2)) > 0.01
    later = opened(tmp_path, given)
    again = later.cut_off()
    assert [(each.number, each.values["rate"]) for each in again] == list(zip((3, 4, 5), begun, strict=True))
    assert later.cut_off() == []
    assert later.next().number == 6
    for each in reversed(again):
        later.complete(each, score(each.values))
    assert later.next().number == 7
    assert later.next() is None
    assert later.ended == 6


def test_tpe_looks_where_trials_were_good(tmp_path):
    """After ten random trials, the others come closer."""
    given = SearchSettings.model_validate({"ranges": {"rate": RANGES["rate"]}, "trials": 20, "seed": 1})
    candidates = opened(tmp_path, given)
    while candidate := candidates.next():
        candidates.complete(candidate, -((math.log10(candidate.values["rate"]) + 2) ** 2))
    scores = [each.score for each in candidates.records()]
    assert sum(scores[-10:]) / 10 > sum(scores[:10]) / 10


def test_a_smaller_number_can_be_the_better_one(tmp_path):
    candidates = opened(tmp_path, settings(), maximize=False)
    run(candidates)
    assert candidates.best.score == min(each.score for each in candidates.records())


def test_a_trial_that_is_behind_the_median_is_stopped_and_none_before_the_warm_up(tmp_path):
    candidates = opened(tmp_path, settings(pruner={"startup_trials": 2, "warmup_epochs": 2}))
    for level in (0.5, 0.6):
        candidate = candidates.next()
        assert not any(candidate.report(epoch, level) for epoch in range(4))
        candidates.complete(candidate, level)
    candidate = candidates.next()
    assert [candidate.report(epoch, 0.4) for epoch in range(3)] == [False, False, True]
    candidates.prune(candidate)
    good = candidates.next()
    assert not any(good.report(epoch, 0.7) for epoch in range(4))
    candidates.fail(good, "the loss is no number")
    states = [each.state for each in candidates.records()]
    assert states == ["complete", "complete", "pruned", "failed"]
    assert candidates.records()[2].epochs == {0: 0.4, 1: 0.4, 2: 0.4}
    assert candidates.records()[3].note == "the loss is no number"
    assert candidates.best.score == 0.6
    assert candidates.ended == 4


def test_trials_of_something_else_are_not_gone_on_with(tmp_path):
    run(opened(tmp_path, settings()), 1)
    with pytest.raises(
        ConfigError, match=r"trials\.db: holds trials of other settings.*another name, or delete the file"
    ):
        opened(tmp_path, settings(), key="other")
