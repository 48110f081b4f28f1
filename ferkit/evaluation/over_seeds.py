"""Scores of the same models from several seeds or folds as one table."""

from collections.abc import Sequence

import pandas as pd

__all__ = ["over_seeds"]


def over_seeds(
    tables: Sequence[pd.DataFrame], *, by: Sequence[str] = ("target", "model", "subset"), runs: str = "seeds"
) -> pd.DataFrame:
    """Mean and standard deviation over the runs of several seeds, or of several folds.

    Parameters
    ----------
    tables
        Of each run one, as `ferkit.evaluation.evaluate.Evaluation.to_table` makes it.
    by
        Columns that say what is the same model on the same pictures.
    runs
        What the runs differ in, for the name of the column that counts them.

    Returns
    -------
    DataFrame
        `by`, the number of runs, and of accuracy and macro_f1 the columns ``_mean`` and ``_std``, which is nan of one.

    Examples
    --------
    >>> lines = [{"target": "fer", "model": "a", "subset": "PublicTest", "macro_f1": 0.5}] * 2
    >>> tables = [pd.DataFrame([{**line, "accuracy": each}]) for line, each in zip(lines, (0.5, 0.7))]
    >>> over_seeds(tables)[["seeds", "accuracy_mean", "accuracy_std"]].round(3).values.tolist()
    [[2.0, 0.6, 0.141]]
    """
    groups = pd.concat(tables, ignore_index=True).groupby(list(by), sort=False)[["accuracy", "macro_f1"]]
    found = groups.agg(["mean", "std"])
    found.columns = pd.Index(["_".join(each) for each in found.columns.to_flat_index()])
    found.insert(0, runs, groups.size())
    return found.reset_index()
