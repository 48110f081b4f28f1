"""The model card of the shipped models (Mitchell et al., "Model Cards for Model Reporting", FAT* 2019)."""

from collections.abc import Mapping

import pandas as pd
import yaml

from ferkit.bundles.card import BundleCard, ModelName
from ferkit.models.test_time_augmentation import NO_TTA
from ferkit.release.card_parts import FAILINGS, MISUSE, labels_words, licences, picture_words, tta_words, votes_table
from ferkit.release.scores_table import markdown_table, published_table
from ferkit.release.trainings import Trainings
from ferkit.standalone.records import MemberRecord

__all__ = ["model_card"]


def model_card(
    card: BundleCard,
    trainings: Trainings,
    scores: pd.DataFrame,
    sizes: Mapping[str, int],
) -> str:
    """What a person has to know before using the shipped models, as Markdown.

    Parameters
    ----------
    card
        What ships.
    trainings
        How each of its networks was trained.
    scores
        As `ferkit.release.evaluate_bundle.BundleEvaluation.scores`.
    sizes : bytes
        Of each file that ships, by name.
    """
    return _TEMPLATE.format(
        name=card.name,
        misuse=MISUSE,
        failings=FAILINGS,
        count=len({network.file for network in card.networks.values()}),
        pictures=picture_words(card.input),
        megabytes=f"{sum(sizes.values()) / 1e6:.1f}",
        models=_models(card, sizes),
        results=published_table(scores),
        recall=_recall(card, scores),
        networks=_networks(card, trainings.networks, sizes),
        recipes=_recipes(card, trainings.networks),
        votes=votes_table(card),
        views=",\n  ".join(f"`{model}` {tta_words(card.tta.get(model, NO_TTA))}" for model in card.models),
        targets=labels_words(card),
        joint=_JOINT if any(len(network.heads) > 1 for network in card.networks.values()) else "",
        licences=licences(record.backbone for record in trainings.networks.values()),
        commands="\n".join(f"    {each}" for each in trainings.commands),
    )


def _models(card: BundleCard, sizes: Mapping[str, int]) -> str:
    """Markdown: what one can ask for."""
    lines = []
    for model in card.models:
        names = sorted(card.networks_of(model))
        labels = ", ".join(f"`{card.networks[name].label}`" for name in names)
        files = [card.networks[name].litert for name in names]
        quick = sum(sizes[file.file] for file in files if file) / 1e6
        alone = f"; {quick:.1f} MB as LiteRT, which needs no TensorFlow" if all(files) else ""
        lines.append(f"- `{model}`, {_ROLES[model]}: {labels}{alone}.")
    return "\n".join(lines)


def _recall(card: BundleCard, scores: pd.DataFrame) -> str:
    """Recall of each class of each model on PrivateTest."""
    parts = []
    for target in scores["target"].unique():
        classes = card.targets[target].classes
        at = (scores["target"] == target) & (scores["subset"] == "PrivateTest") & (scores["role"] != "member")
        rows = [
            (line["model"], target, *(_percent(line[f"recall_{name}"]) for name in classes))
            for line in scores[at].to_dict("records")
        ]
        parts.append(markdown_table(("model", "target", *classes), rows))
    return "\n\n".join(parts)


def _percent(share: float) -> str:
    return "-" if pd.isna(share) else f"{100 * share:.1f} %"


def _networks(card: BundleCard, records: Mapping[str, MemberRecord], sizes: Mapping[str, int]) -> str:
    rows = []
    for name, network in card.networks.items():
        if network.weights_of != name:
            continue
        record = records[name]
        environment = record.environment
        start = "pretrained" if record.backbone.starts_trained else "random weights"
        rows.append(
            (
                f"`{network.label}`",
                f"{network.backbone.name}, {start}",
                f"{network.backbone.size}",
                " + ".join(network.heads),
                f"{sizes[network.file] / 1e6:.1f}, {network.precision}",
                f"{record.numbers['best_epoch'] + 1:.0f} of {_epochs(record)}",
                f"{record.seconds / 60:.0f}",
                str(record.seed),
                f"{environment.backend}, {record.precision}, {environment.device}",
                environment.commit or "unknown",
            )
        )
    header = (
        "network",
        "backbone",
        "input",
        "heads",
        "MB, weights",
        "best epoch",
        "minutes",
        "seed",
        "trained with",
        "commit",
    )
    return markdown_table(header, rows)


