"""Reading settings from their file: those of a run, with what the command line changes, and others."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from ferkit.config.problems import problems
from ferkit.config.run_config import RunConfig
from ferkit.config.yaml_text import read_yaml
from ferkit.errors import ConfigError
from ferkit.settings import Settings
from ferkit.training.settings import with_phases

__all__ = ["load_config", "load_settings", "load_stored_config", "read_sections"]

AnySettings = TypeVar("AnySettings", bound=Settings)


def load_config(path: Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read and check a run configuration.

    Parameters
    ----------
    path
        A YAML file.
    overrides
        ``key.subkey=value``, value in YAML; ``backbones.fernet.training.batch_size=32`` names a list entry by
        its alias or name, ``backbones.0`` by its place.

    Raises
    ------
    ConfigError
        One line a problem: where, what was found, what is expected.

    Examples
    --------
    >>> changes = ["training.network.epochs=3", "backbones.fernet_a.width=16"]
    >>> config = load_config(Path("configs/quickstart.yaml"), changes)
    >>> config.backbones[0].label, config.backbones[0].width
    ('fernet_a', 16)
    """
    return _run_config(path, read_sections(path), overrides)


def load_stored_config(path: Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read and check the configuration that a finished run left, in the words of this version or of an older one.

    Parameters
    ----------
    path, overrides
        As of `load_config`; overrides are in the words of this version.

    Raises
    ------
    ConfigError
        As `load_config` does.
    """
    content = read_sections(path)
    entries = content.get("backbones")
    for section in (content, *(entries if isinstance(entries, list) else ())):
        if isinstance(section, dict) and isinstance(section.get("training"), dict):
            section["training"] = with_phases(section["training"])
    return _run_config(path, content, overrides)


def load_settings(path: Path, kind: type[AnySettings]) -> AnySettings:
    """Read and check settings of the class `kind`.

    Raises
    ------
    ConfigError
        As `load_config` does.
    """
    return _checked(path, read_sections(path), kind)


def _run_config(path: Path, content: dict[str, Any], overrides: Iterable[str]) -> RunConfig:
    if {"base", "factors", "search"} & set(content):
        raise ConfigError(f"{path}: an experiment, not a run: ferkit experiment {path}")
    for override in overrides:
        _override(content, override)
    return _checked(path, content, RunConfig)


def read_sections(path: Path) -> dict[str, Any]:
    """What a YAML file of settings holds, unchecked.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no mapping in YAML.
    """
    try:
        content = read_yaml(path.read_text())
    except FileNotFoundError:
        known = ", ".join(sorted(str(each) for each in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{path}: no such file. Configurations in {path.parent}/: {known}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a readable text file ({error}).") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(content).__name__}.")
    return content


def _checked(path: Path, content: dict[str, Any], kind: type[AnySettings]) -> AnySettings:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems(error, kind))) from error


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected key=value, such as training.network.epochs=3.")
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {' '.join(str(error).split())}") from error
    node: Any = content
    *parents, last = key.split(".")
    for part in parents:
        at = _entry(node, part, override)
        if isinstance(node, dict) and not isinstance(node.get(at), dict | list):
            node[at] = {}
        node = node[at]
    node[_entry(node, last, override)] = value


def _entry(node: Any, part: str, override: str) -> Any:
    """Key or index that `part` names in `node`."""
    if not isinstance(node, list):
        return part
    for index, item in enumerate(node):
        if isinstance(item, Mapping) and part in (item.get("alias"), item.get("name")):
            return index
    if part.isdigit() and int(part) < len(node):
        return int(part)
    known = [str(item.get("alias") or item.get("name")) for item in node if isinstance(item, Mapping)]
    raise ConfigError(f"--set {override}: no entry {part!r}, the list has {', '.join(known)}.")
