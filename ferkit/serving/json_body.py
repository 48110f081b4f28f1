"""Pictures in a JSON body: ``{"picture": BASE64}``, or a list of them."""

import base64
import binascii
import json
from collections.abc import Iterator

from ferkit.serving.errors import ApiError

__all__ = ["pictures_in_json"]

# What divides the parts of a JSON text, none of which base64 has: a body full of them would take dozens of times its
# size as objects of Python. A picture that is written as a data: address has a comma.
_DIVIDERS = (b",", b"[", b"{", b":")
_DIVIDERS_PER_PICTURE, _DIVIDERS_BESIDE = 4, 20


def pictures_in_json(body: bytes, field: str, most: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each picture in a JSON body.

    Parameters
    ----------
    body
        A JSON object whose one field `field` holds base64, as RFC 4648 has it or as a ``data:`` address, or a list of
        such texts.
    most
        Pictures in a request.

    Raises
    ------
    ApiError
        If it is anything else.
    """
    expected = f'expected {{"{field}": BASE64}}, or a list of such texts'
    if sum(body.count(divider) for divider in _DIVIDERS) > _DIVIDERS_PER_PICTURE * most + _DIVIDERS_BESIDE:
        raise ApiError(413, "too_many_pictures", f"{expected}, of at most {most:,} pictures.")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "bad_json", f"the body is not JSON, {expected}.") from None
    if not isinstance(given, dict):
        raise ApiError(400, "bad_json", f"the body is no JSON object, {expected}.")
    if set(given) != {field}:
        wrong = next((name for name in given if name != field), None)
        raise ApiError(
            400, "bad_json", f"{'no' if wrong is None else f'field {wrong[:100]!r}, not'} {field}: {expected}."
        )
    texts = given[field] if isinstance(given[field], list) else [given[field]]
    if not texts:
        raise ApiError(400, "no_picture", f"an empty list, {expected}.")
    if len(texts) > most:
        raise ApiError(413, "too_many_pictures", f"{len(texts):,} pictures, expected at most {most:,} in a request.")
    for place, text in enumerate(texts, start=1):
        name = field if len(texts) == 1 else f"{field} {place}"
        if not isinstance(text, str):
            raise ApiError(400, "bad_json", f"{name}: no text, {expected}.")
        yield name, _decoded(text, name)


def _decoded(text: str, name: str) -> bytes:
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        # Tools break base64 into lines.
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(400, "bad_json", f"{name}: not base64 (RFC 4648).") from None
