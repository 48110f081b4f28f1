"""A run on a cluster whose head does not answer, or is gone; what Ray's calls come to is given."""

import logging
from types import SimpleNamespace
from uuid import uuid4

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from ferkit.errors import FerkitError
from ferkit.orchestrators.ray import submitted
from ferkit.orchestrators.ray.events import Event
from ferkit.orchestrators.ray.supervised import RunOutcome


@pytest.fixture
def run(monkeypatch):
    """A run, what each call to its supervisor comes to, and the runs that were written down as failed."""
    calls, finished = [], []

    def get(_promise):
        answer = calls.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    clock = SimpleNamespace(now=0.0)
    over = []
    monkeypatch.setattr(submitted.ray, "wait", lambda promises, timeout: (promises, []) if over else ([], promises))
    monkeypatch.setattr(submitted.ray, "get", get)
    monkeypatch.setattr(submitted, "finish", finished.append)
    monkeypatch.setattr(submitted.time, "monotonic", lambda: clock.now)
    supervisor = SimpleNamespace(events=SimpleNamespace(remote=lambda _run, _shown: None))
    found = submitted.SubmittedRun(supervisor, None, uuid4(), ["one"])
    return SimpleNamespace(run=found, calls=calls, finished=finished, clock=clock, over=over)


def unavailable():
    return ActorUnavailableError("busy", None)


def test_a_head_that_does_not_answer_at_once_is_asked_again(run):
    run.calls += [unavailable(), [], unavailable(), []]
    for now in (0.0, 50.0, 100.0, 105.0):
        run.clock.now = now
        assert not run.run.follow()
    assert run.finished == []


def test_a_head_that_does_not_answer_for_a_minute_is_lost(run):
    run.calls += [unavailable(), unavailable()]
    assert not run.run.follow()
    run.clock.now = 61.0
    with pytest.raises(FerkitError, match="the head of the Ray cluster was lost, and the run with it"):
        run.run.follow()
    assert len(run.finished) == 1


def test_a_supervisor_that_is_gone_is_told_at_once(run):
    run.calls += [ActorDiedError()]
    with pytest.raises(submitted.HeadLostError):
        run.run.follow()
    assert len(run.finished) == 1


def test_a_supervisor_that_left_after_its_run_was_over_lost_nothing(run, caplog):
    """It leaves when nobody asks, and whoever has many runs may be late; also for what the steps told last."""
    told = [
        Event(logging.INFO, "epoch 1", logger="ferkit"),
        Event(logging.WARNING, "no more", logger="ferkit", ended="one"),
    ]
    caplog.set_level(logging.INFO, logger="ferkit")
    run.calls += [told[:1]]
    assert not run.run.follow()
    run.over.append(True)
    run.calls += [ActorDiedError(), RunOutcome([], told)]
    assert run.run.follow()
    assert caplog.messages == ["epoch 1", "no more"]
    assert run.run.pending == set()
    run.calls += [RunOutcome([], told)]
    run.run.result()
    assert run.finished == []


def test_a_run_that_ended_with_its_supervisor_is_lost(run):
    run.over.append(True)
    run.calls += [ActorDiedError(), ActorDiedError()]
    with pytest.raises(submitted.HeadLostError):
        run.run.follow()
    assert len(run.finished) == 1
