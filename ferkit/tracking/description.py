"""The description of a run, which MLflow shows above its numbers: what, on what, how good, and where the rest is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ferkit.config.run_config import RunConfig
from ferkit.reporting.document import escape_markdown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["describe", "intention"]

_SUBSETS = ("PublicTest, no duplicates", "PrivateTest")


def intention(config: RunConfig) -> str:
    r"""What a run does, on what, in a sentence of Markdown.

    Examples
    --------
    >>> backbones = [{"name": "fernet"}, {"name": "fernet_lite", "alias": "small"}]
    >>> config = RunConfig.model_validate({"name": "x", "data": {"source": "synthetic"}, "backbones": backbones})
    >>> intention(config)
    '**x**: 2 trainings (fernet, small) for fer on synthetic, balancing none, seed 0.'
    """
    labels = ", ".join(entry.label for entry in config.backbones)
    targets = " and ".join(target.name for target in config.targets)
    place = getattr(config.data, "path", None)
    count = len(config.trained())
    words = {
        "trainings": f"{count} training{'s' if count > 1 else ''} ({labels}) for {targets}",
        "data": f"{config.data.source}{f' in {place}' if place else ''}",
        "balancing": f"balancing {config.balancing.method}, seed {config.seed}",
    }
    said = {name: escape_markdown(text) for name, text in words.items()}
    return f"**{config.name}**: {said['trainings']} on {said['data']}, {said['balancing']}."


def describe(config: RunConfig, results: "pd.DataFrame", links: Mapping[str, str]) -> str:
    """What a run did and found, as Markdown.

    Parameters
    ----------
    results
        The table of every model, see `ferkit.evaluation.evaluate.Evaluation.to_table`.
    links
        By what they lead to, addresses, or commands where there is no address.
    """
    shown = [name for name in _SUBSETS if name in set(results["subset"])]
    lines = [f"| accuracy | {' | '.join(shown)} |", f"|---|{'---:|' * len(shown)}"]
    for (target, model), of_model in results.groupby(["target", "model"], sort=False):
        numbers = of_model.set_index("subset")["accuracy"]
        cells = [f"{numbers[name]:.4f}" if name in numbers else "" for name in shown]
        lines.append(f"| {escape_markdown(f'{target}/{model}')} | {' | '.join(cells)} |")
    found = [
        f"{name}: [{name}]({place})" if place.startswith(("http", "#")) else f"{name}: `{place}`"
        for name, place in links.items()
    ]
    return "\n".join([intention(config), "", *lines, "", "; ".join(found)])
