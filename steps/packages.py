"""Versions of the packages that decide about a step's result: what the step imports, itself or through ``ferkit``.

ZenML's cache policy takes a function without arguments whose answer belongs to the cache key; this module has one for
each module of ``steps``, under its name. Versions are read from the packages' metadata, because a run that is cached
throughout should import neither Keras nor TensorFlow.
"""

import os
import platform
from collections.abc import Callable
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from steps.caching import packages_of

__all__ = ["versions"]

# They read settings, look at files of ours or show how far something is: the numbers are the same with any version.
_WITHOUT_INFLUENCE = {"kagglehub", "pydantic", "rich", "yaml"}
_BACKENDS = {"tensorflow": ("tensorflow",), "jax": ("jax", "jaxlib"), "torch": ("torch",)}
# What does the work of a package.
_BEHIND = {"imblearn": ("sklearn",)}
# The names under which packages are installed, where they differ from those under which they are imported.
_DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "imblearn": "imbalanced-learn",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
}


def __getattr__(name: str) -> Callable[[], str]:
    if not Path(__file__).with_name(f"{name}.py").is_file():
        raise AttributeError(f"module {__name__} has no function {name}: there is no steps/{name}.py.")
    return partial(versions, f"steps.{name}")


def versions(module: str) -> str:
    """Names and versions of the packages that `module` reaches, Python among them; Keras brings its backend alone."""
    names = packages_of(module) - _WITHOUT_INFLUENCE
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if "keras" in names:
        names = names - _BACKENDS.keys() | {*_BACKENDS.get(backend, (backend,))}
    names |= {behind for name in names for behind in _BEHIND.get(name, ())}
    python = ".".join(platform.python_version_tuple()[:2])
    return " ".join([f"python=={python}", *(f"{name}=={_version(name)}" for name in sorted(names))])


@cache
def _version(name: str) -> str:
    """Version of what is imported as `name`, ``none`` if that is not installed."""
    try:
        return metadata.version(_DISTRIBUTIONS.get(name, name))
    except metadata.PackageNotFoundError:
        # Such as opencv-python; to look through all that is installed takes most of a second.
        return next((metadata.version(each) for each in metadata.packages_distributions().get(name, ())), "none")
