"""What the classes of a source are called, where its folders or its table call them otherwise."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from ferkit.errors import DataError

__all__ = ["Labels", "read_labels", "relabelled"]

# By the name that the data has the name that is meant, or None to leave such pictures out; or the file that says it.
Labels = dict[str, str | None] | Path


def read_labels(labels: Labels) -> Mapping[str, str | None]:
    """The names that are meant, by those of the data.

    A file is JSON or YAML with one mapping (``.json``, ``.yaml``, ``.yml``), or text: a line each with a name of the
    data and the name that is meant, between them a comma, a tab or spaces; or with the latter alone, of 0, 1, ... in
    this order.

    Raises
    ------
    DataError
        If the file cannot be read or is none of these.
    """
    if not isinstance(labels, Path):
        return labels
    try:
        text = labels.read_text()
        if labels.suffix.lower() in (".json", ".yaml", ".yml"):
            content = json.loads(text) if labels.suffix.lower() == ".json" else yaml.safe_load(text)
            return {str(name): None if meant is None else str(meant) for name, meant in dict(content).items()}
    except OSError as error:
        raise DataError(f"{labels}: cannot be read ({error.strerror}); data.labels names it.") from error
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"{labels}: no mapping of names, expected {{0: angry, 1: happy}}.") from error
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = [_pair(line) for line in lines]
    if all(meant is None for _, meant in pairs):
        return {str(index): name for index, (name, _) in enumerate(pairs)}
    if alone := [number for number, (_, meant) in enumerate(pairs, 1) if meant is None]:
        raise DataError(f"{labels} line {alone[0]}: one name, expected two as in the other lines: 0 angry")
    return dict(pairs)


def _pair(line: str) -> tuple[str, str | None]:
    for mark in (",", "\t", None):
        first, *rest = line.strip().split(mark, 1)
        if rest:
            return first.strip(), rest[0].strip()
    return line.strip(), None


def relabelled(names: Sequence[str], labels: Mapping[str, str | None]) -> list[str | None]:
    """The names that are meant; None for pictures that are left out.

    Raises
    ------
    DataError
        If `labels` has a name that the data does not have.
    """
    found = {name.strip().casefold(): name for name in names}
    wanted = {name.strip().casefold(): meant for name, meant in labels.items()}
    if unknown := [name for name in labels if name.strip().casefold() not in found]:
        known = ", ".join(sorted(found.values()))
        raise DataError(f"data.labels: no picture is labelled {', '.join(unknown)}; the data has {known}.")
    return [wanted.get(name.strip().casefold(), name) for name in names]
