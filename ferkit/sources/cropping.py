"""Faces that are not cut out yet: found and cut as a network in use sees them, once, and kept in files.

What is cut is kept beside downloaded weights (``.ferkit/faces``), a file for each 2,048 pictures, named after what they
hold and what cuts them. A run that was stopped goes on after the last whole file.
"""

import hashlib
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.data.picture_blobs import stored_in_blobs
from ferkit.data.picture_blocks import decoding_threads
from ferkit.data.picture_files import decode_picture
from ferkit.data.stored_pictures import MEND_FILE, StoredPictures, stored_name
from ferkit.detection.base import Detector, Face
from ferkit.detection.crop import crop_face, grey
from ferkit.detection.loading import load_detector
from ferkit.errors import DamagedPictureError, DataError
from ferkit.files import cache_folder, written_whole
from ferkit.sources.damage import Damage

__all__ = ["NO_FACE", "CutFaces", "cut_faces"]

_LOG = logging.getLogger(__name__)

NO_FACE = "no face was found in it"

# That of `ferkit predict`.
_DETECTOR = "blazeface"
_CHUNK = 2048
_PROGRESS_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class CutFaces:
    """The faces of pictures, one each.

    Attributes
    ----------
    pictures
        Of the pictures that have one, in their order; nothing of them was decoded yet.
    index : (N,) int64
        Which pictures those are.
    none : (K,) int64
        Which pictures have no face.
    """

    pictures: StoredPictures
    index: NDArray[np.int64]
    none: NDArray[np.int64]


def cut_faces(whole: StoredPictures, damage: Damage) -> CutFaces:
    """Find the face of each picture and cut it out, as `ferkit predict` does; of several the largest.

    Parameters
    ----------
    whole
        The pictures, with the side and the colour that the faces are to have. Where a box says where the face is, it is
        the largest one whose middle lies in the box.
    damage
        Takes note of pictures that cannot be decoded, by their index.

    Raises
    ------
    DataError
        If no picture has a face, a file is gone or was changed, or there is no room for the faces.
    """
    root = cache_folder().parent / "faces"
    spoke = time.monotonic()
    names, lengths = [], []
    for start in range(0, len(whole), _CHUNK):
        chunk = whole[start : start + _CHUNK]
        name = _key(chunk)
        if not (root / f"{name}.npz").exists():
            _cut(chunk, root, name)
        with np.load(root / f"{name}.npz", allow_pickle=False) as stored:
            length, reasons = stored["length"], stored["damaged"]
        for at in np.flatnonzero(reasons != "").tolist():
            damage.add(start + at, DamagedPictureError(str(reasons[at])))
        names.append(name)
        lengths.append(length)
        if time.monotonic() - spoke >= _PROGRESS_SECONDS:
            spoke = time.monotonic()
            _LOG.info("looked for faces in %s of %s pictures", f"{start + len(chunk):,}", f"{len(whole):,}")
    length = np.concatenate(lengths)
    index = np.flatnonzero(length)
    none = np.setdiff1d(np.flatnonzero(length == 0), list(damage.reasons))
    if not len(index):
        raise DataError(
            f"{whole.files.root}: no face in any of {len(whole):,} pictures, data.crop looks for them: of pictures "
            "that are a face and nothing else leave it out."
        )
    pictures = stored_in_blobs(root, [f"{name}.pictures" for name in names], lengths, whole.side, whole.colour)
    return CutFaces(pictures[index], index, none)


def _content(pictures: StoredPictures, at: int) -> bytes:
    return pictures.files.read(int(pictures.file[at]), int(pictures.offset[at]), int(pictures.length[at]))


def _key(pictures: StoredPictures) -> str:
    """Name of the file for the faces of some pictures: of what they hold, the form, and what finds and cuts them."""
    digest = hashlib.sha256(f"{_detection()} {pictures.side} {pictures.colour}".encode())
    for at in range(len(pictures)):
        digest.update(hashlib.sha256(_content(pictures, at)).digest())
    if pictures.box is not None:
        digest.update(np.ascontiguousarray(pictures.box).data)
    return digest.hexdigest()[:32]


@cache
def _detection() -> str:
    """sha256 of the room of detection, code and network: what another version of it finds is something else."""
    import ferkit.detection

    digest = hashlib.sha256()
    folder = Path(ferkit.detection.__file__).parent
    for file in sorted(each for each in folder.iterdir() if each.is_file()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _cut(pictures: StoredPictures, root: Path, name: str) -> None:
    """Write the faces of some pictures as PNG behind each other, then where each lies."""
    length = np.zeros(len(pictures), dtype=np.int64)
    reasons = [""] * len(pictures)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with written_whole(root / f"{name}.pictures") as part, part.open("wb") as opened:
            for at, found in enumerate(_faces(pictures)):
                if isinstance(found, DamagedPictureError):
                    reasons[at] = str(found)
                else:
                    length[at] = opened.write(found)
        with written_whole(root / f"{name}.npz") as part, part.open("wb") as opened:
            np.savez(opened, length=length, damaged=np.array(reasons))
    except OSError as error:
        raise DataError(
            f"{root}: cannot be written ({error.strerror}), and the faces that data.crop cuts are kept there; make "
            "room, or set FERKIT_CACHE to a folder of another disk."
        ) from error


def _faces(pictures: StoredPictures) -> Iterator[bytes | DamagedPictureError]:
    """The face of each picture as PNG, nothing where there is none, or why the picture cannot be read."""
    detector = load_detector(_DETECTOR)

    def face(at: int) -> bytes | DamagedPictureError:
        path = pictures.files.root / pictures.files.names[pictures.file[at]]
        try:
            whole = decode_picture(_content(pictures, at), stored_name(path, int(pictures.offset[at])))
        except DataError as error:
            return DamagedPictureError(f"{error} {MEND_FILE}")
        box = None if pictures.box is None else pictures.box[at]
        found = _of_picture(detector, whole, box)
        if found is None:
            return b""
        seen = whole if pictures.colour == "rgb" else grey(whole)
        return _png(crop_face(seen, found, detector.framing, pictures.side))

    with ThreadPoolExecutor(decoding_threads(), thread_name_prefix="crop") as pool:
        yield from pool.map(face, range(len(pictures)))


def _of_picture(detector: Detector, whole: NDArray[np.uint8], box: NDArray[np.int32] | None) -> Face | None:
    """The largest face, of those whose middle lies in `box` if there is one."""
    for face in detector.detect(whole):
        if box is None:
            return face
        x, y = (face.box[axis] + face.box[axis + 2] / 2 for axis in (0, 1))
        if box[0] <= x < box[0] + box[2] and box[1] <= y < box[1] + box[3]:
            return face
    return None


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
