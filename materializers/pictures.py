"""How pictures that lie in files are stored: as their places, never as pixels."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ferkit.data.dataset import FaceDataset
from ferkit.data.stored_pictures import PictureFiles, StoredPictures
from ferkit.data.training_set import TrainingSet

__all__ = ["placed_hash", "with_images", "without_images"]

_PREFIX = "images."


def without_images(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """`arrays` with those of `StoredPictures` in place of ``images``; as they are if the pixels are in memory."""
    images = arrays["images"]
    if not isinstance(images, StoredPictures):
        return dict(arrays)
    about = {**asdict(images.files), "root": str(images.files.root.absolute())}
    about |= {"side": images.side, "colour": images.colour}
    names = (*images.ARRAYS, *(() if images.box is None else ("box",)))
    places = {f"{_PREFIX}{name}": getattr(images, name) for name in names}
    # As bytes: numpy's own strings take four bytes a character.
    places[f"{_PREFIX}about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    return {name: array for name, array in arrays.items() if name != "images"} | places


def with_images(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `without_images`."""
    if f"{_PREFIX}about" not in arrays:
        return dict(arrays)
    about = json.loads(arrays[f"{_PREFIX}about"].tobytes())
    files = PictureFiles(Path(about["root"]), tuple(about["names"]), tuple(about["sizes"]))
    names = [name for name in (*StoredPictures.ARRAYS, "box") if f"{_PREFIX}{name}" in arrays]
    places = {name: arrays[f"{_PREFIX}{name}"] for name in names}
    others = {name: array for name, array in arrays.items() if not name.startswith(_PREFIX)}
    return {**others, "images": StoredPictures(files, about["side"], about["colour"], **places)}


def placed_hash(data: FaceDataset | TrainingSet) -> str:
    """Hash of the content, and of where pictures lie in files: once they moved, what was made before is of no use."""
    content = data.content_hash()
    if isinstance(data.images, StoredPictures):
        return sha256(f"{content} {data.images.location_hash()}".encode()).hexdigest()
    return content
