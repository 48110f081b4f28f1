"""Which code a step's cached result depends on.

ZenML hashes the source of the step function alone: a change of the domain function that the step calls would still hit
the cache. Its `CachePolicy` takes further files, so each step lists every module of ``ferkit`` that it can reach. Files
and not modules, because ZenML would import those, and a run that is cached throughout should not wait for Keras.
"""

import ast
from functools import cache
from pathlib import Path

from zenml.config.cache_policy import CachePolicy

__all__ = ["code_of", "reachable_modules"]

_DOMAIN = "ferkit"
_ROOT = Path(__file__).resolve().parents[1]


def code_of(module: str) -> CachePolicy:
    """Cache policy of the steps in `module`: their result depends on all of the domain's code that they reach."""
    return CachePolicy(file_dependencies=[str(_source(name).relative_to(_ROOT)) for name in reachable_modules(module)])


def reachable_modules(module: str) -> list[str]:
    """Modules of the domain that `module` imports, itself or through others, at its top or inside a function."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        new = {name for name in _imports(waiting.pop()) if name not in seen}
        seen |= new
        waiting += sorted(new)
    return sorted(seen)


def _source(module: str) -> Path:
    path = _ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(module: str) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(_source(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import name` may import a module of that package.
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(name for name in found if name.split(".")[0] == _DOMAIN and _source(name).is_file())
