"""The manifest of a cleaning: which pictures are not a face, why, and whether they were dropped.

It is a CSV that a person can open, edit and give back (`CleaningSettings.exclude`).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ferkit.data.dataset import FaceDataset
from ferkit.errors import DataError

__all__ = ["MANIFEST_COLUMNS", "check_manifest", "read_manifest", "write_manifest"]

MANIFEST_COLUMNS = ("row", "sha256", "split", "label", "score", "reason", "dropped")

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def write_manifest(manifest: pd.DataFrame, path: Path) -> None:
    """Write a manifest as CSV, whole or not at all."""
    part = path.with_name(path.name + ".part")
    manifest.to_csv(part, index=False, float_format="%.4f", lineterminator="\n")
    part.replace(path)


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest that `write_manifest` or a person wrote.

    Returns
    -------
    pandas.DataFrame
        ``row`` int64, ``sha256`` str in lower case, ``reason`` str (empty where the file has none), ``dropped`` bool
        (true where the file has no such column). Other columns of the file are for people and are not read.

    Raises
    ------
    DataError
        If the file is missing or no CSV, lacks ``row`` or ``sha256``, or a line of it cannot be read.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError:
        raise DataError(f"{path}: no such manifest, expected a CSV with the columns row,sha256.") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a CSV with the columns row,sha256 ({' '.join(str(error).split())}).") from error
    missing = [name for name in ("row", "sha256") if name not in table.columns]
    if missing:
        raise DataError(f"{path}: columns {','.join(table.columns)}; expected row,sha256, missing {','.join(missing)}.")
    out = pd.DataFrame(
        {
            "row": _parsed(table["row"], r"\d{1,18}", path, "a row number, 0 or more").astype(np.int64),
            "sha256": _parsed(table["sha256"], r"[0-9a-f]{64}", path, "64 hexadecimal digits"),
            "reason": table["reason"] if "reason" in table.columns else "",
            "dropped": True,
        }
    )
    if "dropped" in table.columns:
        out["dropped"] = _parsed(table["dropped"], "|".join(_TRUTH), path, "true or false").map(_TRUTH).astype(bool)
    twice = out["row"].duplicated()
    if twice.any():
        raise DataError(f"{path}: row {out['row'][twice].iloc[0]} is listed twice, expected once; delete one line.")
    return out


def _parsed(column: "pd.Series[str]", pattern: str, path: Path, expected: str) -> "pd.Series[str]":
    values = column.str.strip().str.lower()
    bad = ~values.str.fullmatch(pattern)
    if bad.any():
        line = int(np.flatnonzero(bad)[0])
        raise DataError(f"{path} line {line + 2}: {column.name} is {column.iloc[line]!r}, expected {expected}.")
    return values


def check_manifest(manifest: pd.DataFrame, faces: FaceDataset, hashes: np.ndarray, path: Path) -> pd.DataFrame:
    """Check that a manifest speaks of these pictures, and find them.

    A listed row that the data no longer has (validation may have left it out) is passed over, as long as any other is
    there.

    Returns
    -------
    pandas.DataFrame
        The lines whose row is in the data, indexed by the picture's place in `faces`.

    Raises
    ------
    DataError
        If a row's picture has another sha256 than the manifest says, or none of its rows is in the data.
    """
    place = pd.Series(np.arange(len(faces)), index=faces.row)
    found = manifest[manifest["row"].isin(place.index)]
    if found.empty and len(manifest):
        raise DataError(f"{path}: none of its {len(manifest)} rows is in the data; it belongs to another source.")
    found = found.set_index(place.loc[found["row"]].to_numpy())
    wrong = hashes[found.index] != found["sha256"]
    if wrong.any():
        first = found[wrong].iloc[0]
        came = hashes[found.index[np.flatnonzero(wrong)[0]]]
        raise DataError(
            f"{path}: row {first['row']} has sha256 {first['sha256'][:12]}..., but the data's row has {came[:12]}...; "
            f"{int(wrong.sum())} of {len(found)} rows differ: give the manifest of this data."
        )
    return found
