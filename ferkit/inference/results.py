"""The table of what was found in many pictures: a row a face, one for a picture without, one for a broken file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.labels import Target, class_names
from ferkit.data.statistics import FACE_STATISTICS, face_statistics
from ferkit.errors import DataError
from ferkit.inference.predictor import FacePrediction

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MADE_WITH", "FaceTable", "Finding", "MadeWith", "read_face_table", "table_of", "table_schema"]

# Key of the metadata of a parquet file.
MADE_WITH = b"ferkit"

# What decides about the rows besides the pictures: the model's checksum, the target, the detector and so on.
MadeWith = Mapping[str, str | int | bool]

_TARGETS: tuple[Target, ...] = ("fer", "ferplus")


@dataclass(frozen=True, eq=False)
class Finding:
    r"""The result of a picture, a frame of a video, or a file that could not be read: a row of the table or more.

    Attributes
    ----------
    file
        As the user named it; bytes that are no UTF-8 as ``\xe9``.
    size
        Width and height in pixels; None where nothing could be read.
    faces
        Largest first.
    crops : (faces, 48, 48) uint8
        The faces as the network saw them.
    frame, seconds
        None for a picture.
    problem
        Why it could not be read.
    """

    file: str
    size: tuple[int, int] | None
    faces: Sequence[FacePrediction]
    crops: NDArray[np.uint8]
    frame: int | None = None
    seconds: float | None = None
    problem: str | None = None


def table_schema(classes: Sequence[str], made_with: MadeWith) -> "pa.Schema":
    """Names and types of the columns of a table of these classes, with what it is made with as metadata."""
    import pyarrow as pa

    fields = [
        ("file", pa.string()),
        ("frame", pa.int32()),
        ("seconds", pa.float64()),
        ("picture_width", pa.int32()),
        ("picture_height", pa.int32()),
        ("face", pa.int32()),
        *((name, pa.int32()) for name in ("x", "y", "width", "height")),
        ("score", pa.float32()),
        ("emotion", pa.string()),
        *((name, pa.float32()) for name in (*classes, *FACE_STATISTICS)),
        ("problem", pa.string()),
    ]
    return pa.schema(fields, metadata={MADE_WITH: json.dumps(dict(made_with), sort_keys=True).encode()})


def table_of(findings: Sequence[Finding], schema: "pa.Schema") -> "pa.Table":
    """The rows of findings as a table of `schema`."""
    import pyarrow as pa

    crops = [finding.crops for finding in findings]
    statistics = face_statistics(np.concatenate(crops)) if crops else {}
    of_faces = iter(zip(*(values.tolist() for values in statistics.values()), strict=True))
    rows = [row for finding in findings for row in _rows(finding, schema.names, of_faces)]
    return pa.Table.from_pylist(rows, schema=schema)


def _rows(finding: Finding, names: Sequence[str], statistics: Iterator[tuple[float, ...]]) -> list[dict[str, Any]]:
    """The rows of one picture; takes the statistics of its faces."""
    about: dict[str, Any] = {
        "file": finding.file,
        "frame": finding.frame,
        "seconds": finding.seconds,
        "problem": finding.problem,
    }
    if finding.size:
        about |= dict(zip(("picture_width", "picture_height"), finding.size, strict=True))
    if not finding.faces:
        return [about]
    # The classes are the columns between these two.
    classes = names[names.index("emotion") + 1 : names.index(FACE_STATISTICS[0])]
    return [
        about
        | {"face": index, "score": face.score, "emotion": face.emotion}
        | dict(zip(("x", "y", "width", "height"), face.box, strict=True))
        | dict(zip(classes, face.probabilities.tolist(), strict=True))
        | dict(zip(FACE_STATISTICS, next(statistics), strict=True))
        for index, face in enumerate(finding.faces)
    ]


@dataclass(frozen=True, eq=False)
class FaceTable:
    """A table of predicted faces that was read from its file.

    Attributes
    ----------
    name
        Path of the file.
    rows
        With the columns of `table_schema`, of a target's classes.
    target
        Whose classes they are.
    made_with
        Empty for CSV, which does not say.
    """

    name: str
    rows: pd.DataFrame
    target: Target
    made_with: MadeWith

    @property
    def faces(self) -> pd.DataFrame:
        """The rows that are a face."""
        return self.rows[self.rows["face"].notna()]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Class probabilities of the faces, (faces, classes) float64."""
        return self.faces[list(class_names(self.target))].to_numpy(dtype=np.float64)

    @property
    def pictures(self) -> pd.Series:
        """Whether each picture or frame that could be read has a face: bool by file and frame."""
        read = self.rows[self.rows["problem"].isna()]
        found: pd.Series = read.groupby(["file", "frame"], dropna=False, sort=False)["face"].count()
        return found > 0


def read_face_table(path: Path) -> FaceTable:
    """Read a table of faces that `ferkit predict --to` wrote, parquet or CSV.

    Raises
    ------
    DataError
        If it cannot be read, or was not made by `ferkit predict`.
    """
    expected = "expected a table (.parquet, .csv) that `ferkit predict --to` wrote"
    try:
        if path.suffix.lower() == ".parquet":
            rows, made_with = _read_parquet(path)
        else:
            rows, made_with = pd.read_csv(path, dtype={"file": str, "problem": str}, low_memory=False), {}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, {expected}.") from None
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: cannot be read ({reason}), {expected}.") from error
    for target in _TARGETS:
        wanted = {"file", "frame", "face", "width", "height", "score", *class_names(target), *FACE_STATISTICS}
        if (wanted | {"problem"}) <= set(rows.columns):
            return FaceTable(str(path), rows, target, made_with)
    raise DataError(f"{path}: columns {', '.join(map(str, rows.columns))[:160]}, {expected}.")


def _read_parquet(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    return table.to_pandas(), json.loads(metadata.get(MADE_WITH, b"{}"))
