"""What the model card of the shipped models and that of a run's models both say, in words and tables."""

from collections.abc import Iterable, Sequence

from ferkit.backbones import BackboneSettings
from ferkit.bundles.card import BundleCard, Vote
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS
from ferkit.data.targets import TargetSettings
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.release.scores_table import markdown_table

__all__ = ["FAILINGS", "MISUSE", "labels_words", "licences", "picture_words", "tta_words", "votes_table"]

MISUSE = """## What they must not be used for

They say which word annotators would give to a *picture*. They do not say what a person feels.

- **No inference about a person's inner state.** Faces do not show emotions reliably: people scowl when they
  concentrate and smile when they are not happy (Barrett et al., "Emotional Expressions Reconsidered", Psychological
  Science in the Public Interest 20(1), 2019). Not for hiring, policing, border control, credit, insurance,
  diagnosis, lie detection, or any decision about a person.
- **Not at work and not in education.** The EU's AI Act (Regulation (EU) 2024/1689), Article 5(1)(f), bans inferring
  emotions there from biometric data, but for medical or safety reasons. Elsewhere such systems are high-risk (Annex
  III, 1(c)), and people have to be told that they are exposed to one (Article 50(3)).
- Not to watch people who have not agreed to it.

What they are for: research, teaching, a baseline to compare with, starting points of other models.
"""

FAILINGS = """## Where they fail

- **The pictures.** FER-2013 (Goodfellow et al., 2013, arXiv:1307.0414) came from web searches for words of emotion:
  posed, acted, stock photographs, some drawings. Expressions in daily life are weaker. Faces are cropped tightly
  and are grey and 48 pixels wide: anything cropped otherwise is another task.
- **The labels.** Its authors estimate human accuracy at 65 +/- 5 %. The label of FER-2013 is that of FER+'s
  majority on 67.1 % of the PrivateTest pictures that the majority protocol keeps; 59 groups of identical pictures
  carry conflicting labels.
- **Rare classes.** 547 of 35,887 pictures are disgust (55 in PrivateTest), so that its scores have wide intervals;
  16 of the 3,153 in FER+'s PrivateTest are contempt. See the recall below.
- **People.** Nobody recorded who is in the pictures, and there are no demographic labels: how well the models do
  for which group of people is *not known*, and was not measured here. The web's skews in age, sex and skin colour,
  and its stereotypes about who smiles and who is angry, are in the data; models learn the latter especially
  (Dominguez-Catena et al., 2022, arXiv:2210.05332). Measure on your own people before you trust a number.
- **Probabilities** are calibrated for pictures like FER-2013's, with its share of each class, and for no others.
"""


def labels_words(card: BundleCard) -> str:
    """How the labels of each target are made, in words."""
    return "; ".join(f"`{target}`: {_labels_of(each.settings, each.classes)}" for target, each in card.targets.items())


def _labels_of(target: TargetSettings, classes: Sequence[str]) -> str:
    declared = DECLARED_TARGETS.get(target.name)
    if declared is None:
        return f"the data's own ({', '.join(classes)})"
    return f"FER+, protocol {target.protocol}" if declared.from_votes else f"{declared.labels}'s own"


def picture_words(taken: InputCard) -> str:
    """What networks take, in words: a grey 48x48 picture."""
    return f"{'an RGB' if taken.colour else 'a grey'} {taken.size}x{taken.size} picture"


def votes_table(card: BundleCard) -> str:
    """Markdown: weights and temperature of each vote."""

    def line(vote: Vote) -> str:
        return ", ".join(f"`{card.networks[name].label}` {weight:.3f}" for name, weight in vote.weights.items())

    rows = []
    for target, each in card.targets.items():
        rows += [(f"`{target}`, {role}", line(vote), f"{vote.temperature:.3f}") for role, vote in each.models.items()]
    return markdown_table(("target", "weights", "temperature"), rows)


def tta_words(tta: TestTimeAugmentation) -> str:
    """What is seen of each picture, in words."""
    crops = "five crops" if tta.crops == "five" else "the whole of it"
    return f"{crops} and the mirror image of each" if tta.flip else crops


def licences(backbones: Iterable[BackboneSettings]) -> str:
    """Markdown: what the pretrained weights bring with them, each said once."""
    found = {
        backbone.name: (backbone.card.summary, backbone.card.weights)
        for backbone in backbones
        if backbone.starts_trained and backbone.card.weights
    }
    lines = [
        f"- `{name}` began as {summary}. File: {weights.source}.\n  Licence: {weights.licence}."
        for name, (summary, weights) in found.items()
    ]
    return "\n".join(lines) or "- No network began with the weights of others."
