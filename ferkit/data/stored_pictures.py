"""`StoredPictures`: where pictures lie in files, in place of their pixels, which are read when they are asked for."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferkit.data.picture_files import decode_picture
from ferkit.errors import DamagedPictureError, DataError

__all__ = [
    "MEND_FILE",
    "Colour",
    "Images",
    "PictureFiles",
    "StoredPictures",
    "add_to_hash",
    "face_pixels",
    "hashes_and_ranges",
    "picture_digests",
    "picture_shape",
    "stored_name",
    "with_channels",
]

Colour = Literal["grey", "rgb"]

MEND_FILE = "Mend the file or delete it."


@dataclass(frozen=True)
class PictureFiles:
    """Files that hold pictures: tar shards with many each, or files of one picture.

    Attributes
    ----------
    root
        The folder that they lie in.
    names
        Of the files, relative to `root`, with slashes.
    sizes
        Of the files in bytes, as they were when their pictures were found.
    """

    root: Path
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def read(self, number: int, offset: int, length: int) -> bytes:
        """A part of the file `number`.

        Raises
        ------
        DataError
            If the file is gone, cannot be read, or is not the one that the pictures were found in.
        """
        path = self.root / self.names[number]
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                size = os.fstat(descriptor).st_size
                content = os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}), but it holds pictures of this data; bring it back, or run "
                "again with the data as it is now."
            ) from error
        if size != self.sizes[number] or len(content) != length:
            raise DataError(
                f"{path}: {size:,} bytes, expected {self.sizes[number]:,}: it was changed after its pictures were "
                "found; run again with the data as it is now."
            )
        return content


@dataclass(frozen=True, eq=False)
class StoredPictures:
    """N pictures in files; stands where an array (N, side, side[, 3]) uint8 stands, and takes some 60 bytes a picture.

    An index with several entries gives the same for those pictures and reads nothing; ``np.asarray`` reads them.

    Attributes
    ----------
    files
        Which files.
    side
        In pixels; what has another size is resized when it is read.
    colour
        ``grey``: (N, side, side); ``rgb``: (N, side, side, 3).
    file : (N,) int32
        Which of the files each picture lies in.
    offset, length : (N,) int64
        Where its encoded bytes lie.
    digest : (N, 32) uint8
        sha256 of its pixels.
    darkest, brightest : (N,) uint8
        Its least and its largest value.
    box : (N, 4) int32, optional
        The part of each that is read, in pixels: left, top, width, height. All of it if None.
    """

    files: PictureFiles
    side: int
    colour: Colour
    file: NDArray[np.int32]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    digest: NDArray[np.uint8]
    darkest: NDArray[np.uint8]
    brightest: NDArray[np.uint8]
    box: NDArray[np.int32] | None = None

    @classmethod
    def unread(
        cls,
        files: PictureFiles,
        side: int,
        colour: Colour,
        file: ArrayLike,
        offset: ArrayLike,
        length: ArrayLike,
        box: NDArray[np.int32] | None = None,
    ) -> Self:
        """Pictures of which nothing but their places is known; `ferkit.data.picture_blocks.examined` reads the rest."""
        places = np.asarray(file, np.int32), np.asarray(offset, np.int64), np.asarray(length, np.int64)
        count = len(places[0])
        levels = np.zeros(count, np.uint8)
        return cls(files, side, colour, *places, np.zeros((count, 32), np.uint8), levels, levels, box)

    ARRAYS: ClassVar = ("file", "offset", "length", "digest", "darkest", "brightest")

    def __len__(self) -> int:
        return len(self.file)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array that the pictures stand for: (N, side, side), or (N, side, side, 3) in colour."""
        return len(self), self.side, self.side, *((3,) if self.colour == "rgb" else ())

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Type of the pixels, uint8."""
        return np.dtype(np.uint8)

    def __getitem__(self, at: Any) -> Self:
        arrays: dict[str, Any] = {name: getattr(self, name)[at] for name in self.ARRAYS}
        return replace(self, **arrays, box=None if self.box is None else self.box[at])

    def and_also(self, other: Self) -> Self:
        """These pictures and, behind them, `other` ones of the same source."""
        if (self.files, self.side, self.colour) != (other.files, other.side, other.colour):
            raise DataError("pictures of two sources cannot be put together.")
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.ARRAYS
        }
        box = None if self.box is None or other.box is None else np.concatenate([self.box, other.box])
        return replace(self, **arrays, box=box)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """The pixels, of which there may be many: for some pictures, not for all."""
        if copy is False:
            raise ValueError("pictures that lie in files cannot be an array without being read.")
        pixels = np.empty(self.shape, dtype=np.uint8)
        for at in range(len(self)):
            pixels[at] = self._read(at)
        return pixels if dtype is None else pixels.astype(dtype)

    def _read(self, at: int) -> NDArray[np.uint8]:
        number, offset = int(self.file[at]), int(self.offset[at])
        content = self.files.read(number, offset, int(self.length[at]))
        name = stored_name(self.files.root / self.files.names[number], offset)
        advice = "Make the shard again without it." if offset else MEND_FILE
        box = None if self.box is None else self.box[at]
        return face_pixels(content, name, self.side, self.colour, advice, box=box)

    def hashes(self) -> NDArray[np.str_]:
        """(N,) str: sha256 of each picture's pixels, in hexadecimal."""
        return np.array([row.tobytes().hex() for row in self.digest], dtype="U64")

    def content_hash(self) -> str:
        """sha256 in hexadecimal: the same for equal pixels, wherever they lie."""
        return hashlib.sha256(f"{self.shape}".encode() + np.ascontiguousarray(self.digest).tobytes()).hexdigest()

    def location_hash(self) -> str:
        """sha256 in hexadecimal of where the pictures lie: what was stored of them is of no use once they moved."""
        digest = hashlib.sha256(repr((str(self.files.root.absolute()), self.files.names, self.files.sizes)).encode())
        for name in ("file", "offset", "length"):
            digest.update(np.ascontiguousarray(getattr(self, name)).data)
        if self.box is not None:
            digest.update(np.ascontiguousarray(self.box).data)
        return digest.hexdigest()