def _epochs(record: MemberRecord) -> int:
    """Of both phases, where there were two."""
    return record.training.network.epochs + (record.training.head.epochs if record.backbone.starts_trained else 0)


def _recipes(card: BundleCard, records: Mapping[str, MemberRecord]) -> str:
    """What the training of each network does otherwise than ferkit's defaults, as YAML."""
    changed = {
        card.networks[name].label: record.training.model_dump(mode="json", exclude_defaults=True)
        | ({"distillation": record.distillation.model_dump(mode="json")} if record.distillation else {})
        for name, record in records.items()
    }
    text = yaml.safe_dump(changed, sort_keys=False, default_flow_style=None, width=110)
    return "\n".join(f"    {line}" for line in text.splitlines())


_ROLES: dict[ModelName, str] = {
    "vote": "a weighted mean of networks, the most accurate answer",
    "default": "one network, which answers unless another model is asked for",
    "tiny": "a small network that was taught by a vote, for speed",
}

_JOINT = """
- Networks with two heads learned from both kinds of labels together. FER+ labels are extra annotation for FER-2013: a
  number for FER-2013's labels that such a network helped to reach is not one of FER-2013 alone."""

_TEMPLATE = """# Model card: the shipped models of ferkit

`{name}`: {count} networks, {megabytes} MB with everything in this folder. They take {pictures} of a face
and give a probability to each expression: the seven of FER-2013 or the eight of FER+.

{models}

    from ferkit.bundles.bundle import load_bundle
    load_bundle().predict(pictures)                   # (N, 48, 48) uint8 -> (N, 7) float32
    load_bundle().predict(pictures, model="vote")     # the same, more accurate and slower

{misuse}
{failings}
## Results

Accuracy with 95 % intervals (percentile bootstrap over pictures, 2,000 draws), macro-F1, expected calibration error
(15 bins), log loss in nats. "No duplicates" leaves out pictures that also occur, byte for byte, in another split.

{results}

The command that prints this table from the files of this folder, given `fer2013.csv` and `fer2013new.csv` in
`data`:

    ferkit evaluate reference --data data

Recall of each class on PrivateTest:

{recall}

## Protocol

- Trained on Training. Everything was chosen on PublicTest: epochs and recipe by what the networks said in training,
  the weights of the vote, the precision of the files and the temperatures by what these files say, on the pictures
  that `selection` in the configurations names. PrivateTest chose nothing; it was read for the table above.
  PublicTest's own numbers are therefore too good. So are, on both splits, those over all pictures: of FER-2013, 288 of
  PrivateTest and 280 of PublicTest are in Training, byte for byte.
- Labels of each target: {targets}.{joint}
- Of each picture, {views};
  the probabilities of the views are averaged.
- `answers.npz` holds the class that each model gave each picture of both splits, by hash, so that a copy
  of the data, or a part of it, can be checked against this card.

## Members

{networks}

Minutes of training are those of the device named. Weights are stored in half precision, or in 8 bits with a scale a
channel where the answers keep (99 % the same, at most 0.1 points of accuracy lost). What each training did
otherwise than by default:

{recipes}

{votes}

Each vote is a weighted mean of probabilities, found by `ferkit.models.ensemble`; its temperature (Guo et al., 2017,
arXiv:1706.04599) changes no decision.

## Reproduce

`config.yaml` (one a run, if there were several) is the recipe with every default written out, `training.log` what
it said.

{commands}

## Licence

The code is MIT. The weights come with what they were made from:

{licences}
- FER-2013 was collected from web searches for a Kaggle contest; the photographs belong to others. FER+ (Barsoum et
  al., 2016, arXiv:1608.01041) adds labels to it.

Use the weights for research; ask a lawyer before anything else.
"""
