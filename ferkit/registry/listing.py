"""Lists of the models and versions of the registry, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ferkit.registry.client import aliases_of, registry_client, registry_errors, require_model

__all__ = ["ListedVersion", "list_versions", "model_names"]


@dataclass(frozen=True)
class ListedVersion:
    """A version of a registered model.

    Attributes
    ----------
    version
        Its number.
    aliases
        Such as ``champion``.
    numbers
        Metrics of its evaluation, by names such as ``fer/PrivateTest/accuracy``.
    registered, registered_by
        When, in UTC, and by whom.
    run
        Name of the run of the pipeline that made it.
    verdict
        What the gate decided, for whom and when; empty if it did not judge the version.
    """

    version: str
    aliases: tuple[str, ...]
    numbers: Mapping[str, float]
    registered: datetime
    registered_by: str
    run: str
    verdict: str


def model_names(like: str) -> list[str]:
    """Names of the registered models that begin with `like`, sorted."""
    with registry_errors("registered models"):
        found = registry_client().search_registered_models(filter_string=f"name LIKE '{like}%'")
    return sorted(each.name for each in found)


def list_versions(name: str, most: int = 20) -> list[ListedVersion]:
    """The last versions of a registered model, newest first.

    Raises
    ------
    RegistryError
        If nothing is registered under that name, or the registry does not answer.
    """
    aliases = aliases_of(require_model(name))
    with registry_errors(f"versions of {name}"):
        found = registry_client().search_model_versions(f"name = '{name}'")
        newest = sorted(found, key=lambda each: -int(each.version))[:most]
        return [_listed(each, aliases) for each in newest]


def _listed(version: Any, aliases: Mapping[str, str]) -> ListedVersion:
    number, tags = str(version.version), version.tags
    verdict = " ".join(tags.get(f"ferkit.{key}", "") for key in ("verdict", "judged_by", "judged_at"))
    return ListedVersion(
        version=number,
        aliases=tuple(sorted(alias for alias, of in aliases.items() if of == number)),
        numbers=_numbers(version),
        registered=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        registered_by=tags.get("ferkit.registered_by", "unknown"),
        run=tags.get("ferkit.pipeline_run", "unknown"),
        verdict=verdict.strip(),
    )


def _numbers(version: Any) -> dict[str, float]:
    """The metrics of the logged model behind a version."""
    kind, _, model_id = str(version.source).partition("models:/")
    if kind or not model_id:
        return {}
    return {each.key: each.value for each in registry_client().get_logged_model(model_id).metrics or ()}