# Pictures of a dataset: in memory (N, side, side) uint8, or in files.
Images = NDArray[np.uint8] | StoredPictures


def add_to_hash(digest: Any, array: NDArray[Any] | StoredPictures) -> None:
    """Update `digest`, one of `hashlib`, with what `array` holds; of pictures in files with their own hash."""
    content = array.content_hash().encode() if isinstance(array, StoredPictures) else np.ascontiguousarray(array).data
    digest.update(content)


def with_channels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As a network takes them: grey pictures (N, side, side) with a channel, RGB ones as they are."""
    return images[..., None] if images.ndim == 3 else images


def picture_shape(images: Images) -> tuple[int, ...]:
    """What a network takes of `images`: (side, side, 1) or (side, side, 3)."""
    return images.shape[1:] if len(images.shape) == 4 else (*images.shape[1:], 1)


def stored_name(file: Path, offset: int) -> str:
    """What messages call the picture that begins at a byte of a file; in a shard, none begins at the first."""
    return f"{file}, byte {offset:,}" if offset else str(file)


def face_pixels(
    content: bytes,
    name: str,
    side: int,
    colour: Colour,
    advice: str = MEND_FILE,
    *,
    box: NDArray[np.int32] | None = None,
) -> NDArray[np.uint8]:
    """The picture of a file's content as (side, side) or (side, side, 3) uint8.

    Grey is ITU-R 601-2 luma; resizing is Lanczos, what is not square is squashed.

    Parameters
    ----------
    content, name
        As for `ferkit.data.picture_files.decode_picture`.
    advice
        What to do about a damaged picture.
    box : (4,) int32, optional
        The part of it that is wanted, in pixels: left, top, width, height. What reaches beyond the picture is cut off.

    Raises
    ------
    DamagedPictureError
        If nothing of the picture is in the box, or it is no picture, as `ferkit.data.picture_files.decode_picture`
        says.
    """
    from PIL import Image

    try:
        picture = Image.fromarray(decode_picture(content, name))
    except DataError as error:
        raise DamagedPictureError(f"{error} {advice}") from error
    if box is not None:
        picture = picture.crop(_within(box, picture.size, name))
    if colour == "grey":
        picture = picture.convert("L")
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.uint8)


def _within(box: NDArray[np.int32], size: tuple[int, int], name: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of a box that lies in a picture of width and height `size`."""
    left, top, width, height = (int(each) for each in box)
    right, bottom = min(left + width, size[0]), min(top + height, size[1])
    left, top = max(left, 0), max(top, 0)
    if left >= right or top >= bottom:
        raise DamagedPictureError(
            f"{name}: nothing in the box of its face, left, top, width and height {', '.join(map(str, box.tolist()))}: "
            f"the picture is {size[0]}x{size[1]}. Correct the box, or leave the picture out."
        )
    return left, top, right, bottom


def picture_digests(images: Images) -> NDArray[np.uint8]:
    """(N, 32) uint8: sha256 of each picture's pixels. Equal digests are exact duplicates."""
    return images.digest if isinstance(images, StoredPictures) else hashes_and_ranges(images)[0]


def hashes_and_ranges(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """digest, darkest, brightest of pictures, as `StoredPictures` keeps them."""
    flat = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    digests = b"".join(hashlib.sha256(picture.tobytes()).digest() for picture in flat)
    digest = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)
    return digest, flat.min(axis=1), flat.max(axis=1)
