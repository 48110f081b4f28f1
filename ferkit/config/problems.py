"""What is wrong with a configuration, in lines that a person can act on."""

import difflib
import inspect
import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ferkit.settings import Settings

__all__ = ["problems", "unknown_key"]

# The last part of a place, where pydantic names the type that it tried and not a key.
_PLAIN_TYPE = re.compile(r"\[|^(?:bool|float|int|str)$")


def problems(error: ValidationError, root: type[BaseModel], prefix: str = "") -> list[str]:
    """One line for each thing that pydantic found wrong in settings of the class `root`.

    Parameters
    ----------
    prefix
        Where the settings stand in the file, such as ``backbones.0.``.
    """
    lines = []
    found = _joined(error)
    for problem in found:
        # A list whose entries are wrong counts as too short, too.
        if problem["type"] == "too_short" and any(
            each["loc"][: len(problem["loc"])] == problem["loc"] != each["loc"] for each in found
        ):
            continue
        where = prefix + ".".join(str(part) for part in problem["loc"])
        message = re.sub(r"^Value error, ", "", problem["msg"])
        message = message.replace("Input is not a valid path for <class 'pathlib.Path'>", "Input should be a path")
        if problem["type"] == "extra_forbidden":
            lines.append(_unknown(root, problem["loc"], where))
        elif problem["type"] == "missing":
            lines.append(f"{where}: missing.")
        elif problem["type"] == "union_tag_not_found":
            tags = ", ".join(sorted(tag for model in _at(root, problem["loc"]) for tag in _tags(model)))
            lines.append(f"{where}.{problem['ctx']['discriminator'].strip(chr(39))}: missing, one of {tags}.")
        elif problem["type"] == "value_error":
            lines.append(f"{where}: {message}" if where else message)
        else:
            lines.append(f"{where}: {message}, found {problem['input']!r}.")
    return lines


def _joined(error: ValidationError) -> list[Any]:
    """What pydantic found, where a value may be of several plain types once and not once a type."""
    found: dict[tuple[int | str, ...], Any] = {}
    for problem in error.errors():
        *place, last = problem["loc"] or ("",)
        if not isinstance(last, str) or not _PLAIN_TYPE.search(last):
            found[problem["loc"]] = problem
        elif (known := found.get(tuple(place))) is None:
            found[tuple(place)] = {**problem, "loc": tuple(place)}
        else:
            other = problem["msg"].removeprefix("Input should be ").replace("Input is not a valid path", "a path")
            known["msg"] += f" or {other.partition(' for <')[0]}"
    return list(found.values())


def unknown_key(where: str, key: str, known: Sequence[str]) -> str:
    """The line about `key`, which stands at `where`, in place of one of those that are known."""
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    return f"{where}: unknown key{hint} Known: {', '.join(known)}."


def _unknown(root: type[BaseModel], location: tuple[int | str, ...], where: str) -> str:
    """The line about a key that stands at `where`, `location` below `root`, and is not known there, or no longer."""
    key = str(location[-1])
    for model in _at(root, location[:-1]):
        if issubclass(model, Settings) and key in model.MOVED:
            return f"{where}: it is {where.removesuffix(key)}{model.MOVED[key]} now."
    return unknown_key(where, key, _keys(root, location[:-1]))


def _keys(root: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that are known at `location` below `root`."""
    return sorted({field.alias or name for model in _at(root, location) for name, field in model.model_fields.items()})


def _at(root: type[BaseModel], location: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """The settings classes that can stand at `location` below `root`."""
    models = [root]
    for part in location:
        tagged = [model for model in models if part in _tags(model)]
        fields = [
            field for model in models for name, field in model.model_fields.items() if part in (name, field.alias)
        ]
        if fields:
            models = [model for field in fields for model in _models(field.annotation)]
        elif tagged:
            models = tagged
        # The index of a list narrows nothing.
    return models


def _tags(model: type[BaseModel]) -> set[str]:
    """What tells `model` apart in a union: the default of its ``source``."""
    field = model.model_fields.get("source")
    return {str(field.default)} if field else set()


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Every settings class that occurs in a type annotation."""
    if inspect.isclass(annotation) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models(part)]
