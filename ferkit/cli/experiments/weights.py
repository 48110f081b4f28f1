"""Whether the pretrained weights of an experiment are here, before the first of its runs."""

from collections.abc import Iterable

from ferkit.backbones.listing import weights_status
from ferkit.backbones.registry import Backbone
from ferkit.backbones.weights import require
from ferkit.config.run_config import RunConfig
from ferkit.errors import WeightsError

__all__ = ["missing_weights", "require_weights"]


def missing_weights(configs: Iterable[RunConfig]) -> list[str]:
    """A line for each weights file that is not on this machine: of which backbone, and how it comes here."""
    status = {card.name: weights_status(card) for card in _cards(configs)}
    return [f"{name}: {words}" for name, words in status.items() if words.startswith("missing")]


def require_weights(configs: Iterable[RunConfig], hint: str) -> None:
    """Check that every weights file is here and whole, or that its source answers.

    Raises
    ------
    WeightsError
        A line for each file that cannot be had, and `hint`.
    """
    problems = []
    for card in _cards(configs):
        if card.weights is None:
            continue
        try:
            require(card.weights)
        except WeightsError as error:
            problems.append(f"{card.name}: {error}{hint}")
    if problems:
        raise WeightsError("\n".join(problems))


def _cards(configs: Iterable[RunConfig]) -> list[Backbone]:
    """The backbones that begin with published weights, each once."""
    entries = (training.entry for config in configs for training in config.trained())
    cards = (entry.card for entry in entries if entry.weights == "pretrained")
    return list({card.name: card for card in cards if card.weights}.values())
