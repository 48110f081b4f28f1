"""Which code a step's cached result depends on.

ZenML hashes the source of the step function alone: a change of the domain function that the step calls would still hit
the cache. Its `CachePolicy` takes further files, so each step lists every module of ``ferkit`` that it can reach. Files
and not modules, because ZenML would import those, and a run that is cached throughout should not wait for Keras.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from zenml.config.cache_policy import CachePolicy

__all__ = ["code_of", "reachable_modules"]

_DOMAIN = "ferkit"
_ROOT = Path(__file__).resolve().parents[1]
_FILE_NAME = re.compile(r"[\w-]+\.[a-z0-9]+")


def code_of(module: str) -> CachePolicy:
    """Cache policy of the steps in `module`: their result depends on all of the domain's files that they reach."""
    files: set[Path] = set()
    for name in reachable_modules(module):
        files |= {_source(name), *_read(name)[1]}
    return CachePolicy(file_dependencies=sorted(str(file.relative_to(_ROOT)) for file in files))


def reachable_modules(module: str) -> list[str]:
    """Modules of the domain that `module` imports, itself or through others, at its top or inside a function."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        new = _read(waiting.pop())[0] - seen
        seen |= new
        waiting += sorted(new)
    return sorted(seen)


def _source(module: str) -> Path:
    path = _ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _read(module: str) -> tuple[frozenset[str], frozenset[Path]]:
    """Modules of the domain that `module` imports, and files beside it that it names, such as a trained model."""
    imported: set[str] = set()
    files: set[Path] = set()
    for node in _executed(ast.parse(_source(module).read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import name` may import a module of that package.
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _FILE_NAME.fullmatch(node.value):
            files.add(_source(module).with_name(node.value))
    domain = {name for name in imported if name.split(".")[0] == _DOMAIN and _source(name).is_file()}
    return frozenset(domain), frozenset(file for file in files if file.is_file())


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _executed(node)
