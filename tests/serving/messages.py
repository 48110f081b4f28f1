"""What clients send to the API, and what its description says of an answer."""

import struct
import zlib

import jsonschema

from ferkit.serving.openapi import description
from tests.detection.test_detection import drawn_faces, scene


def two_faces():
    return scene((drawn_faces()[0], 150, 140, 200, 0), (drawn_faces()[3], 470, 320, 240, 0))


def png(width, height, data=b"", depth=8, colour=2) -> bytes:
    """A PNG whose head says what it likes."""
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def valid(schema, value):
    about = description()
    # The schema with what it refers to.
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": about["components"]}
    ).validate(value)


def refused(response, status, code):
    assert (response.status, response.json["error"]["code"]) == (status, code), response.body
    valid("Error", response.json)
    assert response.headers["content-type"] == "application/json"
    return response.json["error"]["message"]
