"""Which of the trained networks vote, which is the default, and which the tiny one."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ferkit.bundles.card import ModelName
from ferkit.errors import DataError
from ferkit.models.test_time_augmentation import TTAChoice
from ferkit.release.sources import Source, Sources
from ferkit.standalone.folder import RunFolder

__all__ = ["Choice", "Chosen", "choose", "file_of"]


@dataclass(frozen=True)
class Choice:
    """What becomes which model of a bundle.

    Attributes
    ----------
    members
        Labels of the networks that may vote; if empty, the vote that is kept, else all that were not taught.
    default
        Label of the network that answers unless another model is asked for. If empty: the only one that the runs taught
        besides `tiny`, else the one that is kept, else none. A network that is named as a member, too, or votes in what
        is kept, goes on voting.
    tiny
        Label of the smallest network. If empty: the one that is kept, else none.
    tta
        Test-time augmentation of the vote: ``run``, as the vote that is kept or the first run predicts; ``once``;
        ``flip``; ``ten_crop``.
    default_tta, tiny_tta
        The same for the two networks, whose point is speed.
    """

    members: tuple[str, ...] = ()
    default: str | None = None
    tiny: str | None = None
    tta: TTAChoice = "run"
    default_tta: TTAChoice = "once"
    tiny_tta: TTAChoice = "once"

    def commands(self, runs: Sequence[Path], keep: Path | None) -> list[str]:
        """The commands that train the runs and make this choice."""
        names = [run.resolve().name for run in runs]
        lines = [
            f"python -m ferkit.standalone {file_of(RunFolder(run).config, run, runs, keep)} --out {name} "
            "--set data.path=data"
            for run, name in zip(runs, names, strict=True)
        ]
        words = [*names, *(["--keep", keep.name] if keep else []), "--data", "data"]
        words += ["--members", ",".join(self.members)] if self.members else []
        words += ["--default", self.default] if self.default else []
        words += ["--tiny", self.tiny] if self.tiny else []
        words += ["--views", self.tta, "--default-views", self.default_tta, "--tiny-views", self.tiny_tta]
        return [*lines, shlex.join(["ferkit", "export-reference", *words])]


@dataclass(frozen=True)
class Chosen:
    """The networks of a bundle.

    Attributes
    ----------
    members
        Those that may vote.
    default, tiny
        One a target, or one for all; none where there is no such model.
    """

    members: tuple[Source, ...]
    default: tuple[Source, ...]
    tiny: tuple[Source, ...]

    @property
    def networks(self) -> tuple[Source, ...]:
        """All of them."""
        return tuple(dict.fromkeys((*self.members, *self.default, *self.tiny)))


def choose(sources: Sources, choice: Choice) -> Chosen:
    """The networks that `choice` names.

    Raises
    ------
    DataError
        If a label is unknown or not clear, or nobody is left to vote.
    """
    found = sources.found
    labels = sorted({each.record.label for each in found})
    named = {*choice.members, *(each for each in (choice.default, choice.tiny) if each)}
    if unknown := named - set(labels):
        raise DataError(f"no finished training of {', '.join(sorted(unknown))}; there are {', '.join(labels)}.")
    taught = sorted({each.record.label for each in found if each.folder and each.is_taught} - {choice.tiny})
    if choice.default is None and len(taught) > 1:
        raise DataError(f"the runs taught {', '.join(taught)}: name the one that is to be the default network.")
    default = _network(sources, "default", choice.default or (taught[0] if taught else None))
    tiny = _network(sources, "tiny", choice.tiny)
    alone = {*default, *tiny}
    kept = _kept(sources, "vote")
    if choice.members:
        members = [each for each in found if each.record.label in choice.members]
    elif kept:
        members = kept
    else:
        members = [each for each in found if not each.is_taught and each not in alone]
    if not members:
        raise DataError(f"nobody is left to vote among the finished trainings: {', '.join(labels)}.")
    return Chosen(tuple(members), _beside(members, "default", default), _beside(members, "tiny", tiny))


def _beside(members: Sequence[Source], model: ModelName, chosen: tuple[Source, ...]) -> tuple[Source, ...]:
    """The networks of `model`, under names of their own where they vote as well, since each model has its own views."""
    return tuple(replace(each, name=f"{each.name}-{model}", twin=each) if each in members else each for each in chosen)


def _network(sources: Sources, model: ModelName, label: str | None) -> tuple[Source, ...]:
    """The network that is to be `model`: that of the runs with this label, that of the bundle, or the one kept."""
    if label is None:
        return tuple(_kept(sources, model))
    of_label = [each for each in sources.found if each.record.label == label]
    chosen = [each for each in of_label if each.folder] or of_label
    targets = [target for each in chosen for target in each.record.targets]
    if len(set(targets)) < len(targets):
        names = ", ".join(each.name for each in chosen)
        raise DataError(f"{model} is one network a target, found {names}: name fewer run folders.")
    return tuple(chosen)


def _kept(sources: Sources, model: ModelName) -> list[Source]:
    if sources.kept is None:
        return []
    card = sources.kept[0].card
    names = {card.networks[name].weights_of for name in card.networks_of(model)}
    return [each for each in sources.found if each.folder is None and each.name in names]


def file_of(file: Path, run: Path, runs: Sequence[Path], keep: Path | None) -> str:
    """What a file of a run is called in the bundle, beside those of other runs."""
    return f"{file.stem}-{run.resolve().name}{file.suffix}" if len(runs) > 1 or keep else file.name
