"""Which code and packages a step's cached result depends on.

ZenML hashes the source of the step function alone: a change of the domain function that the step calls would still hit
the cache. Its `CachePolicy` takes further files, so each step lists every module of ``ferkit`` that it can reach. Files
and not modules, because ZenML would import those, and a run that is cached throughout should not wait for Keras. The
packages that this code imports count by their versions, see `steps.packages`.
"""

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from zenml.config.cache_policy import CachePolicy

from steps.names_in_code import keep, names_in

__all__ = ["code_of", "packages_of", "reachable_modules"]

_DOMAIN = "ferkit"
_ROOT = Path(__file__).resolve().parents[1]


def code_of(module: str) -> CachePolicy:
    """Cache policy of the steps in `module`: their result depends on all of the domain's files that they reach,
    and on the versions of the packages that these import.
    """
    files: set[Path] = set()
    for name in reachable_modules(module):
        files |= {_source(name), *_read(name).files}
    keep()
    return CachePolicy(
        file_dependencies=sorted(str(file.relative_to(_ROOT)) for file in files),
        cache_func=f"steps.packages.{module.removeprefix('steps.')}",
    )


def packages_of(module: str) -> set[str]:
    """What the domain's modules that `module` reaches import besides the domain and Python's own modules."""
    return {package for name in reachable_modules(module) for package in _read(name).packages}


def reachable_modules(module: str) -> list[str]:
    """Modules of the domain that `module` imports, itself or through others, at its top or inside a function."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        new = _read(waiting.pop()).modules - seen
        seen |= new
        waiting += sorted(new)
    return sorted(seen)


def _source(module: str) -> Path:
    path = _ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


class _Reach(NamedTuple):
    """What a module's text names: modules of the domain, files beside it such as a trained model, and packages."""

    modules: frozenset[str]
    files: frozenset[Path]
    packages: frozenset[str]


@cache
def _read(module: str) -> _Reach:
    source = _source(module)
    names = names_in(source)
    domain = {name for name in names.imported if name.split(".")[0] == _DOMAIN and _source(name).is_file()}
    packages = {name.split(".")[0] for name in names.imported} - sys.stdlib_module_names - {_DOMAIN}
    files = {file for name in names.files if (file := source.with_name(name)).is_file()}
    return _Reach(frozenset(domain), frozenset(files), frozenset(packages))
