"""Records and predictions as a run without ZenML and MLflow stores them; what is missing or damaged is named."""

import io
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ferkit.data.labels import DECLARED_TARGETS, Split, Target
from ferkit.errors import DataError
from ferkit.files import write_file
from ferkit.models.predictions import Predictions
from ferkit.settings import Settings, read_json

__all__ = ["damaged_file", "missing_file", "read_predictions_file", "read_record_file", "write_predictions_file"]

_MISSING = "missing; run `python -m ferkit.standalone` on the same configuration and folder again."
_DAMAGED = "damaged ({problem}); copy it again, or delete it and train again."

Record = TypeVar("Record", bound=Settings)


def write_predictions_file(path: Path, predictions: Predictions) -> None:
    """Store rows, probabilities and the classes of a target that is not declared as compressed .npz."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"row": predictions.row, "probabilities": predictions.probabilities}
    if predictions.target not in DECLARED_TARGETS:
        arrays["classes"] = np.array(predictions.classes)
    np.savez_compressed(buffer, **arrays)
    write_file(path, buffer.getvalue())


def read_predictions_file(path: Path, target: Target, split: Split) -> Predictions:
    """What `write_predictions` stored.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            classes = tuple(stored["classes"].tolist()) if "classes" in stored else ()
            return Predictions(target, split, stored["row"], stored["probabilities"], classes)
    except FileNotFoundError:
        raise missing_file(path) from None
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, DataError) as error:
        raise damaged_file(path, error) from error


def read_record_file(path: Path, kind: type[Record]) -> Record:
    """A record of kind `kind` from JSON.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    return read_json(path, kind, DataError, missing=_MISSING, damaged=_DAMAGED)


def missing_file(path: Path) -> DataError:
    """The error of a file that is not there."""
    return DataError(f"{path}: {_MISSING}")


def damaged_file(path: Path, reason: object) -> DataError:
    """The error of a file that cannot be read."""
    return DataError(f"{path}: {_DAMAGED.format(problem=' '.join(str(reason).split()))}")
