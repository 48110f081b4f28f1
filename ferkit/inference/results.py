"""The table of what was found in many pictures: a row a face, one for a picture without, one for a broken file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.labels import DECLARED_TARGETS, Target
from ferkit.data.statistics import FACE_STATISTICS, face_statistics
from ferkit.errors import DataError
from ferkit.inference.predictor import FacePrediction

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "MADE_WITH",
    "FaceTable",
    "Finding",
    "MadeWith",
    "class_columns",
    "read_face_table",
    "table_of",
    "table_schema",
]

# Key of the metadata of a parquet file.
MADE_WITH = b"ferkit"

# What decides about the rows besides the pictures: the model's checksum, the target, the detector and so on.
MadeWith = Mapping[str, str | int | bool]

# Columns besides those of the classes and of what `FACE_STATISTICS` names.
_ABOUT = (
    *("file", "frame", "seconds", "picture_width", "picture_height", "face", "x", "y", "width", "height"),
    *("score", "emotion", "problem"),
)
_NEEDED = {"file", "frame", "face", "width", "height", "score", "emotion", "problem", *FACE_STATISTICS}
# Before the name of a class that another column has.
_CLASS = "class "


def class_columns(classes: Sequence[str]) -> list[str]:
    """What the columns of the probabilities are called: as the classes; one that is another column, ``class NAME``.

    Examples
    --------
    >>> class_columns(("happy", "face"))
    ['happy', 'class face']
    """
    taken = {*_ABOUT, *FACE_STATISTICS}
    return [_CLASS + name if name in taken or name.startswith(_CLASS) else name for name in classes]


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
    crops : (faces, side, side[, 3]) uint8
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
        *((name, pa.float32()) for name in (*class_columns(classes), *FACE_STATISTICS)),
        ("problem", pa.string()),
    ]
    return pa.schema(fields, metadata={MADE_WITH: json.dumps(dict(made_with), sort_keys=True).encode()})


def table_of(findings: Sequence[Finding], schema: "pa.Schema") -> "pa.Table":
    """The rows of findings as a table of `schema`."""
    import pyarrow as pa

    crops = [finding.crops for finding in findings if len(finding.crops)]
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
    classes = _between(names)
    return [
        about
        | {"face": index, "score": face.score, "emotion": face.emotion}
        | dict(zip(("x", "y", "width", "height"), face.box, strict=True))
        | dict(zip(classes, face.probabilities.tolist(), strict=True))
        | dict(zip(FACE_STATISTICS, next(statistics), strict=True))
        for index, face in enumerate(finding.faces)
    ]


def _between(names: Sequence[str]) -> Sequence[str]:
    """The columns of the classes: those between the most probable one and the first of the statistics."""
    return names[names.index("emotion") + 1 : names.index(FACE_STATISTICS[0])]


@dataclass(frozen=True, eq=False)
class FaceTable:
    """A table of predicted faces that was read from its file.

    Attributes
    ----------
    name
        Path of the file.
    rows
        With the columns of `table_schema`.
    classes
        Whose probabilities they hold.
    made_with
        Empty for CSV, which does not say.
    """

    name: str
    rows: pd.DataFrame
    classes: tuple[str, ...]
    made_with: MadeWith

    @property
    def target(self) -> Target | None:
        """Whose classes they are; None where nothing says so, of a CSV file that is not of a declared target."""
        if "target" in self.made_with:
            return str(self.made_with["target"])
        fitting = (name for name, declared in DECLARED_TARGETS.items() if declared.classes == self.classes)
        return next(fitting, None)

    @property
    def faces(self) -> pd.DataFrame:
        """The rows that are a face."""
        return self.rows[self.rows["face"].notna()]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Class probabilities of the faces, (faces, classes) float64."""
        return self.faces[class_columns(self.classes)].to_numpy(dtype=np.float64)

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
    names = list(map(str, rows.columns))
    if set(names) >= _NEEDED and (columns := _between(names)):
        classes = tuple(name.removeprefix(_CLASS) for name in columns)
        return FaceTable(str(path), rows, classes, made_with)
    raise DataError(f"{path}: columns {', '.join(names)[:160]}, {expected}.")


def _read_parquet(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    return table.to_pandas(), json.loads(metadata.get(MADE_WITH, b"{}"))
