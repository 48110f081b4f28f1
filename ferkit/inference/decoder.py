"""Decoding in a process of its own, with limits of memory and time that no picture gets past."""

from collections.abc import Callable
from dataclasses import dataclass

from ferkit.data.input_card import InputCard
from ferkit.data.limited_process import BASE_MEMORY, LimitedProcess, limits_of
from ferkit.data.picture_files import PictureHead
from ferkit.detection.base import Face
from ferkit.detection.loading import DetectorName
from ferkit.inference.predictor import Crops

__all__ = ["Decoder", "FoundFaces"]

# An animated WebP has two canvases of four bytes a pixel as soon as it is opened, which nobody touches until then.
_CANVASES_OF_PIXEL = 8
# Seconds of a processor for the head alone, and to find faces: some hundred take five.
_SECONDS_OF_HEAD, _SECONDS_OF_DETECTOR = 1.0, 30.0


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """The faces of a picture, which itself is gone.

    Attributes
    ----------
    name
        What messages call the picture.
    width, height
        In pixels, as the picture is shown: turned as EXIF says.
    crops
        The largest of its faces.
    """

    name: str
    width: int
    height: int
    crops: Crops

    @property
    def left_out(self) -> int:
        """Faces beyond them."""
        return self.crops.left_out


class Decoder(LimitedProcess):
    """A process that inspects and decodes pictures, one at a time; one that was ended is replaced.

    Parameters
    ----------
    detector
        What finds faces; None: it only inspects.
    """

    def __init__(self, detector: DetectorName | None = None) -> None:
        super().__init__("ferkit.inference.decoder_process", detector or "")

    def inspect(
        self, content: bytes, name: str, most_pixels: int, gone: Callable[[], bool] = lambda: False
    ) -> PictureHead:
        """What `ferkit.data.picture_files.inspect_picture` says.

        Parameters
        ----------
        gone
            Says whether nobody waits for the answer any more.

        Raises
        ------
        TooLargeError
            If the picture is larger than allowed.
        TooCostlyError
            If reading its head takes too much memory or time.
        DataError
            If it is no picture.
        CancelledError
            If nobody waits.
        """
        canvases = _CANVASES_OF_PIXEL * most_pixels if content[8:12] == b"WEBP" else 0
        task = {"task": "inspect", "memory": BASE_MEMORY + canvases, "seconds": _SECONDS_OF_HEAD}
        response, _ = self.request({**task, "name": name, "most_pixels": most_pixels}, content, gone)
        return PictureHead(response["width"], response["height"])

    def find(
        self,
        content: bytes,
        name: str,
        head: PictureHead,
        *,
        detect: bool = True,
        taken: InputCard | None = None,
        most_faces: int,
        gone: Callable[[], bool] = lambda: False,
    ) -> FoundFaces:
        """The faces of a picture that was inspected; memory and time are limited by the pixels that its head says.

        Parameters
        ----------
        detect
            Find faces; false: the picture is a face and nothing else.
        taken
            The crops that the network takes; 48x48 grey if not given.
        most_faces
            How many of them, the largest.
        gone
            Says whether nobody waits for the answer any more.

        Raises
        ------
        TooCostlyError
            If decoding it takes more memory or time than a picture of its size needs.
        DataError
            If it is no whole picture.
        CancelledError
            If nobody waits.
        """
        taken = taken or InputCard()
        limits = limits_of(head.pixels)
        # All crops together, and their bytes for the answer.
        limits["memory"] += 2 * taken.blank(most_faces).nbytes
        task = {
            **limits,
            "task": "find",
            "name": name,
            "detector_seconds": _SECONDS_OF_DETECTOR,
            "taken": taken.model_dump(),
            "detect": detect,
            "most_faces": most_faces,
        }
        response, data = self.request(task, content, gone)
        faces = tuple(Face(tuple(box), score, roll) for box, score, roll in response["faces"])
        crops = Crops(faces, data.reshape(len(faces), *taken.shape), response["left_out"])
        return FoundFaces(name, response["width"], response["height"], crops)

    def preview(
        self, content: bytes, name: str, head: PictureHead, *, side: int, gone: Callable[[], bool] = lambda: False
    ) -> bytes:
        """A picture that was inspected, as JPEG, upright and at most `side` pixels wide and high.

        Raises
        ------
        TooCostlyError
            If decoding it takes more memory or time than a picture of its size needs.
        DataError
            If it is no whole picture.
        CancelledError
            If nobody waits.
        """
        task = {**limits_of(head.pixels), "task": "preview", "name": name, "side": side}
        return self.request(task, content, gone)[1].tobytes()
