"""Taking the pictures out of a request; nothing of it ever touches a disk."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Self

from flask import Request
from pydantic import Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from ferkit.bundles.card import ModelName
from ferkit.data.labels import Target
from ferkit.serving.backend import Backend, backend
from ferkit.serving.errors import ApiError
from ferkit.serving.json_body import pictures_in_json
from ferkit.settings import Settings

__all__ = ["ExplainQuery", "PredictQuery", "Upload", "UploadRequest", "drain", "uploads"]

_FIELD = "picture"
_JSON = "application/json"
_LONGEST_NAME = 200
# Of a part that is no file, of which the API wants none. Werkzeug's own limit also holds for what it reads at a time.
_LONGEST_TEXT = 10_000
# What is read of a body that is refused, and for how long; a larger one finds the connection closed.
_DRAINED_BYTES, _DRAIN_SECONDS = 256_000_000, 10.0


class UploadRequest(Request):
    """A request whose files stay in memory; Werkzeug's own writes larger ones to temporary files."""

    _files = 0

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - the signature is Werkzeug's.
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        self._files += 1
        if self._files > backend().settings.most_pictures:
            raise _too_many_pictures()
        return BytesIO()


class _CheckedBody:
    """The stream of a body that says so if it ends before its length."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self._length = length
        self.came = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises
        ------
        ApiError
            If the client ended its side before it had sent all that it announced.
        """
        content = self._stream.read(size)
        self.came += len(content)
        if not content and size and self.came < self._length:
            raise ApiError(400, "body_cut", f"{self.came:,} bytes came of the {self._length:,} that were announced.")
        return content


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


def _too_many_pictures() -> ApiError:
    most = backend().settings.most_pictures
    return ApiError(413, "too_many_pictures", f"more than {most:,} pictures, expected at most {most:,} in a request.")


@contextmanager
def uploads(request: Request, service: Backend) -> Iterator[list[Upload]]:
    """The pictures of a request, while there is memory for its body.

    Raises
    ------
    ApiError
        If there are none, too many, too large ones, or something else.
    """
    most, length = service.settings.most_bytes, request.content_length
    if length is None and request.headers.get("Transfer-Encoding"):
        # How much memory it needs has to be known before it is read.
        raise ApiError(411, "no_length", "a body in chunks, expected one with the header Content-Length.")
    if (length or 0) > most:
        raise ApiError(413, "body_too_large", f"{length:,} bytes, expected at most {most:,}.")
    # Of JSON there are its bytes, its text, and what that encodes.
    copies = 3 if request.mimetype == _JSON else 1
    with service.content.share(copies * (length or 0)):
        request.environ["wsgi.input"] = _CheckedBody(request.environ["wsgi.input"], length or 0)
        found = list(_taken(request, service.settings.most_pictures))
        for upload in found:
            if not upload.content:
                raise ApiError(400, "empty_body", f"{upload.name}: empty, expected a picture.")
        yield found


def _taken(request: Request, most_pictures: int) -> Iterator[Upload]:
    if request.mimetype == "multipart/form-data":
        return _parts(request)
    if not request.content_length:
        raise ApiError(
            400,
            "empty_body",
            f"no body, expected a picture, or a form (multipart/form-data) with the field {_FIELD!r}.",
        )
    if request.mimetype == _JSON:
        pictures = pictures_in_json(request.get_data(cache=False), _FIELD, most_pictures)
        return (Upload(name, content) for name, content in pictures)
    return _body(request)


def _parts(request: Request) -> Iterator[Upload]:
    try:
        # Reads the body.
        fields = {*request.files, *request.form}
    except RequestEntityTooLarge:
        # Werkzeug's words tell of the body, whose length was right.
        raise ApiError(
            413,
            "body_too_large",
            f"a form of too many or too long texts, expected files in the field {_FIELD!r} alone.",
        ) from None
    if None in fields:
        raise ApiError(400, "unknown_field", f"a part without a name, expected {_FIELD!r} alone.")
    if any(len(text) > _LONGEST_TEXT for texts in request.form.listvalues() for text in texts):
        raise ApiError(413, "body_too_large", f"a text of more than {_LONGEST_TEXT:,} characters, expected a file.")
    wrong = sorted(fields - {_FIELD})
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
    # Of a body without a type, its content says what it is.
    if request.mimetype not in ("", "application/octet-stream") and not request.mimetype.startswith("image/"):
        raise ApiError(
            415,
            "wrong_content_type",
            f"content type {request.mimetype[:_LONGEST_NAME]}, expected image/*, none, multipart/form-data or {_JSON}.",
        )
    yield Upload(_FIELD, request.get_data(cache=False))


def drain(request: Request) -> None:
    """Read what is left of a body that nobody wants.

    Most clients read no answer before they have sent all they have: a server that closes the connection earlier leaves
    them with a broken pipe instead of the reason.
    """
    stream, left, deadline = request.environ["wsgi.input"], _DRAINED_BYTES, time.monotonic() + _DRAIN_SECONDS
    if not request.environ.get("wsgi.input_terminated"):
        # Werkzeug's own server gives the connection itself, where nothing more comes until the client has its answer.
        came = stream.came if isinstance(stream, _CheckedBody) else 0
        left = min(left, (request.content_length or 0) - came)
    with suppress(OSError, ApiError):
        while left > 0 and time.monotonic() < deadline:
            read = len(stream.read(min(left, 65_536)))
            if not read:
                return
            left -= read


class PredictQuery(Settings):
    """Parameters of a request to predict pictures.

    Attributes
    ----------
    target
        Whose classes are answered, one of those of the model; none: the model's first.
    model
        Predict with the default network, which is the vote where there is none, the whole vote, or the tiny network.
    detect
        Find the faces; false: each picture is a face and nothing else.
    """

    target: Target | None = None
    model: ModelName = "default"
    detect: bool = True

    @classmethod
    def of(cls, request: Request) -> Self:
        """The parameters of `request`.

        Raises
        ------
        ApiError
            If one has a value that is not allowed, or is unknown.
        """
        repeated = [name for name, values in request.args.lists() if len(values) > 1]
        if repeated:
            raise ApiError(400, "bad_parameter", f"{repeated[0][:100]}: given more than once.")
        try:
            return cls.model_validate_strings(request.args.to_dict())
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            known = f"no such parameter; there are {', '.join(cls.model_fields)}"
            reason = known if first["type"] == "extra_forbidden" else first["msg"]
            raise ApiError(400, "bad_parameter", f"{str(first['loc'][0])[:100]}: {reason}.") from None


class ExplainQuery(PredictQuery):
    """Parameters of a request to explain one face.

    Attributes
    ----------
    face
        Number of the face, the largest is 0.
    emotion
        Which class to explain; none: the most probable.
    """

    face: int = Field(0, ge=0)
    emotion: str | None = None
