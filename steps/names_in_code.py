"""What the text of a module names: imports, and files. It is parsed once, and kept beside Python's compiled code."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ferkit.files import write_file

__all__ = ["Names", "keep", "names_in"]

_FILE_NAME = re.compile(r"[\w-]+\.[a-z0-9]+")
# Two hundred modules take a third of a second to parse, in each process.
_KEPT = Path(__file__).with_name("__pycache__") / f"names.{sys.implementation.cache_tag}.json"
_MOST_KEPT = 2_000
_NEW: dict[str, list[list[str]]] = {}


class Names(NamedTuple):
    """What a module names, but for what only a type checker reads.

    Attributes
    ----------
    imported
        Modules and, of ``from module import name``, also ``module.name``, which may be a module.
    files
        Texts that could be names of files.
    """

    imported: tuple[str, ...]
    files: tuple[str, ...]


@cache
def names_in(file: Path) -> Names:
    """The names in the Python code of `file`, as it was when this process first asked."""
    text = file.read_bytes()
    key = sha256(_own_code() + text).hexdigest()
    if key in (kept := _kept()):
        imported, files = kept[key]
        return Names(tuple(imported), tuple(files))
    names = _parsed(text)
    _NEW[key] = [list(names.imported), list(names.files)]
    return names


def keep() -> None:
    """Keep for later processes what this one had to parse, as Python keeps bytecode: not where it may write none."""
    if _NEW and not sys.dont_write_bytecode:
        _kept().update(_NEW)
        _NEW.clear()
        with suppress(OSError):
            write_file(_KEPT, json.dumps(dict(list(_kept().items())[-_MOST_KEPT:])).encode())


@cache
def _kept() -> dict[str, list[list[str]]]:
    try:
        return dict(json.loads(_KEPT.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


@cache
def _own_code() -> bytes:
    return Path(__file__).read_bytes()


def _parsed(text: bytes) -> Names:
    imported: set[str] = set()
    files: set[str] = set()
    for node in _executed(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _FILE_NAME.fullmatch(node.value):
            files.add(node.value)
    return Names(tuple(sorted(imported)), tuple(sorted(files)))


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                yield node
                waiting.append(node)
