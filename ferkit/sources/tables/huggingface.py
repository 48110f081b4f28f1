"""Parquet files of Hugging Face: a column of encoded pictures, and the names of the classes in the schema.

`datasets` writes an ``Image`` as a struct of ``bytes`` and ``path``, and what its features are as JSON under the key
``huggingface`` of the schema's metadata (datasets, src/datasets/table.py and features/features.py).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.labels import SPLITS
from ferkit.data.picture_blobs import stored_in_blobs
from ferkit.data.picture_blocks import examined
from ferkit.data.stored_pictures import Images, StoredPictures, face_pixels
from ferkit.errors import DamagedPictureError, DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.files import cache_folder, written_whole
from ferkit.sources.cropping import cut_faces
from ferkit.sources.damage import Damage
from ferkit.sources.picture_list import PictureList
from ferkit.sources.picture_reading import complete_splits, copies_of, left_out, read_faces
from ferkit.sources.picture_settings import PictureSettings
from ferkit.sources.split_names import split_index
from ferkit.sources.tables.columns import find_column

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["HuggingFaceSettings", "holds_pictures", "huggingface_fingerprint", "read_huggingface"]

# Pictures that are in memory at a time while a file is read.
_BATCH = 256


class HuggingFaceSettings(PictureSettings):
    """Parquet files with pictures in them; the beginning of a file's name, or its folder, says the split.

    Streamed pictures are unpacked once, as they are, into a folder beside that of downloaded weights
    (``.ferkit/pictures``): within parquet they are compressed together and cannot be read one by one.

    Attributes
    ----------
    path
        A ``.parquet`` file, or a folder that holds some.
    image, label
        Names of the columns; if not given, the one of pictures, and the one that is known as labels.
    """

    source: Literal["huggingface"] = "huggingface"
    path: Path
    image: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class _Columns:
    """Which columns of the files are read, and what the numbers of the labels stand for."""

    image: str
    label: str
    names: tuple[str, ...]


def read_huggingface(settings: HuggingFaceSettings) -> tuple[FaceDataset, pd.DataFrame]:
    """Read the pictures.

    Returns
    -------
    FaceDataset
        Grey and 48x48 whatever they were, or what `settings` say of streamed ones. ``row`` counts through all files.
    DataFrame
        The damaged pictures, which are left out: row, file and reason.

    Raises
    ------
    DataError
        If there is no such file, it holds no pictures or no labels, or too many pictures are damaged.
    """
    files = _files(settings.path)
    columns = _columns(files, settings)
    names = [name for file in files for name in _labels(file, columns)]
    counts = [_opened(file).metadata.num_rows for file in files]
    splits = np.repeat([_split(file) for file in files], counts)
    of_picture = [file for file, count in zip(files, counts, strict=True) for _ in range(count)]
    listed = PictureList.of(of_picture, names, splits.tolist(), settings.labels)
    damage, none = Damage(), np.zeros(0, dtype=np.int64)
    if settings.crop:
        cut = cut_faces(_stored(files, columns, settings), damage)
        images, none = read_faces(cut.pictures, settings), cut.none
        listed = listed.take(np.flatnonzero(np.isin(listed.row, cut.index)))
        at = np.searchsorted(cut.index, listed.row)
    elif settings.stream:
        images, at = examined(_stored(files, columns, settings), damage.add), listed.row
    else:
        images, at = _in_memory(files, columns, damage), listed.row
    faces = FaceDataset(images[at], listed.label, listed.split, listed.row, classes=listed.classes)
    places = {index: f"{files[0].parent}, row {index}" for index in (*damage.reasons, *none.tolist())}
    table = left_out(damage, none, places, np.arange(len(names)))
    if damage.reasons:
        whole = damage.whole(len(names), settings.maximum_damaged, settings.path)
        kept = np.flatnonzero(np.isin(listed.row, whole))
        faces, listed = faces.take(kept), listed.take(kept)
    split = complete_splits(listed, lambda: copies_of(faces), settings, settings.path)
    return replace(faces, split=split), table


def holds_pictures(file: Path) -> bool:
    """Whether a parquet file has a column of encoded pictures."""
    return bool(_picture_columns(file))


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not found:
        raise DataError(f"{path}: no .parquet file there.")
    return found


def _opened(file: Path) -> "pq.ParquetFile":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: no parquet file that can be read ({' '.join(str(error).split())}).") from error


def _picture_columns(file: Path) -> list[str]:
    import pyarrow as pa

    schema = _opened(file).schema_arrow
    return [
        each.name for each in schema
        if pa.types.is_struct(each.type) and each.type.get_field_index("bytes") >= 0
    ]  # fmt: skip


def _columns(files: list[Path], settings: HuggingFaceSettings) -> _Columns:
    """Those of the first file; the others have to have them, too."""
    first = files[0]
    schema = _opened(first).schema_arrow
    names, pictures = schema.names, _picture_columns(first)
    image = settings.image or (pictures[0] if len(pictures) == 1 else None)
    if image not in pictures:
        wanted = f"data.image {settings.image!r}" if settings.image else f"{len(pictures)} columns of pictures"
        raise DataError(
            f"{first}: {wanted}, expected one of structs with bytes; there are {', '.join(names)}: name it, data.image."
        )
    label = find_column([name for name in names if name != image], "label", settings.label, first, needed=True) or ""
    for file in files[1:]:
        if missing := {image, label} - set(_opened(file).schema_arrow.names):
            raise DataError(f"{file}: no column {' and '.join(sorted(missing))}, which {first.name} has.")
    about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = about.get("info", {}).get("features", {}).get(label, {})
    return _Columns(image, label, tuple(feature.get("names") or ()))


def _labels(file: Path, columns: _Columns) -> Iterator[str]:
    values = _opened(file).read([columns.label])[columns.label].to_pylist()
    for row, value in enumerate(values):
        if value is None:
            raise DataError(f"{file} row {row}: nothing in column {columns.label!r}.")
        if columns.names and isinstance(value, int):
            if not 0 <= value < len(columns.names):
                raise DataError(f"{file} row {row}: label {value}, expected 0 to {len(columns.names) - 1}.")
            yield columns.names[value]
        else:
            yield str(value)


def _split(file: Path) -> int:
    """As ``train-00000-of-00002.parquet`` or ``train/0000.parquet`` say it, else Training."""
    for name in (file.name.partition("-")[0].partition(".")[0], file.parent.name):
        if (index := split_index(name)) is not None:
            return index
    return SPLITS.index("Training")


def _contents(file: Path, columns: _Columns) -> Iterator[bytes]:
    """The encoded pictures of a file, few of them in memory at a time."""
    row = 0
    for batch in _opened(file).iter_batches(_BATCH, columns=[columns.image]):
        for value in batch.column(0).to_pylist():
            content = (value or {}).get("bytes")
            if content is None:
                raise DataError(f"{file} row {row}: no bytes of a picture; save the data set with its pictures in it.")
            yield content
            row += 1


def _in_memory(files: list[Path], columns: _Columns, damage: Damage) -> Images:
    pictures: list[NDArray[np.uint8]] = []
    for file in files:
        for row, content in enumerate(_contents(file, columns)):
            try:
                pictures.append(face_pixels(content, f"{file} row {row}", SIZE, "grey", "Leave it out of the file."))
            except DamagedPictureError as error:
                damage.add(len(pictures), error)
                pictures.append(np.zeros((SIZE, SIZE), dtype=np.uint8))
    return np.stack(pictures)


def _stored(files: list[Path], columns: _Columns, settings: HuggingFaceSettings) -> StoredPictures:
    """The pictures in files beside each other, which are written when they are not there yet."""
    root = cache_folder().parent / "pictures"
    names, lengths = [], []
    for file in files:
        key = hashlib.sha256(f"{file_sha256(file)} {columns.image}".encode()).hexdigest()[:32]
        blob, places = root / f"{key}.pictures", root / f"{key}.npy"
        if not (blob.exists() and places.exists()):
            _unpack(file, columns, blob, places)
        names.append(blob.name)
        lengths.append(np.load(places, allow_pickle=False))
    return stored_in_blobs(root, names, lengths, settings.side, settings.colour)


def _unpack(file: Path, columns: _Columns, blob: Path, places: Path) -> None:
    blob.parent.mkdir(parents=True, exist_ok=True)
    try:
        with written_whole(blob) as part, part.open("wb") as opened:
            lengths = [opened.write(content) for content in _contents(file, columns)]
        with written_whole(places) as part, part.open("wb") as opened:
            np.save(opened, np.array(lengths, dtype=np.int64))
    except OSError as error:
        raise DataError(
            f"{blob}: cannot be written ({error.strerror}), and the pictures of {file} are unpacked there; make room, "
            "or set FERKIT_CACHE to a folder of another disk."
        ) from error


def huggingface_fingerprint(settings: HuggingFaceSettings, sha256: Sha256 = file_sha256) -> str:
    """sha256 of the settings, and of the name and content of every file, in hexadecimal."""
    plain: dict[str, Any] = settings.model_dump(mode="json", exclude={"path", "labels"})
    digest = hashlib.sha256(json.dumps(plain).encode() + settings.younger_settings())
    for file in _files(settings.path):
        digest.update(f"{file.parent.name}/{file.name} {sha256(file)} ".encode())
    return digest.hexdigest()
