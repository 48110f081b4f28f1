"""The order in which runs side by side are begun and settled; what the cluster says of their steps is given."""

from contextlib import contextmanager
from itertools import accumulate
from types import SimpleNamespace

import pytest

from ferkit.cli.experiments import concurrent_runs
from ferkit.cli.experiments.queued_run import QueuedRun
from ferkit.config.run_config import RunConfig
from ferkit.errors import FerkitError

TRAINING, REPORT = "fine_tune_fer_fernet", "report"


class Submitted:
    """A run on the cluster: its training is over at the fourth look at it, and all of it at the `last`."""

    def __init__(self, label, last, told):
        self._label, self._last, self._told, self._looks = label, last, told, 0
        self.pending = {TRAINING, REPORT}

    def follow(self):
        self._looks += 1
        for looks, step in ((4, TRAINING), (self._last, REPORT)):
            if self._looks == looks:
                self.pending.discard(step)
                self._told.append((f"{step} over", self._label))
        return not self.pending

    def result(self):
        if self._label == "run-1":
            raise FerkitError("it failed")


@pytest.fixture
def run(monkeypatch):
    """Runs so many, at most two of them with a training to do: what happened, in order, and what each came to."""
    told, settled = [], {}
    monkeypatch.setattr(concurrent_runs, "completed", lambda run, config, workspace: config.name)
    monkeypatch.setattr(concurrent_runs, "result_of", lambda finished, *_: finished)
    monkeypatch.setattr(concurrent_runs, "_going_on", lambda *_: {})
    monkeypatch.setattr(concurrent_runs, "step_keys", lambda config, _: {TRAINING: config.name, REPORT: config.name})
    monkeypatch.setattr(concurrent_runs.time, "sleep", lambda _: None)
    console = SimpleNamespace(attach=lambda: None, write_event=lambda _: None)
    console.of_run = lambda _: console

    def settle(queued, result):
        told.append(("settled", queued.label))
        settled[queued.label] = result

    def run(count, *, looks=8, asked=False):
        @contextmanager
        def begun(config, *_, **__):
            told.append(("begun", config.name))
            yield SimpleNamespace(submitted=(Submitted(config.name, looks, told),))

        monkeypatch.setattr(concurrent_runs, "begun", begun)
        settings = {"data": {"source": "synthetic"}, "backbones": [{"name": "fernet"}]}
        configs = [RunConfig.model_validate({"name": f"run-{number}", **settings}) for number in range(count)]
        queue = [QueuedRun(each.name, each, None, each.name, {}) for each in configs]
        left = iter(queue)
        given = {"queue": [], "more": lambda: next(left, None)} if asked else {"queue": queue}
        concurrent_runs.run_all(**given, most=2, workspace=None, placement=None, console=console, settle=settle)
        return told, settled

    return run


def most_at_once(told, first, last):
    """How many runs were between these two events at the same time."""
    changes = [{first: 1, last: -1}.get(what, 0) for what, _ in told]
    return max(accumulate(changes))


def test_the_next_run_begins_as_soon_as_a_training_is_over(run):
    told, settled = run(6)
    assert most_at_once(told, "begun", "fine_tune_fer_fernet over") == 2
    assert 2 < most_at_once(told, "begun", "settled") <= 4
    assert told.index(("begun", "run-2")) < told.index(("report over", "run-0"))
    assert [name for what, name in told if what == "begun"] == [f"run-{number}" for number in range(6)]
    assert isinstance(settled.pop("run-1"), FerkitError)
    assert settled == {name: name for name in ("run-0", "run-2", "run-3", "run-4", "run-5")}


def test_a_run_begins_before_one_that_is_over_is_settled(run):
    told, _ = run(6, looks=5)
    # The report of the first and the training of the second are over in the same round.
    assert told.index(("report over", "run-0")) < told.index(("begun", "run-3")) < told.index(("settled", "run-0"))


def test_another_run_is_asked_for_when_what_one_found_is_known(run):
    told, settled = run(4, asked=True)
    assert most_at_once(told, "begun", "settled") == 2
    assert list(settled) == [f"run-{number}" for number in range(4)]
