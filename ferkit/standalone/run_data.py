"""The data of a run without ZenML: read, validated, cleaned; what all of its trainings and seeds share."""

from dataclasses import dataclass, field

import pandas as pd

from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.preparation.cleaning import drop_non_faces
from ferkit.preparation.quarantine import without_quarantined
from ferkit.sources import fingerprint, read

__all__ = ["RunData", "read_data"]


@dataclass(frozen=True, eq=False)
class RunData:
    """The data of a run, as far as no seed is needed for it.

    Attributes
    ----------
    fingerprint
        Hash of the data's files.
    ingested
        The faces as they were read.
    faces
        What quarantine and cleaning left.
    left_out
        Pictures that could not be read or have no face, see `ferkit.sources.read`.
    """

    fingerprint: str
    ingested: FaceDataset
    faces: FaceDataset
    left_out: pd.DataFrame = field(default_factory=pd.DataFrame)


def read_data(config: RunConfig) -> RunData:
    """Read and clean the data that `config` names.

    Parameters
    ----------
    config
        Of which the sections `data`, `validation` and `cleaning` are read.

    Raises
    ------
    DataError
        As `ferkit.sources.load` and `ferkit.preparation.cleaning.drop_non_faces` do.
    """
    ingested, left_out = read(config.data)
    cleaned = drop_non_faces(without_quarantined(ingested, config.validation), config.cleaning)
    return RunData(fingerprint(config.data), ingested, cleaned.faces, left_out)
