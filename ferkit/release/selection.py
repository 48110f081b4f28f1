"""What PublicTest decides about a bundle: who votes with which weight, how weights are stored, and temperatures."""

import logging
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import mixture
from ferkit.bundles.card import ModelName, TargetCard, Vote
from ferkit.bundles.parity import LIMITS, compare, violations
from ferkit.bundles.weights import StoredPrecision
from ferkit.bundles.writing import ensemble_vote
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.models.ensemble import selection_ensemble
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.predictions import Predictions
from ferkit.models.selection import selection_predictions
from ferkit.models.temperature import selection_temperature
from ferkit.release.choice import Chosen
from ferkit.release.sources import Source, Sources

__all__ = ["Selection"]

_LOG = logging.getLogger(__name__)

_Predicted = Mapping[str, TargetProbabilities]


class Selection:
    """Choices by what networks say about PublicTest, without the pictures that other splits have, too.

    Parameters
    ----------
    sources
        With the settings of the choice.
    faces
        The data.
    chosen
        The networks.
    """

    def __init__(self, sources: Sources, faces: FaceDataset, chosen: Chosen) -> None:
        self._sources, self._faces, self._chosen = sources, faces, chosen
        self._public = faces.of_split("PublicTest")

    def votes(self, predicted: _Predicted) -> dict[Target, TargetCard]:
        """The weights of each vote: those of the vote that is kept, or found among the members."""
        cards: dict[Target, TargetCard] = {}
        for target in self._sources.targets:
            members = self._of(self._chosen.members, target)
            if not members:
                continue
            models = {"vote": self._vote(members, predicted, target)}
            for model, group in (("default", self._chosen.default), ("tiny", self._chosen.tiny)):
                if taught := self._of(group, target):
                    models[model] = Vote(weights={taught[0]: 1.0})
            classes = target.class_names(self._faces.classes)
            cards[target.name] = TargetCard(settings=target, classes=classes, **models)
        return cards

    def precision(
        self, votes: Mapping[Target, TargetCard], half: _Predicted, small: _Predicted
    ) -> dict[str, StoredPrecision]:
        """How the weights of each network are stored: in 8 bits if what its models say keeps for every target."""
        precision: dict[str, StoredPrecision] = dict.fromkeys(small, "int8")
        models = dict.fromkeys(model for card in votes.values() for model in card.models)
        for model in (each for each in models if not self.keeps(votes, each, half, small)):
            for card in votes.values():
                if model in card.models:
                    precision |= dict.fromkeys(card.models[model].weights, "float16")
        return precision

    def keeps(
        self, votes: Mapping[Target, TargetCard], model: ModelName, before: _Predicted, after: _Predicted
    ) -> bool:
        """Whether a model answers as before: 99 % the same class, at most 0.1 points of accuracy lost, every target."""
        wrong = [
            problem
            for card in votes.values()
            if model in card.models
            for problem in self._lost(card, card.models[model], before, after)
        ]
        _LOG.info("%s with smaller weights: %s", model, "; ".join(wrong) or "answers as before")
        return not wrong

    def with_temperatures(self, votes: Mapping[Target, TargetCard], predicted: _Predicted) -> dict[Target, TargetCard]:
        """The same votes, each with the temperature that suits what its networks say."""
        return {
            target: card.model_copy(
                update={
                    model: vote.model_copy(
                        update={
                            "temperature": selection_temperature(
                                self._predictions(card.settings, mixture(vote, predicted, target)),
                                self._faces, card.settings, self._sources.selection,
                            )
                        }
                    )
                    for model, vote in card.models.items()
                }
            )
            for target, card in votes.items()
        }  # fmt: skip

    def _of(self, group: tuple[Source, ...], target: TargetSettings) -> list[str]:
        return [each.name for each in group if target.name in each.record.targets]

    def _vote(self, members: list[str], predicted: _Predicted, target: TargetSettings) -> Vote:
        kept = self._sources.kept
        before = kept[0].card.targets[target.name].vote if kept else None
        if before and set(before.weights) == set(members):
            return before
        predictions = {name: self._predictions(target, predicted[name][target.name]) for name in members}
        selection, settings = self._sources.selection, self._sources.ensemble
        return ensemble_vote(selection_ensemble(predictions, self._faces, target, selection, settings), 1.0)

    def _lost(self, card: TargetCard, vote: Vote, half: _Predicted, small: _Predicted) -> list[str]:
        name = card.settings.name
        answers: list[TargetProbabilities] = []
        for predicted in (half, small):
            predictions = self._predictions(card.settings, mixture(vote, predicted, name))
            chosen, labels = selection_predictions(predictions, self._faces, card.settings, self._sources.selection)
            answers.append({name: chosen.probabilities})
        expected, found = answers
        return violations(compare(expected, found, {name: labels.argmax(axis=1)}), LIMITS["int8_weights"])

    def _predictions(self, target: TargetSettings, probabilities: NDArray[np.float32]) -> Predictions:
        """What was said about the pictures of PublicTest that have a label for `target`."""
        return Predictions.of_labelled(self._public, "PublicTest", target, probabilities)
