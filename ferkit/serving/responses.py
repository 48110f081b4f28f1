"""The responses of the API, as JSON."""

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferkit.inference.decoder import FoundFaces
from ferkit.inference.predictor import FacePrediction
from ferkit.serving.model.served import Served

__all__ = ["about_model", "model_of", "picture_response", "rounded"]


def model_of(served: Served) -> dict[str, str]:
    """Name and version of the model that answers."""
    return {"name": served.name, "version": served.version}


def rounded(values: NDArray[np.floating]) -> list[Any]:
    """An array as nested lists, rounded to 6 decimals."""
    return list(np.round(values.astype(np.float64), 6).tolist())


def picture_response(found: FoundFaces, faces: Sequence[FacePrediction], classes: Sequence[str]) -> dict[str, Any]:
    """The JSON of a picture and its faces, largest first."""
    return {
        "name": found.name,
        "width": found.width,
        "height": found.height,
        "faces": [_face(face, classes) for face in faces],
        "left_out": found.left_out,
    }


def _face(face: FacePrediction, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "box": [int(value) for value in face.box],
        "score": round(float(face.score), 4),
        "emotion": face.emotion,
        "probabilities": dict(zip(classes, rounded(face.probabilities), strict=True)),
    }


_CARD = "MODEL_CARD.md"


_SCORES = "scores.csv"


def about_model(served: Served) -> dict[str, Any]:
    """The JSON of a model: names, targets, members, input, card, and scores as far as the bundle has them."""
    bundle = served.bundle
    targets = {
        target: {
            "classes": list(bundle.classes(target)),
            "members": {bundle.card.networks[name].label: weight for name, weight in card.vote.weights.items()},
            "models": list(card.models),
        }
        for target, card in bundle.card.targets.items()
    }
    return {
        "name": served.name,
        "version": served.version,
        "alias": served.alias,
        "run_id": served.run_id,
        "targets": targets,
        "models": list(bundle.card.models),
        "input": bundle.input.model_dump(),
        "card_markdown": _text(served, _CARD),
        "numbers": _numbers(_text(served, _SCORES)),
        "loaded_at": served.loaded_at,
    }


def _text(served: Served, name: str) -> str:
    try:
        return (served.bundle.folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        # A bundle needs neither to answer.
        return ""


def _numbers(table: str) -> list[dict[str, Any]]:
    """The rows of the table of scores, numbers as numbers, without cells that are empty."""
    return [
        {name: _value(cell) for name, cell in row.items() if name and cell}
        for row in csv.DictReader(table.splitlines())
    ]


def _value(cell: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
