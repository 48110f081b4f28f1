"""Steps that sleep, fail, and tell where they ran: what an orchestrator has to do with, and nothing else."""

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Annotated
from uuid import UUID

from zenml import get_step_context, pipeline, step
from zenml.config import ResourceSettings
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import ExecutionMode


@step(enable_cache=False)
def work(label: str, seconds: float, notes: str, until: str = "", times: int = 1) -> Annotated[str, "{label}_done"]:
    """Note down begin and end, and what Ray gave to this process; in between wait.

    Not longer than `seconds`, and only until the step `until` has begun so many `times`.
    """
    import ray

    place = {"node": ray.get_runtime_context().get_node_id()}
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    _note(notes, {"label": label, "what": "begin", "time": time.time(), "gpus": gpus, **place})
    # Not one long sleep: Python lets no signal wait for longer than that.
    end, begun = time.monotonic() + seconds, f'"label": "{until}", "what": "begin"'
    while time.monotonic() < end and not (until and Path(notes).read_text().count(begun) >= times):
        time.sleep(0.1)
    _note(notes, {"label": label, "what": "end", "time": time.time(), **place})
    return label


@step
def kept(notes: str) -> Annotated[int, "kept_done"]:
    """What another run need not do again."""
    _note(notes, {"label": "kept", "what": "begin", "time": time.time()})
    return 1


@step(enable_cache=False)
def explode(before: int) -> Annotated[int, "exploded"]:
    """Never succeed."""
    raise ValueError(f"{before} is not enough")


@step(enable_cache=False)
def unfit(notes: str) -> Annotated[int, "unfit_done"]:
    """Fail with an error of ferkit's whose constructor takes no message."""
    from ferkit.preparation.validation import UnfitDataError

    _note(notes, {"label": "unfit", "what": "begin", "time": time.time()})
    logging.getLogger("ferkit.toy").info("epoch 1 of %d", 2)
    raise UnfitDataError(["anger: 0 pictures", "fear: 1 picture"], "<html>")


class AwkwardError(Exception):
    """Nothing of ferkit's; another process cannot read it."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"code {code} at {where}")


@step(enable_cache=False)
def flaky(notes: str) -> Annotated[int, "flaky_done"]:
    """Succeed the second time."""
    _note(notes, {"label": "flaky", "what": "begin", "time": time.time()})
    if Path(notes).read_text().count('"flaky"') % 2:
        raise AwkwardError(7, "the network")
    return 1


@step(enable_cache=False)
def until_failed(notes: str) -> Annotated[int, "seen"]:
    """End as soon as the run has failed."""
    from zenml.client import Client

    _note(notes, {"label": "until_failed", "what": "begin", "time": time.time()})
    run = get_step_context().pipeline_run.id
    _wait_for(lambda: Client().get_pipeline_run(run, hydrate=False).status.is_finished)
    return 1


def linger(_error: BaseException) -> None:
    """Keep a step that has failed from ending before another was halted for it."""
    import ray

    from ferkit.orchestrators.ray.supervisor import holder_of

    run = UUID(os.environ["FERKIT_RAY_RUN_ID"])
    supervisor, _ = holder_of(run)
    _wait_for(lambda: any("halted" in event.line for event in ray.get(supervisor.events.remote(run, 0))))


@step(enable_cache=False, on_failure=linger)
def explode_beside(notes: str) -> Annotated[int, "exploded"]:
    """Never succeed, and not before `until_failed` has begun."""
    _wait_for(lambda: Path(notes).exists() and "until_failed" in Path(notes).read_text())
    raise ValueError("1 is not enough")


def _wait_for(condition) -> None:
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def _note(notes: str, line: dict) -> None:
    with Path(notes).open("a") as file:
        file.write(json.dumps({**line, "pid": os.getpid()}) + "\n")


def _work(label: str, seconds: float, notes: str, need: dict | None = None, after=(), retries: int = 0, until=("", 1)):
    options = {"settings": {"resources": ResourceSettings(**need)}} if need else {}
    if retries:
        options["retry"] = StepRetryConfig(max_retries=retries)
    made = work.with_options(substitutions={"label": label}, **options)
    waited_for, times = until
    return made(label=label, seconds=seconds, notes=notes, until=waited_for, times=times, id=label, after=list(after))


@pipeline(dynamic=False)
def side_by_side(notes: str) -> None:
    """Two that can run at the same time, each until the other has begun, one that needs a GPU, one after them."""
    _work("first", 120, notes, until=("second", 1))
    _work("second", 120, notes, until=("first", 1))
    _work("graphics", 0, notes, {"gpu_count": 1})
    _work("last", 0, notes, after=("first", "second", "graphics"))


@pipeline(dynamic=False)
def greedy(notes: str) -> None:
    """One step that fits, and one that fits nowhere."""
    _work("modest", 0, notes)
    _work("greedy", 0, notes, {"gpu_count": 4, "memory": "2GB"})


@pipeline(dynamic=False)
def broken(notes: str) -> None:
    """Steps that fail, one after them, one that fails once, and one that has nothing to do with them."""
    explode(before=kept(notes=notes))
    again = StepRetryConfig(max_retries=2)
    unfit.with_options(retry=again)(notes=notes)
    kept(notes=notes, id="after_unfit", after=["unfit"])
    flaky.with_options(retry=again)(notes=notes)
    kept(notes=notes, id="after_it", after=["explode"])
    _work("independent", 3, notes)


@pipeline(dynamic=False, execution_mode=ExecutionMode.FAIL_FAST)
def hasty(notes: str) -> None:
    """A step that fails, and what has nothing to do with it and is stopped all the same."""
    # When the run has failed and the step has not ended, what would begin is halted, and ends first.
    explode_beside(notes=notes, id="explode")
    until_failed(notes=notes)
    _work("late", 0, notes, after=("until_failed",))
    _work("independent", 200, notes)
    _work("later", 0, notes, after=("independent",))


@pipeline(dynamic=False)
def long(notes: str, seconds: float, need: dict | None = None, retries: int = 0, until=("", 1)) -> None:
    """One long step and one after it."""
    _work("long", seconds, notes, need, retries=retries, until=until)
    _work("after", 0, notes, after=("long",))


@pipeline(dynamic=False)
def many(notes: str, count: int, seconds: float) -> None:
    """Steps that do not depend on each other."""
    for number in range(count):
        _work(f"many_{number}", seconds, notes)


@pipeline(dynamic=False)
def trained_elsewhere(notes: str) -> None:
    """One step here, and two that the step operator runs, of which one fails."""
    kept(notes=notes)
    need = {"resources": ResourceSettings(gpu_count=1)}
    there = work.with_options(substitutions={"label": "there"}, settings=need, step_operator=True)
    there(label="there", seconds=0, notes=notes, id="there", after=["kept"])
    unfit.with_options(step_operator=True)(notes=notes, after=["there"])


if __name__ == "__main__":
    from zenml.client import Client
    from zenml.utils.source_utils import set_custom_source_root

    set_custom_source_root(str(Path(__file__).parent))
    Client().activate_stack(os.environ.get("TOY_STACK", "toy"))
    import ray_steps

    failed = False
    for name, arguments in json.loads(sys.argv[1]):
        try:
            getattr(ray_steps, name)(**arguments)
        except Exception as error:  # noqa: BLE001 - ZenML would show the traceback of each, broken into lines
            failed = True
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.write(f"== {name} is over\n")
    sys.exit(failed)
