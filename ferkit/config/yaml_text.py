"""YAML whose bare words mean what they say, as in version 1.2 of the language.

PyYAML reads version 1.1, where a bare ``off``, ``no``, ``on`` or ``yes`` is a boolean, ``1e-4`` a text and
``2024-01-01`` a date: no value of a setting that is one of these words could be written without quotes.
"""

import re
from typing import Any

import yaml

__all__ = ["read_yaml", "write_yaml"]

# https://yaml.org/spec/1.2.2/#1032-tag-resolution; what is left to PyYAML is the same in both versions.
_BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_REPLACED = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")


class _Loader(yaml.SafeLoader):
    """`yaml.SafeLoader` with the bare words of version 1.2."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own, of which a class has to have a copy to change it
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):
    """`yaml.SafeDumper` that puts into quotes what either version would take for something else than text."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, list("tTfF"))
for each in (_Loader, _Dumper):
    # After PyYAML's whole numbers, which the pattern matches, too.
    each.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_yaml(text: str) -> Any:
    """What `text` holds: mappings, lists, text, numbers, booleans and nothing else.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML.
    """
    # A SafeLoader: it makes no objects.
    return yaml.load(text, _Loader)  # noqa: S506


def write_yaml(content: Any) -> str:
    """`content` as text that version 1.1 and 1.2 read alike, keys in their order."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True))
