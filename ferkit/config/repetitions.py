"""A configuration that is to be run several times: with several seeds, and once for each fold of its data."""

from collections.abc import Sequence
from dataclasses import dataclass

from ferkit.config.run_config import RunConfig

__all__ = ["Repetition", "folds_to_run", "repetitions", "varied"]


@dataclass(frozen=True, eq=False)
class Repetition:
    """One run of several.

    Attributes
    ----------
    config
        With the seed and the fold of this run.
    seed, fold
        None where the runs do not differ in it.
    """

    config: RunConfig
    seed: int | None
    fold: int | None

    @property
    def name(self) -> str:
        """Such as ``seed-0-fold-3``; empty if it is the only run."""
        parts = (("seed", self.seed), ("fold", self.fold))
        return "-".join(f"{what}-{value}" for what, value in parts if value is not None)


def folds_to_run(config: RunConfig) -> tuple[int, ...]:
    """The folds that `config` is to be run in: all of its data, unless there are none or one is chosen."""
    dealt = config.data.folds
    return tuple(range(dealt.folds)) if dealt and dealt.fold is None else ()


def repetitions(config: RunConfig, seeds: Sequence[int] = ()) -> list[Repetition]:
    """Every run that `config` stands for: each fold if its data has folds and none is chosen, with each seed.

    Examples
    --------
    >>> data = {"source": "synthetic", "split": {"folds": 3, "by": "picture"}}
    >>> content = {"name": "x", "data": data, "backbones": [{"name": "fernet"}], "registry": {"register": False}}
    >>> [each.name for each in repetitions(RunConfig.model_validate(content), (0, 1))][:3]
    ['seed-0-fold-0', 'seed-1-fold-0', 'seed-0-fold-1']
    """
    folds = folds_to_run(config) or (None,)
    return [Repetition(_changed(config, seed, fold), seed, fold) for fold in folds for seed in (seeds or (None,))]


def varied(runs: Sequence[Repetition]) -> str:
    """What several runs differ in: ``seeds``, ``folds``, or ``runs`` where they differ in both."""
    seeds, folds = (len({getattr(each, name) for each in runs}) for name in ("seed", "fold"))
    if seeds > 1 and folds > 1:
        return "runs"
    return "folds" if folds > 1 else "seeds"


def _changed(config: RunConfig, seed: int | None, fold: int | None) -> RunConfig:
    changed = config if seed is None else config.model_copy(update={"seed": seed})
    dealt = changed.data.folds
    if fold is None or dealt is None:
        return changed
    data = changed.data.model_copy(update={"split": dealt.model_copy(update={"fold": fold})})
    return changed.model_copy(update={"data": data, "name": f"{config.name}-fold-{fold}"})
