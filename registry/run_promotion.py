"""The gate at the end of a run."""

import logging
import tempfile
from pathlib import Path

import pandas as pd

from ferkit.config import RunConfig
from ferkit.dataset import FaceDataset
from registry.promoting import Pictures, find_challenger, promote
from registry.registered import REGISTERED_NAME, champion_version

__all__ = ["promote_run"]

_LOG = logging.getLogger("ferkit.registry")


def promote_run(registered: pd.DataFrame, config: RunConfig, faces: FaceDataset) -> pd.DataFrame:
    """Ask the gate about the ensemble that a run registered, and promote it if it passes.

    Parameters
    ----------
    registered
        As `registry.registration.register_run` returns it.
    faces
        The data as it was read.

    Returns
    -------
    passed, reason
        One line for each thing that the gate looked at; none if the version is champion already, as that of a run
        whose steps were all cached may be.
    """
    version = str(registered.loc[registered["name"] == REGISTERED_NAME, "version"].iloc[0])
    if version == champion_version():
        _LOG.info("%s version %s is the champion already", REGISTERED_NAME, version)
        return pd.DataFrame({"passed": pd.Series(dtype=bool), "reason": pd.Series(dtype=str)})
    with tempfile.TemporaryDirectory() as scratch:
        challenger = find_challenger(REGISTERED_NAME, version, Path(scratch))
        pictures = Pictures(faces, config.evaluation, config.seed, config.selection)
        outcome = promote(challenger, pictures, config.registry.gate, Path(scratch))
    told = "is the champion now" if outcome.entry else "is refused and stays challenger"
    _LOG.info("%s version %s %s: %s", REGISTERED_NAME, version, told, " ".join(outcome.verdict.reasons))
    return outcome.verdict.table()
