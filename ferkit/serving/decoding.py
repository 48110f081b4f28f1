"""From the bytes of a picture to its faces, within bounds of memory and time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager

from ferkit.data.input_card import InputCard
from ferkit.data.picture_files import PictureHead
from ferkit.errors import DataError, TooCostlyError, TooLargeError
from ferkit.inference.decoder import Decoder, FoundFaces
from ferkit.serving.backend import Backend
from ferkit.serving.client import Gone, GoneError
from ferkit.serving.errors import ApiError
from ferkit.serving.requests import Upload

__all__ = ["draw_preview", "find_all_faces"]

# Pixels of a picture that needs no share of those that all requests may decode: the processes are few, and one of them
# is left to such pictures.
_SMALL = 1_000_000
# Bytes of the crops of a picture, and of a request where its settings do not allow more in 48x48 pixels of grey: all
# faces of a crowd at 224 in colour.
_CROPS = 48_000_000


def find_all_faces(
    uploads: Sequence[Upload], service: Backend, gone: Gone, taken: InputCard, *, detect: bool
) -> list[FoundFaces]:
    """The faces of uploaded pictures, cut for the networks; the pictures themselves never come into this process.

    Parameters
    ----------
    taken
        The crops that the networks take. Large ones need memory: where those of a request would be too many, each
        picture after them has its largest face alone.

    Raises
    ------
    ApiError
        If it is no picture, or takes too much memory or time.
    """
    settings = service.settings
    bytes_of_face = taken.blank(1).nbytes
    most = min(settings.most_faces, max(1, _CROPS // bytes_of_face))
    left = max(_CROPS, settings.most_pictures * settings.most_faces * InputCard().blank(1).nbytes) // bytes_of_face
    found = []
    for upload in uploads:
        with _decoder(upload, service, gone) as (decoder, head):
            count = max(1, min(most, left))
            found.append(
                decoder.find(upload.content, upload.name, head, detect=detect, taken=taken, most_faces=count, gone=gone)
            )
        left -= len(found[-1].crops.faces)
    return found


def draw_preview(upload: Upload, service: Backend, gone: Gone, *, side: int) -> bytes:
    """An uploaded picture as JPEG, upright and at most `side` pixels wide and high.

    Raises
    ------
    ApiError
        If it is no picture, or takes too much memory or time.
    """
    with _decoder(upload, service, gone) as (decoder, head):
        return decoder.preview(upload.content, upload.name, head, side=side, gone=gone)


@contextmanager
def _decoder(upload: Upload, service: Backend, gone: Gone) -> Iterator[tuple[Decoder, PictureHead]]:
    """A process that may decode a picture, and what the picture's head says."""
    # Where no process has to be waited for, nobody else looks before the last picture was read.
    if gone():
        raise GoneError
    try:
        with service.inspectors.one(gone) as inspector:
            head = inspector.inspect(upload.content, upload.name, service.settings.most_pixels, gone)
        with ExitStack() as shares:
            if head.pixels > _SMALL:
                shares.enter_context(service.pixels.share(head.pixels))
                shares.enter_context(service.large_pictures.share(1))
            yield shares.enter_context(service.decoders.one(gone)), head
    except TooLargeError as error:
        raise ApiError(413, "too_many_pixels", str(error)) from error
    except TooCostlyError as error:
        raise ApiError(422, "too_costly", str(error)) from error
    except DataError as error:
        raise ApiError(422, "not_a_picture", str(error)) from error
    except CancelledError:
        raise GoneError from None
