"""What the API refuses, whatever people may send to it, and how it says so."""

import json
import socket
import zlib

import numpy as np
import pytest

from tests.detection.test_detection import drawn_faces
from tests.serving.messages import png, refused
from tests.toys.pictures import encoded

HEADLESS = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param(b"hello", 422, "not_a_picture", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "not_a_picture", id="svg"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422, "not_a_picture", id="postscript"),
        pytest.param(encoded(HEADLESS)[:-900], 422, "not_a_picture", id="truncated PNG"),
        pytest.param(encoded(HEADLESS, "JPEG")[:900], 422, "not_a_picture", id="truncated JPEG"),
        pytest.param(encoded(HEADLESS, "WEBP")[:900], 422, "not_a_picture", id="truncated WebP"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(5000), 422, "not_a_picture", id="broken head"),
        pytest.param(png(40_000, 40_000, zlib.compress(bytes(1000))), 413, "too_many_pixels", id="40,000 x 40,000"),
        pytest.param(png(2**31 - 1, 2**31 - 1), 413, "too_many_pixels", id="2^31 x 2^31"),
        pytest.param(png(9000, 9000, zlib.compress(bytes(1000))), 413, "too_many_pixels", id="81 megapixels"),
        pytest.param(png(0, 10), 422, "not_a_picture", id="no width"),
        pytest.param(b"", 400, "empty_body", id="empty"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_said(server, content, status, code):
    assert refused(server.predict(content), status, code)


def test_a_body_without_a_length_is_refused(server):
    chunks = (bytes(100_000) for _ in range(100))
    assert "Content-Length" in refused(server.predict(chunks), 411, "no_length")


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([("image", "a.png", b"x")], "unknown_field"),
        ([("picture", "a.png", b"x"), ("target", None, b"fer")], "unknown_field"),
        ([("picture", None, b"text")], "no_picture"),
        ([("picture", "a.png", b"")], "empty_body"),
        ([("x" * 5000, None, b"y" * 50_000)], "body_too_large"),
        ([(f"x{number}", None, b"y") for number in range(100)], "body_too_large"),
    ],
    ids=["wrong name", "a field too many", "text", "empty file", "a long text", "many texts"],
)
def test_wrong_fields(server, parts, code):
    response = server.predict_form(*parts)
    assert len(refused(response, 413 if code == "body_too_large" else 400, code)) < 400


def test_a_part_without_a_name_is_refused(server):
    nameless = b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--\r\n"
    message = refused(server.predict(nameless, kind="multipart/form-data; boundary=B"), 400, "unknown_field")
    assert message == "a part without a name, expected 'picture' alone."


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "bad_json"),
        ("[" * 10, 400, "bad_json"),
        ("[" * 100_000, 413, "too_many_pictures"),
        ('"text"', 400, "bad_json"),
        ("{}", 400, "bad_json"),
        ('{"image": "eA=="}', 400, "bad_json"),
        ('{"picture": "eA==", "target": "fer"}', 400, "bad_json"),
        ('{"picture": 7}', 400, "bad_json"),
        ('{"picture": []}', 400, "no_picture"),
        ('{"picture": "no base64!"}', 400, "bad_json"),
        ('{"picture": ""}', 400, "empty_body"),
        ('{"picture": "eA=="}', 422, "not_a_picture"),
        (json.dumps({"picture": ["eA=="] * 33}), 413, "too_many_pictures"),
    ],
)
def test_wrong_json(server, body, status, code):
    assert len(refused(server.predict(body, kind="application/json"), status, code)) < 300


def test_a_body_that_ends_too_early_is_said_so(server):
    for kind in ("image/png", "multipart/form-data; boundary=B"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            head = f"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 5000\r\n\r\n"
            connection.sendall(head.encode() + b"--B\r\n" + bytes(95))
            connection.shutdown(socket.SHUT_WR)
            content = b"".join(iter(lambda: connection.recv(100_000), b""))
        assert b" 400 " in content.splitlines()[0]
        assert b"100 bytes came of the 5,000 that were announced" in content


def test_no_header_says_where_the_application_begins(server):
    """gunicorn would take it from this machine, and fail where the path does not begin with it."""
    assert server.get("/healthz", SCRIPT_NAME="/elsewhere").status == 200


def test_wrong_content_types(server):
    face = encoded(drawn_faces()[0])
    for kind in ("application/x-www-form-urlencoded", "text/html"):
        assert "expected image/*" in refused(server.predict(face, kind=kind), 415, "wrong_content_type")
    refused(server.predict(face, kind="multipart/form-data"), 400, "no_picture")
    refused(server.predict(b"--x\r\nbroken", kind="multipart/form-data; boundary=y"), 400, "no_picture")
    refused(server.request("POST", "/api/v1/predict"), 400, "empty_body")
    assert server.predict(face, "detect=false", kind="image/x-unheard-of").status == 200


@pytest.mark.parametrize("query", ["model=perhaps", "detect=", "tarqet=fer", "target=fer&target=ferplus"])
def test_wrong_parameters(server, query):
    message = refused(server.predict(encoded(drawn_faces()[0]), query), 400, "bad_parameter")
    assert message.startswith(query.partition("=")[0])


@pytest.mark.parametrize("target", ["mood", "%00"])
def test_a_target_that_the_model_lacks(server, target):
    message = refused(server.predict(encoded(drawn_faces()[0]), f"target={target}"), 422, "no_such_target")
    assert message.endswith(": toy answers for fer, ferplus.")


def test_wrong_addresses_and_methods(server):
    refused(server.get("/api/v1/nothing"), 404, "not_found")
    response = server.get("/api/v1/predict")
    refused(response, 405, "method_not_allowed")
    assert "POST" in response.headers["allow"]
    refused(server.request("DELETE", "/api/v1/model"), 405, "method_not_allowed")


def test_a_client_that_stops_within_its_body_is_not_waited_for(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = "POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n"
        connection.sendall(head.encode() + bytes(100))
        content = b"".join(iter(lambda: connection.recv(100_000), b""))
    assert b" 408 " in content.splitlines()[0]
    assert b'"too_slow"' in content


def test_a_head_without_an_end_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
        assert client.recv(12) == b"HTTP/1.1 431"
