"""Every setting changes something, or is refused: a table over the whole schema, to which a new setting must be added.

A setting is shown to change something right here where that takes no time, by a proof of `tests.config.proofs`, else by
the test that is named there, which has to exist and to set it.
"""

import ast
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from ferkit.config.run_config import RunConfig
from tests.config.proofs import judging, preparation, run, sources, training

EFFECTS = {**run.EFFECTS, **sources.EFFECTS, **preparation.EFFECTS, **training.EFFECTS, **judging.EFFECTS}


def leaves(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of every setting; what a source reads is named after it."""
    found = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        sections = list(sections_in(field.annotation))
        # They ask for what a step needs, which the orchestrator's own tests show; `source` names the section.
        if key.rsplit(".", maxsplit=1)[-1] in ("source", "resources"):
            continue
        if not sections:
            found.append(key)
        for section in sections:
            of_source = f".{section.model_fields['source'].default}" if len(sections) > 1 else ""
            found += leaves(section, f"{key}{of_source}.")
    return found


def sections_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def test_the_table_has_every_setting():
    assert sorted(leaves(RunConfig)) == sorted(EFFECTS)


@pytest.mark.parametrize("setting", [name for name, proof in EFFECTS.items() if callable(proof)])
def test_a_setting_changes_something(setting):
    assert EFFECTS[setting]()


@pytest.mark.parametrize("setting", [name for name, proof in EFFECTS.items() if not callable(proof)])
def test_a_setting_that_another_test_proves(setting):
    file, _, name = EFFECTS[setting].partition("::")
    text = (Path(__file__).parents[1] / f"{file}.py").read_text()
    assert name in {each.name for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)}
    assert setting.rpartition(".")[2] in text
