"""Errors of ferkit go from one process to another as they are."""

import pickle
from importlib import import_module
from pathlib import Path

import pytest

from ferkit.errors import FerkitError
from ferkit.preparation.validation import UnfitDataError
from ferkit.serving.client import GoneError
from ferkit.serving.errors import ApiError

ROOT = Path(__file__).parents[1]
# What the constructors take that take more than a message.
ARGUMENTS = {
    UnfitDataError: (["anger: 0 pictures", "fear: 1 picture"], "<html>"),
    ApiError: (413, "too_large", "3 bytes, expected at most 2.", {"Retry-After": "1"}),
    GoneError: (),
}


def every_kind():
    """`FerkitError` and every class that derives from it, in any module of ours that defines an error."""
    for path in sorted(ROOT.glob("[!.t]*/**/*.py")):
        if "Error(" in path.read_text() and path.relative_to(ROOT).parts[0] != "benchmarks":
            text = path.read_text()
            if any(line.startswith("class ") and "Error" in line for line in text.splitlines()):
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    kinds = [FerkitError]
    for kind in kinds:
        kinds += [each for each in kind.__subclasses__() if each not in kinds]
    return [kind for kind in kinds if not kind.__module__.startswith(("test_", "toy_"))]


@pytest.mark.parametrize("kind", every_kind(), ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_after_pickling(kind):
    error = kind(*ARGUMENTS.get(kind, ("row 3: 2 pixels, expected 3.",)))
    error.add_note("seen in a test")
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is kind
    assert str(there) == str(error)
    assert there.args == error.args
    assert vars(there) == vars(error)
    assert there.permanent


def test_every_kind_of_error_is_looked_at():
    names = {kind.__name__ for kind in every_kind()}
    assert {"FerkitError", "ConfigError", "DataError", "UnfitDataError", "RegistryError", "WeightsError"} <= names
