"""From the bytes of a picture to its faces, within bounds of memory and time."""

from concurrent.futures import CancelledError
from contextlib import ExitStack

from ferkit.decoder import FoundFaces
from ferkit.errors import DataError, TooCostlyError, TooLargeError
from serving.backend import Backend
from serving.client import Gone, GoneError
from serving.errors import ApiError
from serving.uploads import Upload

__all__ = ["find_faces"]

# Pixels of a picture that needs no share of those that all requests may decode: the processes are few, and one of them
# is left to such pictures.
_SMALL = 1_000_000


def find_faces(upload: Upload, service: Backend, gone: Gone, *, detect: bool) -> FoundFaces:
    """Its faces, cut; the picture itself never comes into this process.

    Raises
    ------
    ApiError
        If it is no picture, or takes too much memory or time.
    """
    settings = service.settings
    try:
        with service.inspectors.one(gone) as inspector:
            head = inspector.inspect(upload.content, upload.name, settings.most_pixels, gone)
        with ExitStack() as shares:
            if head.pixels > _SMALL:
                shares.enter_context(service.pixels.share(head.pixels))
                shares.enter_context(service.large_pictures.share(1))
            decoder = shares.enter_context(service.decoders.one(gone))
            return decoder.find(
                upload.content, upload.name, head, detect=detect, most_faces=settings.most_faces, gone=gone
            )
    except TooLargeError as error:
        raise ApiError(413, "too_many_pixels", str(error)) from error
    except TooCostlyError as error:
        raise ApiError(422, "too_costly", str(error)) from error
    except DataError as error:
        raise ApiError(422, "not_a_picture", str(error)) from error
    except CancelledError:
        raise GoneError from None
