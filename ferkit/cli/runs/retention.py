"""Which runs can go: those whose results no other run has from the cache, and whose models nobody registered."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from ferkit.cli.runs.found import Executed

__all__ = ["needed_by", "removable"]


def needed_by(run: Executed, others: Iterable[Executed]) -> list[str]:
    """Names of the runs among `others` that have a result of `run` from the cache."""
    return [each.name for each in others if each.name != run.name and each.cached & run.steps]


def removable(
    runs: Sequence[Executed], keep: int, protected: Collection[str] = (), registered: Mapping[str, str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """The runs that go when the newest `keep` stay, and why others stay that are older.

    Parameters
    ----------
    runs
        Every run, the newest first.
    protected
        Names of runs that go on.
    registered
        By name of a run, the model in the registry that came from it.

    Returns
    -------
    gone, kept
        Names, the newest first; and by name of each older run that stays the reason.

    Examples
    --------
    >>> runs = [Executed("c", frozenset("3"), frozenset("1")), Executed("b", frozenset("2"), frozenset()),
    ...         Executed("a", frozenset("1"), frozenset())]
    >>> removable(runs, 1)
    (['b'], {'a': 'c has results of it'})
    """
    staying = list(runs[:keep])
    reasons: dict[str, str] = {}
    gone: list[str] = []
    # A run has results only of older ones: newest first, whoever needs a run is decided before it.
    for run in runs[keep:]:
        if run.name in protected:
            reasons[run.name] = "it goes on"
        elif registered and run.name in registered:
            reasons[run.name] = f"{registered[run.name]} came from it"
        elif users := needed_by(run, staying):
            reasons[run.name] = f"{users[0]} has results of it"
        else:
            gone.append(run.name)
            continue
        staying.append(run)
    return gone, reasons
