"""Taking the pictures out of a request; nothing of it ever touches a disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from flask import Request

from serving.backend import Backend
from serving.errors import ApiError

__all__ = ["Upload", "UploadRequest", "uploads"]

_FIELD = "picture"
_LONGEST_NAME = 200


class UploadRequest(Request):
    """A request whose files stay in memory; Werkzeug's own writes larger ones to temporary files."""

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - the signature is Werkzeug's.
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        return BytesIO()


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Attributes
    ----------
    name
        What the client calls it; ``picture`` if it does not say.
    """

    name: str
    content: bytes


@contextmanager
def uploads(request: Request, backend: Backend) -> Iterator[list[Upload]]:
    """The pictures of a request, while there is memory for its body.

    Raises
    ------
    ApiError
        If there are none, too many, too large ones, or something else.
    """
    most = backend.settings.most_bytes
    if (request.content_length or 0) > most:
        raise ApiError(413, "body_too_large", f"{request.content_length:,} bytes, expected at most {most:,}.")
    # A body that comes in chunks does not say how large it is.
    with backend.content.share(most if request.content_length is None else request.content_length):
        found = list(_parts(request) if request.mimetype == "multipart/form-data" else _body(request))
        if len(found) > backend.settings.most_pictures:
            raise ApiError(
                413,
                "too_many_pictures",
                f"{len(found):,} pictures, expected at most {backend.settings.most_pictures:,} in a request.",
            )
        for upload in found:
            if not upload.content:
                raise ApiError(400, "empty_body", f"{upload.name}: empty, expected a picture.")
        yield found


def _parts(request: Request) -> Iterator[Upload]:
    wrong = sorted({*request.files, *request.form} - {_FIELD})
    if wrong:
        raise ApiError(400, "unknown_field", f"field {wrong[0][:_LONGEST_NAME]!r}: expected {_FIELD!r} alone.")
    if _FIELD in request.form:
        raise ApiError(400, "no_picture", f"field {_FIELD!r} is text, expected a file.")
    files = request.files.getlist(_FIELD)
    if not files:
        raise ApiError(400, "no_picture", f"no file in the form, expected one or more in the field {_FIELD!r}.")
    for file in files:
        yield Upload((file.filename or _FIELD)[:_LONGEST_NAME], file.stream.read())


def _body(request: Request) -> Iterator[Upload]:
    if not request.content_length and not request.data:
        raise ApiError(
            400,
            "empty_body",
            f"no body, expected a picture, or a form (multipart/form-data) with the field {_FIELD!r}.",
        )
    if not request.mimetype.startswith("image/"):
        raise ApiError(
            415,
            "wrong_content_type",
            f"content type {request.mimetype[:_LONGEST_NAME] or 'unnamed'}, expected image/* or multipart/form-data.",
        )
    yield Upload(_FIELD, request.data)
