"""The trials of a search: what is tried next, and what came of it, in a SQLite file that outlives the process."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ferkit.errors import ConfigError
from ferkit.experiments.search.settings import RangeSettings, SearchSettings, Value, values_of

if TYPE_CHECKING:
    import optuna

__all__ = ["Candidate", "CandidateRecord", "Candidates"]

State = Literal["running", "complete", "pruned", "failed"]


@dataclass(frozen=True)
class CandidateRecord:
    """What is known of a trial.

    Attributes
    ----------
    number
        From 0, in the order in which they began.
    values
        Of each setting that is looked for.
    state
        ``complete``, ``pruned``: stopped early, ``failed``: its training came to no result, or ``running``.
    score
        The number on PublicTest that decides, None of a trial that is not complete.
    epochs
        Validation number by epoch.
    note
        Why it failed.
    """

    number: int
    values: Mapping[str, Value]
    state: State
    score: float | None
    epochs: Mapping[int, float]
    note: str


class Candidate:
    """A trial that is running."""

    def __init__(
        self, candidate: "optuna.trial.Trial", ranges: Mapping[str, RangeSettings | tuple[Value, ...]]
    ) -> None:
        self._running = candidate
        self.values: dict[str, Value] = {name: _suggested(candidate, name, each) for name, each in ranges.items()}

    @property
    def number(self) -> int:
        """Which trial it is, from 0."""
        return int(self._running.number)

    def report(self, epoch: int, value: float) -> bool:
        """Note the validation number of an epoch; whether the trial is to be stopped."""
        with warnings.catch_warnings():
            # A training that was killed tells of its first epochs again.
            warnings.simplefilter("ignore", UserWarning)
            self._running.report(value, epoch)
        return bool(self._running.should_prune())


class Candidates:
    """All trials of a search.

    Parameters
    ----------
    file
        SQLite, made if missing.
    name
        Of the search.
    settings
        How it goes on.
    maximize
        Whether a larger number is the better one.
    key
        Of what the trials are made from: trials of something else are not gone on with.

    Raises
    ------
    ConfigError
        If the file holds trials of another key.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> settings = SearchSettings(ranges={"depth": (1, 2)}, sampler="grid")
    >>> with TemporaryDirectory() as folder:
    ...     candidates = Candidates(Path(folder) / "trials.db", "toy", settings, maximize=True, key="k")
    ...     while candidate := candidates.next():
    ...         candidates.complete(candidate, score=1 / candidate.values["depth"])
    ...     candidates.best.values
    {'depth': 1}
    """

    def __init__(self, file: Path, name: str, settings: SearchSettings, *, maximize: bool, key: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._study = optuna.create_study(
            storage=f"sqlite:///{file}", study_name=name, load_if_exists=True,
            direction="maximize" if maximize else "minimize", pruner=_pruner(settings),
        )  # fmt: skip
        stored = self._study.user_attrs.get("key", key)
        if stored != key:
            raise ConfigError(
                f"{file}: holds trials of other settings, ranges or data under the name {name}: give the search "
                "another name, or delete the file."
            )
        self._study.set_user_attr("key", key)
        self._begun: set[int] = set()
        self.maximize = maximize

    def records(self) -> list[CandidateRecord]:
        """Every trial, in the order in which they began."""
        return [_record(each) for each in self._study.get_trials(deepcopy=False)]

    @property
    def ended(self) -> int:
        """How many trials are over."""
        return sum(each.state != "running" for each in self.records())

    @property
    def best(self) -> CandidateRecord | None:
        """The complete trial with the best score, the earliest of several; None if none is complete."""
        return self.best_of(self.records())

    def best_of(self, records: Sequence[CandidateRecord]) -> CandidateRecord | None:
        """The best of some trials, as `best` says."""
        scored = [(each.score, each) for each in records if each.score is not None]
        if not scored:
            return None
        sign = 1 if self.maximize else -1
        return max(scored, key=lambda pair: (sign * pair[0], -pair[1].number))[1]

    def next(self) -> Candidate | None:
        """The next trial: one that was running when its process was killed, or a new one; None if there is none left.

        It may be asked again before the trials that it gave are over; these are then known to run, and no other one is
        put beside them (`tpe`), nor is one of them tried twice (`grid`). No other process may work on the same search.
        """
        import optuna

        cut_off = self._cut_off()
        trials = self._study.get_trials(deepcopy=False)
        if not cut_off and len(trials) >= self._settings.count:
            return None
        self._study.sampler = _sampler(self._settings, cut_off[0].number if cut_off else len(trials))
        candidate = optuna.trial.Trial(self._study, cut_off[0]._trial_id) if cut_off else self._study.ask()
        self._begun.add(candidate.number)
        found = Candidate(candidate, self._settings.ranges)
        # A grid's sampler that is told of its last trial ends a loop of Optuna's own, and here is none.
        self._study.sampler = optuna.samplers.RandomSampler(seed=0)
        return found

    def cut_off(self) -> list[Candidate]:
        """All trials that were running when their process was killed, which `next` gives no more."""
        return [found for _ in self._cut_off() if (found := self.next())]

    def _cut_off(self) -> "list[optuna.trial.FrozenTrial]":
        import optuna

        running = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return [each for each in running if each.number not in self._begun]

    def complete(self, candidate: Candidate, score: float) -> None:
        """Note the number on PublicTest that decides."""
        self._study.tell(candidate.number, score)

    def prune(self, candidate: Candidate) -> None:
        """Note that a trial was stopped early."""
        import optuna

        self._study.tell(candidate.number, state=optuna.trial.TrialState.PRUNED)

    def fail(self, candidate: Candidate, note: str) -> None:
        """Note that the training of a trial came to no result, and why."""
        import optuna

        candidate._running.set_user_attr("note", note)
        self._study.tell(candidate.number, state=optuna.trial.TrialState.FAIL)


def _record(found: "optuna.trial.FrozenTrial") -> CandidateRecord:
    states: dict[str, State] = {"RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    state = states[found.state.name]
    return CandidateRecord(
        number=found.number,
        values=dict(found.params),
        state=state,
        score=float(found.values[0]) if state == "complete" else None,
        epochs=dict(found.intermediate_values),
        note=str(found.user_attrs.get("note", "")),
    )


def _suggested(candidate: "optuna.trial.Trial", name: str, each: RangeSettings | tuple[Value, ...]) -> Value:
    if not isinstance(each, RangeSettings):
        return candidate.suggest_categorical(name, list(each))  # type: ignore[no-any-return]
    if each.whole:
        return int(candidate.suggest_int(name, int(each.low), int(each.high), step=int(each.step or 1), log=each.log))
    step = None if each.step is None else float(each.step)
    return float(candidate.suggest_float(name, float(each.low), float(each.high), step=step, log=each.log))


def _sampler(settings: SearchSettings, number: int) -> "optuna.samplers.BaseSampler":
    """A sampler for one trial, with random numbers of its own: what was stopped goes on as if it had not been."""
    import optuna

    if settings.sampler == "grid":
        return optuna.samplers.GridSampler(
            {name: list(values_of(each)) for name, each in settings.ranges.items()}, seed=settings.seed
        )
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # Of a trial that runs it is assumed that it is a poor one, so that those that run at the same time lie apart.
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings.startup, constant_liar=True)


def _pruner(settings: SearchSettings) -> Any:
    import optuna

    pruner = settings.pruner
    if pruner.method == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=pruner.startup, n_warmup_steps=pruner.warmup_epochs)
