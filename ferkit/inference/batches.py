"""Faces of pictures and what they show: pictures are read ahead, and the network sees the faces of several at once."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from ferkit.data.file_names import readable
from ferkit.data.input_card import InputCard
from ferkit.data.prefetch import read_ahead
from ferkit.inference.predictor import Crops, Predictor
from ferkit.inference.results import Finding
from ferkit.inference.stream import PictureFrame, PictureResult

__all__ = ["BATCH", "Output", "predict_pictures"]

# The network sees the faces of this many pictures at once; fewer where large pictures have to be kept until then.
BATCH = 32
_KEPT_BYTES = 120_000_000
# What is read ahead: a picture weighs what is kept of it, and at least what makes two batches the most.
_LEAST_WEIGHT = _KEPT_BYTES // (2 * BATCH)

_NO_CROPS = Crops((), InputCard().blank())


class Output(Protocol):
    """A receiver of results: a table, a terminal, a folder of drawings."""

    def add(self, group: Sequence[PictureResult]) -> None:
        """Take the results of pictures that follow one another."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A frame, its size in pixels, and the faces that were found in it."""

    frame: PictureFrame
    size: tuple[int, int] | None
    crops: Crops

    @property
    def kept_bytes(self) -> int:
        return self.crops.images.nbytes + (0 if self.frame.picture is None else self.frame.picture.nbytes)

    @property
    def weight(self) -> int:
        return max(_LEAST_WEIGHT, self.kept_bytes)


def predict_pictures(
    frames: Iterable[PictureFrame],
    predictor: Predictor,
    *,
    batch: int = BATCH,
    ahead: bool = True,
    keep_pictures: bool = False,
) -> Generator[list[PictureResult]]:
    """Find the faces of each frame and predict their emotions; yields the results in order, a batch at a time.

    Which frames are a batch depends on them alone, so that work that goes on after a batch gives the same numbers.

    Parameters
    ----------
    frames
        Pictures, or frames of videos; those without a picture keep their problem.
    predictor
        Detector and model.
    batch
        Most frames of a batch.
    ahead
        Read pictures and find faces in another thread, while the network works. Not for a webcam, whose pictures would
        grow old.
    keep_pictures
        Whether the frames that come out still have their pictures.
    """

    def prepare(frame: PictureFrame) -> _Prepared:
        if frame.picture is None:
            return _Prepared(frame, None, _NO_CROPS)
        height, width = frame.picture.shape[:2]
        kept = frame if keep_pictures else replace(frame, picture=None)
        return _Prepared(kept, (width, height), predictor.find(frame.picture))

    if ahead:
        prepared = read_ahead(frames, prepare, lambda each: each.weight, _KEPT_BYTES)
    else:
        prepared = (prepare(frame) for frame in frames)
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
    predictions = predictor.classify([each.crops for each in batch])
    return [
        PictureResult(
            frame,
            Finding(
                readable(frame.file), each.size, faces, each.crops.images, frame.index, frame.seconds,
                frame.problem and readable(frame.problem),
            ),
        )
        for each, faces in zip(batch, predictions, strict=True)
        for frame in [each.frame]
    ]  # fmt: skip
