"""Runs of the pipeline side by side, where the stack has room for several."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ferkit.cli.experiments.queued_run import QueuedRun, RunStoppedError
from ferkit.cli.experiments.run_results import result_of
from ferkit.cli.experiments.shared_steps import step_keys
from ferkit.cli.pipeline_run import begun, completed
from ferkit.cli.state.open_runs import going_on
from ferkit.cli.state.workspace import Workspace
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError, FerkitError
from ferkit.experiments.results import RunResult, run_key
from ferkit.stacks.placement import Placement

if TYPE_CHECKING:
    from ferkit.cli.console import RunConsole
    from ferkit.orchestrators.ray.submitted import SubmittedRun

__all__ = ["at_once", "run_all"]

_POLL_S = 0.5


def at_once(configs: Sequence[RunConfig], placement: Placement, count: int | None = None) -> int:
    """How many runs of `configs`, or of `count` that ask for as much, may have a training before them at the same time.

    Only a Ray cluster has room for more than one: for as many as it has places for the most demanding training, and for
    one more, so that none of these waits for a run that is still put together. Which step runs when and where is left
    to Ray.

    Raises
    ------
    ConfigError
        If there is no cluster.
    """
    count = len(configs) if count is None else count
    if placement.orchestrator != "ray" or count < 2:
        return 1
    from zenml.client import Client
    from zenml.orchestrators.exceptions import PipelineSubmissionError

    from ferkit.stacks.placement import resource_settings

    needs = {config.resources_of(training) for config in configs for training in config.trained()}
    settings = [resource_settings(need) for need in needs]
    orchestrator = Client().active_stack.orchestrator
    try:
        places: int = orchestrator.places(settings)
    except PipelineSubmissionError as error:
        raise ConfigError(str(error)) from None
    return min(places + 1, count)


def run_all(
    queue: Sequence[QueuedRun],
    most: int,
    workspace: Workspace,
    placement: Placement,
    console: "RunConsole",
    settle: Callable[[QueuedRun, RunResult | FerkitError], None],
    more: Callable[[], QueuedRun | None] = lambda: None,
    numbers: tuple[int, int] | None = None,
) -> None:
    """Run everything in `queue`, several at once, and give what each found, or its error, to `settle`.

    A run begins when every step that it shares with one that is running is done there, and comes from the cache: none
    is done twice. One that fails stops no other. Whatever ends this early stops all that was begun.

    To begin a run takes seconds in which the cluster may run out of steps: the next one begins as soon as a training is
    over, and before what is left to do here about those that are over.

    Parameters
    ----------
    most
        So many runs may have a training before them at the same time, see `at_once`; twice as many may be running.
    workspace, placement
        With the stack that is active, and how it gives steps what they need.
    console
        Attached; it tells how far the runs are.
    more
        Asked for another run whenever none is waiting and fewer than `most` are running, since what those find may
        decide which one is next; None if there is none yet, or none any more.
    numbers
        The number of the first run, and how many there are; 1 and those of the queue if None.
    """
    waiting = list(queue)
    number, count = numbers or (1, len(queue))
    before = _going_on(queue, workspace, placement)
    # Keys are of use only where there may be something to wait for.
    several = most > 1 or bool(before)

    def keys_of(each: QueuedRun) -> dict[str, str]:
        return step_keys(each.config, each.files) if several else {}

    keys = {each: keys_of(each) for each in waiting}
    running: list[_Running | _GoingOn] = [
        _GoingOn(each, keys[each], console.of_run(each.label), run) for each, run in before.items()
    ]
    try:
        while True:
            if not waiting and len(running) < most and (another := more()):
                waiting.append(another)
                keys[another] = keys_of(another)
            if not waiting and not running:
                return
            if (following := _next(waiting, running, most, keys)) is not None:
                waiting.remove(following)
                own = console.of_run(following.label) if several else console
                own.attach()
                said = f"run {number} of {count}{following.about and ': '}{following.about}"
                own.write_event(said if several else f"{following.label}: {said}")
                number += 1
                running.append(_Running(following, keys.pop(following), own, workspace, placement))
            elif over := next((each for each in running if each.over), None):
                _turn(over, running, settle)
            else:
                time.sleep(_POLL_S)
            for each in [run for run in running if not run.over]:
                _turn(each, running, settle)
    except BaseException:
        _abort(running)
        raise
    finally:
        console.attach()


def _turn(
    each: "_Running | _GoingOn",
    running: "list[_Running | _GoingOn]",
    settle: Callable[[QueuedRun, RunResult | FerkitError], None],
) -> None:
    """Let a run go on; one that is over leaves those that are running, and is settled."""
    try:
        if not each.advance():
            return
    except FerkitError as error:
        running.remove(each)
        if not isinstance(error, RunStoppedError):
            each.console.write_event(f"failed: {error}")
        settle(each.queued, error)
        return
    running.remove(each)
    if each.result is not None:
        settle(each.queued, each.result)


class _Turn:
    """One of the runs, which takes turns with the others.

    Attributes
    ----------
    submitted
        What of it is on a cluster.
    over
        Whether all of that is; what is left to do here is done in another turn.
    result
        What it found, None as long as it is not over.
    """

    def __init__(self, queued: QueuedRun, keys: Mapping[str, str], console: "RunConsole") -> None:
        self.queued, self.console, self._keys = queued, console, keys
        self.submitted: Sequence[SubmittedRun] = ()
        self.over = False
        self.result: RunResult | None = None

    @property
    def pending(self) -> set[str]:
        """The keys of the steps that are not over yet."""
        return {self._keys[step] for run in self.submitted for step in run.pending}

    @property
    def training(self) -> bool:
        """Whether a training of it is not over yet."""
        steps = {training.step for training in self.queued.config.trained()}
        return any(not steps.isdisjoint(run.pending) for run in self.submitted)


class _Running(_Turn):
    """A run that this command begins."""

    def __init__(
        self,
        queued: QueuedRun,
        keys: Mapping[str, str],
        console: "RunConsole",
        workspace: Workspace,
        placement: Placement,
    ) -> None:
        super().__init__(queued, keys, console)
        self._workspace, self._placement = workspace, placement
        self._course = self._follow()

    def advance(self) -> bool:
        """Begin, or tell what is new; whether it is over."""
        self.console.attach()
        return next(self._course, True)

    def abort(self) -> None:
        """Leave the run as one that was interrupted."""
        with suppress(KeyboardInterrupt, StopIteration):
            self._course.throw(KeyboardInterrupt())

    def _follow(self) -> Generator[bool, None, None]:
        queued, begin = self.queued, time.monotonic()
        with (
            queued.watched(),
            begun(
                queued.config,
                queued.files,
                self._workspace,
                self._placement,
                self.console,
                tags=queued.tags,
                wait=False,
            ) as run,
        ):
            self.submitted = run.submitted
            while not all(each.follow() for each in self.submitted):
                yield False
            if self.submitted:
                self.over = True
                yield False
            for each in self.submitted:
                each.result()
        finished = completed(run, queued.config, self._workspace)
        self.result = result_of(finished, queued.config, queued.key, time.monotonic() - begin)


class _GoingOn(_Turn):
    """A run that a command submitted which was killed: what it makes, the one that is queued finds in the cache."""

    def __init__(self, queued: QueuedRun, keys: Mapping[str, str], console: "RunConsole", run: "SubmittedRun") -> None:
        super().__init__(queued, keys, console)
        self.submitted, self._run = (run,), run
        console.write_event("goes on since an earlier command")

    def advance(self) -> bool:
        """Tell what is new; whether it is over. What failed is tried again by the one that is queued."""
        self.console.attach()
        with suppress(RuntimeError):
            if not self._run.follow():
                return False
            self._run.result()
        return True

    def abort(self) -> None:
        """Nothing of it is in this process."""


def _going_on(
    queue: Sequence[QueuedRun], workspace: Workspace, placement: Placement
) -> "dict[QueuedRun, SubmittedRun]":
    """The runs of earlier commands that the cluster still works on, by the one of the queue that each repeats."""
    if placement.orchestrator != "ray" or not queue:
        return {}
    from zenml.client import Client

    orchestrator: Any = Client().active_stack.orchestrator
    found = {}
    for run_id in going_on(workspace, queue[0].config.experiment):
        config = RunConfig.model_validate(Client().get_pipeline_run(run_id).config.extra["config"])
        same = next((each for each in queue if each.key == run_key(config, each.files)), None)
        if same and (run := orchestrator.found_again(run_id)):
            found[same] = run
    return found


def _next(
    waiting: Sequence[QueuedRun],
    running: "Sequence[_Running | _GoingOn]",
    most: int,
    keys: Mapping[QueuedRun, Mapping[str, str]],
) -> QueuedRun | None:
    """The first run that does nothing that is being done already."""
    if sum(each.training for each in running) >= most or len(running) >= 2 * most:
        return None
    pending = set().union(*(each.pending for each in running))
    return next((each for each in waiting if pending.isdisjoint(keys[each].values())), None)


def _abort(running: "Sequence[_Running | _GoingOn]") -> None:
    """Stop what was begun, on the cluster first."""
    submitted = [run for each in running for run in each.submitted]
    if submitted:
        from ferkit.orchestrators.ray.submitted import stop

        stop(submitted)
    for each in running:
        each.abort()
