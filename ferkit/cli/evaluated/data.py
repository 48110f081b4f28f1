"""The labelled pictures that ``ferkit evaluate --data`` names, and what ``--map`` says of their classes."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from ferkit.config.loading import load_config
from ferkit.config.yaml_text import read_yaml
from ferkit.data.input_card import InputCard
from ferkit.errors import ConfigError
from ferkit.sources import PictureSettings, ShardSettings, SourceSettings
from ferkit.sources.describing.recognise import recognise

__all__ = ["OTHER_LABELS", "data_settings", "read_class_map", "sized_for"]

# What a table calls the labels of a source that are not FER-2013's own.
OTHER_LABELS = dict.fromkeys(("folder", "table", "huggingface", "published", "shards"), "labels of the data")

_YAML = (".yaml", ".yml")


def data_settings(data: Path, overrides: Sequence[str]) -> SourceSettings:
    """The source that `data` is.

    Parameters
    ----------
    data
        A run configuration, whose source is read as a run reads it; or a folder or table, whose pictures are in the
        splits that it gives them, and in no others.
    overrides
        Of a configuration, as of `ferkit.config.loading.load_config`.

    Raises
    ------
    FerkitError
        If it is nothing that ferkit reads, or `overrides` change no configuration.
    """
    if data.suffix.lower() in _YAML:
        return load_config(data, overrides).data
    if overrides:
        raise ConfigError("--set changes a configuration; give one as --data, such as configs/fer2013.yaml.")
    settings = recognise(data)
    return settings.model_copy(update={"split": "given"}) if isinstance(settings, PictureSettings) else settings


def sized_for(settings: SourceSettings, inputs: Sequence[InputCard]) -> SourceSettings:
    """`settings` so that every model gets the pictures that it takes, from files where these are not FER-2013's.

    The sides of pictures in files are decided when they are read; the largest is what they are examined at.
    """
    if all(each == InputCard() for each in inputs) or not isinstance(settings, PictureSettings | ShardSettings):
        return settings
    colour = "rgb" if any(each.colour for each in inputs) else "grey"
    form: dict[str, object] = {"side": max(each.size for each in inputs), "colour": colour}
    return settings.model_copy(update={**form, **({"stream": True} if isinstance(settings, PictureSettings) else {})})


def read_class_map(given: Sequence[str]) -> dict[str, str | None]:
    """What classes of the data are called among a model's.

    Parameters
    ----------
    given
        ``happiness=happy``, ``contempt=`` to leave pictures out, or the name of a YAML file that says several.

    Raises
    ------
    ConfigError
        If one is none of these.

    Examples
    --------
    >>> read_class_map(["happiness=happy", "contempt="])
    {'happiness': 'happy', 'contempt': None}
    """
    found: dict[str, str | None] = {}
    for each in given:
        name, equals, meant = each.partition("=")
        if equals and name.strip():
            found[name.strip()] = meant.strip() or None
        elif Path(each).suffix.lower() in _YAML:
            found |= _of_file(Path(each))
        else:
            raise ConfigError(f"--map {each}: expected NAME=CLASS, NAME= to leave pictures out, or a YAML file.")
    return found


def _of_file(file: Path) -> dict[str, str | None]:
    try:
        content = read_yaml(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--map {file}: cannot be read ({' '.join(str(error).split())}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"--map {file}: expected a mapping such as {{happiness: happy, contempt: null}}.")
    return {str(name): None if meant is None else str(meant) for name, meant in content.items()}
