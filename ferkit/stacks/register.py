"""Makes ZenML's stacks of stack files: registers what is missing, updates what differs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from ferkit.config.problems import unknown_key
from ferkit.errors import ConfigError
from ferkit.stacks.placement import Placement
from ferkit.stacks.settings import ComponentSettings, StackSettings

__all__ = ["PLACEMENT_LABEL", "Change", "apply"]

# A run that names the stack and not its file finds there what the file said about placing steps.
PLACEMENT_LABEL = "ferkit.placement"
# The flavors whose packages `pip install .[EXTRA]` brings.
_EXTRAS = {"ray": "ray", "kubernetes": "kubernetes", "kubeflow": "kubeflow", "ferkit_kubeflow": "kubeflow"}


@dataclass(frozen=True)
class Change:
    """The change that `apply` made to a component, or to the stack itself (`kind` ``stack``)."""

    kind: str
    name: str
    flavor: str
    what: Literal["registered", "updated", "unchanged"]


def apply(stack: StackSettings, shared: Mapping[str, str] | None = None) -> list[Change]:
    """Register `stack` and its components, or bring them up to date; a second call changes nothing.

    Parameters
    ----------
    shared
        Name of a registered component, by type, that takes the place of one that the file leaves out.

    Raises
    ------
    ConfigError
        If a flavor is unknown, a package of it is missing, or it refuses its configuration.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    changes, chosen = [], {}
    for kind, settings in stack.components.items():
        place = _Place(f"stack {stack.name}: {kind}", StackComponentType(kind))
        change = _apply_component(client, place, stack.name, settings)
        changes.append(change)
        chosen[place.type] = change.name
    for kind, name in (shared or {}).items():
        chosen.setdefault(StackComponentType(kind), name)
    return [*changes, _apply_stack(client, stack, chosen)]


@dataclass(frozen=True)
class _Place:
    """Where a component stands in the file, for messages, and ZenML's type of it."""

    where: str
    type: Any


def _apply_component(client: Any, place: _Place, stack: str, settings: ComponentSettings) -> Change:
    with _packages_of(place, settings.flavor):
        flavor = _flavor(client, place, settings)
    wanted = _checked(place, flavor, settings)
    for name in (stack, f"{stack}-{settings.flavor}"):
        found = client.list_stack_components(name=name, type=place.type, hydrate=True).items
        if not found:
            with _packages_of(place, settings.flavor):
                # What runs the steps has to be there, too, and not only what checks its settings.
                _ = flavor.implementation_class
            client.create_stack_component(name, settings.flavor, place.type, wanted)
            return Change(place.type.value, name, settings.flavor, "registered")
        # A component keeps its flavor, and artifacts belong to a component: another flavor is another component.
        if found[0].flavor_name == settings.flavor:
            there = found[0].configuration
            if there == wanted:
                return Change(place.type.value, name, settings.flavor, "unchanged")
            # ZenML merges; an empty value takes a key away.
            gone = dict.fromkeys(set(there) - set(wanted))
            client.update_stack_component(found[0].id, place.type, configuration={**wanted, **gone})
            return Change(place.type.value, name, settings.flavor, "updated")
    raise ConfigError(f"{place.where}: the names {stack} and {stack}-{settings.flavor} are taken by other flavors.")


def _flavor(client: Any, place: _Place, settings: ComponentSettings) -> Any:
    """The class of the flavor, registered if the file says where it is."""
    from zenml.stack.flavor import Flavor

    try:
        model = client.get_flavor_by_name_and_type(settings.flavor, place.type)
    except KeyError:
        model = None
    if settings.flavor_source and (model is None or model.source != settings.flavor_source):
        if model is not None:
            client.delete_flavor(model.id)
        try:
            model = client.create_flavor(settings.flavor_source, place.type)
        except (ValueError, TypeError) as error:
            # ZenML says so, too, where a module is not to be found.
            if settings.flavor in _EXTRAS and isinstance(error.__cause__, ImportError):
                raise error.__cause__ from None
            raise ConfigError(f"{place.where}.flavor_source {settings.flavor_source}: {error}") from error
    if model is None or model.name != settings.flavor:
        known = sorted({each.name for each in client.list_flavors(type=place.type, size=200).items})
        source = f" in {settings.flavor_source}" if settings.flavor_source else ""
        raise ConfigError(f"{place.where}.flavor: no {settings.flavor}{source}; known: {', '.join(known)}.")
    return Flavor.from_model(model)


@contextmanager
def _packages_of(place: _Place, flavor: str) -> Iterator[None]:
    """Say which packages to install where one is missing."""
    try:
        yield
    except ImportError as error:
        extra = _EXTRAS.get(flavor)
        command = f"pip install '.[{extra}]'" if extra else f"zenml integration requirements {flavor}"
        raise ConfigError(f"{place.where}.flavor {flavor}: {error}; what it needs: {command}") from error


def _checked(place: _Place, flavor: Any, settings: ComponentSettings) -> dict[str, Any]:
    """The configuration as ZenML stores it."""
    known = flavor.config_class.model_fields
    where = f"{place.where}.configuration"
    if unknown := [key for key in settings.configuration if key not in known]:
        raise ConfigError("\n".join(unknown_key(f"{where}.{key}", key, sorted(known)) for key in unknown))
    try:
        made = flavor.config_class(**settings.configuration)
    except ValidationError as error:
        lines = (
            f"{'.'.join((where, *map(str, each['loc'])))}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        )
        raise ConfigError("\n".join(" ".join(line.split()) for line in lines)) from error
    stored: dict[str, Any] = made.model_dump(mode="json", exclude_unset=True)
    return stored


def _apply_stack(client: Any, stack: StackSettings, chosen: Mapping[Any, str]) -> Change:
    orchestrator, placement = stack.orchestrator.flavor, Placement.of(stack).model_dump_json()
    found = client.list_stacks(name=stack.name, hydrate=True).items
    what: Literal["registered", "updated", "unchanged"] = "unchanged"
    if not found:
        there = client.create_stack(stack.name, dict(chosen))
        what = "registered"
    else:
        there = found[0]
        components = {kind: [each.name for each in parts] for kind, parts in there.components.items()}
        if components != {kind: [name] for kind, name in chosen.items()}:
            # A type that is named with nothing goes away.
            gone: dict[Any, list[str]] = {kind: [] for kind in components if kind not in chosen}
            there = client.update_stack(there.id, component_updates={**chosen, **gone})
            what = "updated"
    if (there.labels or {}).get(PLACEMENT_LABEL) != placement:
        client.update_stack(there.id, labels={PLACEMENT_LABEL: placement})
        what = "updated" if found else what
    if there.environment != stack.environment:
        gone_variables = dict.fromkeys(set(there.environment) - set(stack.environment))
        client.update_stack(there.id, environment={**stack.environment, **gone_variables})
        what = "updated" if found else what
    return Change("stack", stack.name, orchestrator, what)
