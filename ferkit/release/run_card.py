"""The model card of a bundle that a run made (Mitchell et al., "Model Cards for Model Reporting", FAT* 2019)."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ferkit.backbones import BackboneSettings
from ferkit.bundles.card import BundleCard
from ferkit.config.run_config import RunConfig
from ferkit.models.test_time_augmentation import NO_TTA
from ferkit.release.card_parts import FAILINGS, MISUSE, labels_words, licences, picture_words, tta_words, votes_table
from ferkit.release.scores_table import published_table

__all__ = ["run_card"]


def run_card(
    card: BundleCard,
    config: RunConfig,
    backbones: Sequence[BackboneSettings],
    scores: pd.DataFrame,
    origin: Mapping[str, str],
) -> str:
    """What a person has to know before using a bundle, as Markdown.

    Parameters
    ----------
    card, scores
        Of the bundle, see `ferkit.release.run_bundle.JudgedBundle`.
    config
        Of the run.
    backbones
        Of its networks, with the weights that they began with.
    origin
        Where it comes from: what is written, by what it is.
    """
    return _TEMPLATE.format(
        name=card.name,
        networks=", ".join(f"`{each.label}` ({each.backbone.name})" for each in card.networks.values()),
        pictures=picture_words(card.input),
        misuse=MISUSE,
        failings=FAILINGS if config.data.source == "fer2013" else _OTHER_DATA.format(source=config.data.source),
        results=published_table(scores),
        targets=labels_words(card),
        votes=votes_table(card),
        views=tta_words(card.tta.get("vote", NO_TTA)),
        origin="\n".join(f"- {what}: {value}" for what, value in origin.items()),
        licences=licences(backbones),
        chosen=config.selection.subset,
    )


_OTHER_DATA = """## Where they fail

Trained on data of the kind `{source}`, which nobody described to ferkit. How well the networks do on other pictures,
and for which people, was not measured; if the faces were drawn, they are of no use on photographs.
"""

_TEMPLATE = """# Model card: `{name}`

A run of ferkit's pipeline made these networks: {networks}.
They take {pictures} of a face and give a probability to each class. The whole configuration is in
`config.yaml`.

{misuse}
{failings}
## Results

Accuracy with its bootstrap interval, macro-F1, expected calibration error, log loss in nats. "No duplicates" leaves out
pictures that also occur, byte for byte, in another split.

{results}

Trained on Training; epochs, weights of the vote and temperatures were chosen on {chosen}, so that the numbers of
PublicTest are too good. PrivateTest chose nothing.

## How it answers

Labels of each target: {targets}. It sees of each picture {views}; the probabilities of the views are averaged.

{votes}

## Where it comes from

{origin}

Pretrained weights:

{licences}
"""
