"""The parts of the API's description that are those of the model in use: its targets, its classes, its input."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from ferkit.data.labels import Target
from ferkit.serving.model.served import Served
from ferkit.serving.responses import model_of

__all__ = ["of_model"]

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def of_model(description: dict[str, Any], served: Served) -> dict[str, Any]:
    """The OpenAPI description of the service while a model answers.

    Parameters
    ----------
    description
        What holds for any model: a target or a class is any text. It is not changed.
    served
        The model. Where it has one target, its classes are the properties of ``Probabilities``; where it has several,
        those of each are one of its forms.
    """
    about = deepcopy(description)
    bundle = served.bundle
    classes = {target: bundle.classes(target) for target in bundle.targets}
    names = {"enum": list(dict.fromkeys(name for each in classes.values() for name in each))}
    about["info"]["x-model"] = model_of(served)

    parameters, schemas = about["components"]["parameters"], about["components"]["schemas"]
    targets = {"enum": list(classes)}
    parameters["target"]["schema"] = {**targets, "default": bundle.targets[0]}
    parameters["emotion"]["schema"] = names
    models = list(bundle.card.models)
    # Asked for, the default is answered by the vote where there is no such network.
    parameters["model"]["schema"]["enum"] = list(dict.fromkeys(["default", *models]))
    schemas["Models"]["items"] = {"enum": models}

    schemas["Target"] |= targets
    schemas["Class"] |= names
    schemas["Probabilities"] = _probabilities(schemas["Probabilities"], classes)
    side = {"minItems": bundle.input.size, "maxItems": bundle.input.size}
    heat = schemas["Explanation"]["properties"]["heatmap"]
    heat |= side
    heat["items"] |= side
    known = schemas["Model"]["properties"]["targets"]
    schemas["Model"]["properties"]["targets"] = _closed(
        {target: _about_target(known["additionalProperties"], each) for target, each in classes.items()}
    )
    return about


def _probabilities(any_classes: dict[str, Any], classes: Mapping[Target, Sequence[str]]) -> dict[str, Any]:
    forms = [{"title": target, **_closed(dict.fromkeys(names, _SHARE))} for target, names in classes.items()]
    about = {"description": any_classes["description"]}
    if len(forms) == 1:
        return {**about, **forms[0]}
    # Not oneOf: two targets may have the same classes.
    return {**about, "anyOf": forms}


def _about_target(any_target: dict[str, Any], classes: Iterable[str]) -> dict[str, Any]:
    about = deepcopy(any_target)
    about["properties"]["classes"] = {"const": list(classes)}
    return about


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }
