"""What a run would do: which steps come from the cache, which run, and why."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

__all__ = ["PlannedStep", "plan", "plan_table"]

_SHOWN = 3


@dataclass(frozen=True)
class PlannedStep:
    """What a run would do with a step.

    Attributes
    ----------
    name
        Name of the step in the run.
    action
        ``cached``; ``runs``; or ``follows``: it runs unless the steps before it make what they made before.
    why
        One line, empty for a cached step.
    """

    name: str
    action: Literal["cached", "runs", "follows"]
    why: str = ""


def plan(pipeline: Any, arguments: Mapping[str, Any], uncached: Collection[str]) -> list[PlannedStep]:
    """The steps that `pipeline` with `arguments` would run or take from the cache on the active stack, in order.

    Parameters
    ----------
    pipeline : zenml.pipelines.pipeline_definition.Pipeline
    uncached
        Steps that run whatever the cache holds.
    """
    from zenml.client import Client
    from zenml.config.compiler import Compiler
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.config.step_configurations import Step
    from zenml.orchestrators.cache_utils import generate_cache_key, get_cached_step_run
    from zenml.orchestrators.input_utils import resolve_step_inputs

    draft = pipeline.copy()
    draft.prepare(**arguments)
    client = Client()
    stack = client.active_stack
    compiled = Compiler().compile(draft, stack, PipelineRunConfiguration())
    planned: list[PlannedStep] = []
    # The run of each step whose result would be used again.
    kept: dict[str, Any] = {}
    for name, configured in compiled.step_configurations.items():
        # A key is made of what ZenML's store gives back, and JSON has neither paths nor tuples.
        step = Step.model_validate_json(configured.model_dump_json())
        before = [each for each in step.spec.upstream_steps if each not in kept]
        if name in uncached:
            planned.append(PlannedStep(name, "runs", "--no-cache"))
        elif step.config.enable_cache is False:
            planned.append(PlannedStep(name, "runs", "never taken from the cache"))
        elif before:
            planned.append(PlannedStep(name, "follows", _some(before)))
        else:
            # All steps before it are known, so that nothing is asked of the run that is not there.
            inputs = resolve_step_inputs(step, pipeline_run=None, step_runs=kept)
            key = generate_cache_key(step, inputs, stack.artifact_store, client.active_project.id)
            found = get_cached_step_run(key)
            if found:
                kept[name] = found
                planned.append(PlannedStep(name, "cached"))
            else:
                planned.append(PlannedStep(name, "runs", _why(name, step, inputs, key)))
    return planned


def plan_table(planned: Collection[PlannedStep]) -> Table:
    """A plan as a table for the terminal, one line a step."""
    table = Table(box=None, pad_edge=False)
    table.add_column("step", no_wrap=True)
    table.add_column("plan", no_wrap=True)
    table.add_column("because of", overflow="fold")
    for each in planned:
        table.add_row(each.name, each.action, each.why)
    return table


def _why(name: str, step: Any, inputs: Mapping[str, Any], key: str) -> str:
    """How a step differs from the last time that it ran to its end."""
    from zenml.client import Client
    from zenml.enums import ExecutionStatus

    def last(**filters: Any) -> Any:
        found = Client().list_run_steps(
            status=ExecutionStatus.COMPLETED, sort_by="desc:created", size=1, hydrate=True, **filters
        )
        return next(iter(found.items), None)

    if last(cache_key=key, cache_expired=True):
        return "what it made is gone"
    old = last(name=name)
    if old is None:
        return "its first run"
    differences = [*_changed(old.config.parameters, step.config.parameters), *_other_inputs(old.inputs, inputs)]
    if dict(step.config.caching_parameters) != dict(old.config.caching_parameters):
        differences.append("the step's code")
    return _some(differences) or "the code of ferkit that it uses, or the version of a package"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, now = (dict(_leaves(json.loads(json.dumps(each, default=str)))) for each in (old, new))
    names = [name for name in dict.fromkeys([*now, *before]) if before.get(name) != now.get(name)]
    return [f"{name} {_short(now.get(name))}, before {_short(before.get(name))}" for name in names]


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict | list) and tree:
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(tree)


def _short(value: str | None) -> str:
    """A hash is known by its beginning."""
    text = "nothing" if value is None else value
    return text if len(text) <= 24 else f"{text[:12]}..."


def _other_inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    def contents(inputs: Mapping[str, Any], name: str) -> list[str]:
        return [each.content_hash or str(each.id) for each in inputs.get(name, ())]

    return [f"another {name}" for name in new if contents(old, name) != contents(new, name)]


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
