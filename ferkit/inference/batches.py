"""Faces of pictures and what they show: pictures are read ahead, and the network sees the faces of several at once."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ferkit.data.dataset import SIZE
from ferkit.data.file_names import readable
from ferkit.data.prefetch import read_ahead
from ferkit.inference.predictor import Crops, Predictor
from ferkit.inference.results import Finding
from ferkit.inference.stream import PictureFrame, PictureResult

__all__ = ["BATCH", "Output", "look"]

# The network sees the faces of this many pictures at once; fewer where large pictures have to be kept until then.
BATCH = 32
_KEPT_BYTES = 120_000_000
# What is read ahead: a picture weighs what is kept of it, and at least what makes two batches the most.
_LEAST_WEIGHT = _KEPT_BYTES // (2 * BATCH)

_NO_CROPS = Crops((), np.zeros((0, SIZE, SIZE), dtype=np.uint8))


class Output(Protocol):
    """Where what was found goes."""

    def add(self, group: Sequence[PictureResult]) -> None:
        """Take what was found in pictures that follow one another."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A shot, its size in pixels, and the faces that were found in it."""

    shot: PictureFrame
    size: tuple[int, int] | None
    crops: Crops

    @property
    def kept_bytes(self) -> int:
        return self.crops.images.nbytes + (0 if self.shot.picture is None else self.shot.picture.nbytes)

    @property
    def weight(self) -> int:
        return max(_LEAST_WEIGHT, self.kept_bytes)


def look(
    shots: Iterable[PictureFrame],
    predictor: Predictor,
    *,
    batch: int = BATCH,
    ahead: bool = True,
    keep_pictures: bool = False,
) -> Generator[list[PictureResult]]:
    """What is found in each shot, in order, a batch at a time.

    Which shots are a batch depends on them alone, so that work that goes on after a batch gives the same numbers.

    Parameters
    ----------
    batch
        Most shots of a batch.
    ahead
        Read pictures and find faces in another thread, while the network works. Not for a webcam, whose pictures would
        grow old.
    keep_pictures
        Whether the shots that come out still have their pictures.
    """

    def prepare(shot: PictureFrame) -> _Prepared:
        if shot.picture is None:
            return _Prepared(shot, None, _NO_CROPS)
        height, width = shot.picture.shape[:2]
        kept = shot if keep_pictures else replace(shot, picture=None)
        return _Prepared(kept, (width, height), predictor.find(shot.picture))

    if ahead:
        prepared = read_ahead(shots, prepare, lambda each: each.weight, _KEPT_BYTES)
    else:
        prepared = (prepare(shot) for shot in shots)
    waiting: list[_Prepared] = []
    with closing(prepared):
        for each in prepared:
            waiting.append(each)
            if len(waiting) >= batch or sum(one.kept_bytes for one in waiting) >= _KEPT_BYTES:
                yield _findings(waiting, predictor)
                waiting = []
        if waiting:
            yield _findings(waiting, predictor)


def _findings(batch: list[_Prepared], predictor: Predictor) -> list[PictureResult]:
    told = predictor.classify([each.crops for each in batch])
    return [
        PictureResult(
            shot,
            Finding(
                readable(shot.file), each.size, faces, each.crops.images, shot.frame, shot.seconds,
                shot.problem and readable(shot.problem),
            ),
        )
        for each, faces in zip(batch, told, strict=True)
        for shot in [each.shot]
    ]  # fmt: skip
