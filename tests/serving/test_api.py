"""The API as a client meets it: a real server on toy networks, and whatever people may send to it."""

import base64
import json
import re
import socket
import struct
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import validate
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from ferkit.bundles.bundle import Bundle
from ferkit.data.labels import class_names
from ferkit.detection.loading import load_detector
from ferkit.errors import ConfigError
from ferkit.serving.app import create_app
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.openapi import description
from ferkit.serving.settings import ServingSettings
from tests.detection.test_detection import drawn_faces, scene
from tests.toys.bundle import write_toy_bundle
from tests.toys.command import script
from tests.toys.server import ROOT, InProcess, form, serving
from tests.toys.services import free_port, wait_for

GIGABYTE = 1_000_000_000
TOKEN = "a secret of the tests"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def server(bundle, tmp_path_factory):
    """Shared; `test_memory_stays_bounded` comes last and reads what all of them cost."""
    with serving(tmp_path_factory.mktemp("server"), bundle=bundle, body_seconds=1.0, head_seconds=1.0) as started:
        yield started


@pytest.fixture(scope="module")
def toy(bundle, tmp_path_factory):
    """A model in this process, for services with other settings."""
    model = LiveModel(tmp_path_factory.mktemp("live"), fallback=bundle, registry=False)
    model.start()
    wait_for(lambda: model.served is not None and model.served.is_ready)
    return model


@pytest.fixture(scope="module")
def guarded(toy):
    limits = {"rate_limit": 12, "most_pictures": 3, "most_faces": 2, "most_bytes": 300_000, "most_pixels": 500_000}
    return InProcess(create_app(ServingSettings(token=TOKEN, hosts="127.0.0.1", **limits), toy))


def encoded(image, kind="PNG", **options) -> bytes:
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


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


def test_the_faces_of_a_picture(server, bundle):
    response = server.predict(encoded(two_faces(), "JPEG", quality=95), kind="image/jpeg")
    assert response.status == 200, response.body
    content = response.json
    valid("Prediction", content)
    assert content["model"] == {"name": "toy", "version": "local"}
    assert content["classes"] == list(class_names("fer"))
    [picture] = content["pictures"]
    assert (picture["name"], picture["width"], picture["height"], picture["left_out"]) == ("picture", 640, 480, 0)
    large, small = picture["faces"]
    for face, (x, y) in ((large, (470, 320)), (small, (150, 140))):
        left, top, width, height = face["box"]
        assert left < x < left + width
        assert top < y < top + height
        assert list(face["probabilities"]) == content["classes"]
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)


@pytest.mark.parametrize(("target", "model"), [("fer", "default"), ("ferplus", "vote"), ("ferplus", "tiny")])
def test_it_says_what_the_bundle_says(server, bundle, target, model):
    crops = drawn_faces()[:5]
    query = f"detect=false&target={target}&model={model}"
    response = server.predict_form(
        *[("picture", f"{i}.png", encoded(each)) for i, each in enumerate(crops)], query=query
    )
    expected = Bundle(bundle).predict(crops, target, model=model)
    assert [each["name"] for each in response.json["pictures"]] == [f"{i}.png" for i in range(5)]
    faces = [face for each in response.json["pictures"] for face in each["faces"]]
    assert [face["box"] for face in faces] == [[0, 0, 48, 48]] * 5
    given = [list(face["probabilities"].values()) for face in faces]
    np.testing.assert_allclose(given, expected, atol=2e-5)


def example(name, *arguments):
    """A script of examples/, as a person calls it."""
    # It imports nothing but the standard library.
    command = script(ROOT / "examples" / name, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_example_that_asks_it(server, tmp_path):
    shown = example("call_the_api.py", "--url", f"http://127.0.0.1:{server.port}")
    assert shown.stdout.startswith("toy, fer\n[")
    shown = example("call_the_api.py", "--url", f"http://127.0.0.1:{server.port}", "--target", "ferplus")
    assert shown.stdout.startswith("toy, ferplus\n[")
    (tmp_path / "text.png").write_text("no picture")
    shown = example("call_the_api.py", tmp_path / "text.png", "--url", f"http://127.0.0.1:{server.port}")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "picture" in shown.stderr
    shown = example("call_the_api.py", "--url", f"http://127.0.0.1:{free_port()}")
    assert "is the service running?" in shown.stderr


def test_many_clients_are_answered_in_batches_each_with_its_own(server, bundle):
    crops = drawn_faces()
    expected = Bundle(bundle).predict(crops, "fer", model="tiny")
    batches, faces = server.metric("ferkit_batch_faces_count"), server.metric("ferkit_batch_faces_sum")

    def request(index):
        response = server.predict(encoded(crops[index]), "detect=false&model=tiny")
        return response.status, list(response.json["pictures"][0]["faces"][0]["probabilities"].values())

    with ThreadPoolExecutor(16) as clients:
        responses = list(clients.map(request, [index for _ in range(8) for index in range(len(crops))]))
    assert {status for status, _ in responses} == {200}
    np.testing.assert_allclose([content for _, content in responses], np.tile(expected, (8, 1)), atol=2e-5)
    submitted = server.metric("ferkit_batch_faces_sum") - faces
    assert submitted == len(responses)
    assert server.metric("ferkit_batch_faces_count") - batches < submitted, "some were asked together"


def test_a_face_is_explained(server):
    picture = encoded(two_faces())
    response = server.post("/api/v1/explain?face=1&emotion=sad", picture)
    assert response.status == 200, response.body
    content = response.json
    valid("Explanation", content)
    assert (content["emotion"], content["face"]) == ("sad", 1)
    faces = server.predict(picture).json["pictures"][0]["faces"]
    assert content["box"] == faces[1]["box"]
    left, top, side, _ = content["crop_box"]
    framing = load_detector("blazeface").framing
    width = max(content["box"][2:])
    assert side == pytest.approx(framing.scale * width, abs=0.01)
    assert left + side / 2 == pytest.approx(content["box"][0] + content["box"][2] / 2, abs=0.01)
    assert top + side / 2 == pytest.approx(content["box"][1] + content["box"][3] / 2 - framing.up * width, abs=0.01)
    drawn = Image.open(BytesIO(base64.b64decode(content["overlay_png"].partition(",")[2])))
    assert drawn.size == (240, 240)
    assert server.post("/api/v1/explain", picture).json["emotion"] == faces[0]["emotion"]
    whole = server.post("/api/v1/explain?detect=false&model=tiny&target=ferplus", encoded(drawn_faces()[0])).json
    assert (whole["box"], whole["crop_box"]) == ([0, 0, 48, 48], [0, 0, 48, 48])


def test_what_cannot_be_explained(server):
    nothing = encoded(np.full((120, 160, 3), 90, np.uint8))
    assert "no face" in refused(server.post("/api/v1/explain", nothing), 422, "no_such_face")
    face = encoded(drawn_faces()[0])
    message = refused(server.post("/api/v1/explain?detect=false&face=1", face), 422, "no_such_face")
    assert "faces 0 to 0" in message
    message = refused(server.post("/api/v1/explain?detect=false&emotion=bored", face), 422, "no_such_emotion")
    assert "angry" in message
    refused(server.post("/api/v1/explain?face=-1", face), 400, "bad_parameter")
    two = form(("picture", "a.png", face), ("picture", "b.png", face))
    refused(server.post("/api/v1/explain", two, "multipart/form-data; boundary=----ferkit"), 400, "too_many_pictures")


def test_a_form_takes_pictures_of_any_size(server):
    noise = encoded(np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8))
    assert len(noise) > 1_000_000
    two = form(("picture", "a.png", noise), ("picture", "b.png", noise))
    response = server.post("/api/v1/predict", two, "multipart/form-data; boundary=----ferkit")
    assert [each["name"] for each in response.json["pictures"]] == ["a.png", "b.png"]


def test_the_model_and_its_card(server, bundle):
    content = server.get("/api/v1/model").json
    valid("Model", content)
    assert (content["name"], content["version"], content["alias"], content["models"]) == (
        "toy",
        "local",
        None,
        ["vote", "tiny"],
    )
    assert content["card_markdown"] == (bundle / "MODEL_CARD.md").read_text()
    assert content["targets"]["ferplus"]["classes"] == list(class_names("ferplus"))
    assert content["targets"]["fer"]["members"] == {"one": 0.75, "two": 0.25}


def test_the_shipped_model_has_numbers(tmp_path):
    """Read, not asked: its networks take seconds."""
    from ferkit.serving.model.served import without_registry
    from ferkit.serving.responses import about_model

    content = about_model(without_registry())
    valid("Model", content)
    best = [row for row in content["numbers"] if row["role"] == "vote" and row["subset"] == "PrivateTest"]
    assert best
    assert all(0.5 < row["accuracy"] < 1 for row in best)


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


def test_a_bomb_that_is_within_the_limit_is_a_picture(server):
    """24 million pixels in 30 KB; and a small picture with 200 MB behind it, which nobody reads."""
    bomb = encoded(Image.new("L", (6000, 4000)))
    assert len(bomb) < 100_000
    response = server.predict(bomb)
    assert (response.status, response.json["pictures"][0]["faces"]) == (200, [])
    squeeze = zlib.compressobj(9)
    packed = b"".join(squeeze.compress(bytes(1_000_000)) for _ in range(200)) + squeeze.flush()
    assert server.predict(png(10, 10, packed), "detect=false").status == 200


def test_a_body_of_100_megabytes_is_refused_before_it_is_read(server):
    before = server.most_memory
    big = bytes(100_000_000)
    for response in (server.predict(big), server.predict_form(("picture", "big.png", big))):
        assert "expected at most 20,000,000" in refused(response, 413, "body_too_large")
    assert server.most_memory - before < 50_000_000


def test_a_body_without_a_length_is_refused(server):
    chunks = (bytes(100_000) for _ in range(100))
    assert "Content-Length" in refused(server.predict(chunks), 411, "no_length")


def faces_as(mode):
    return Image.fromarray(two_faces()).convert(mode)


def sixteen_bits():
    return np.asarray(faces_as("L"), np.uint16) * np.uint16(257)


TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
SECOND = {"save_all": True, "append_images": [Image.new("RGB", (640, 480))]}


@pytest.mark.parametrize(
    ("image", "kind", "options"),
    [
        pytest.param(faces_as("CMYK"), "JPEG", {}, id="CMYK"),
        pytest.param(sixteen_bits(), "PNG", {}, id="16 bits"),
        pytest.param(faces_as("RGBA"), "PNG", {}, id="transparent"),
        pytest.param(faces_as("P"), "PNG", {}, id="palette"),
        pytest.param(two_faces(), "WEBP", {}, id="WebP"),
        pytest.param(two_faces(), "TIFF", {"compression": "tiff_lzw"}, id="TIFF"),
        pytest.param(two_faces(), "GIF", SECOND, id="animated GIF"),
        pytest.param(np.rot90(two_faces()), "JPEG", {"exif": TURNED}, id="EXIF-rotated"),
    ],
)
def test_pictures_as_people_have_them(server, image, kind, options):
    response = server.predict(encoded(image, kind, **options), kind=f"image/{kind.lower()}")
    assert response.status == 200, response.body
    [picture] = response.json["pictures"]
    assert (picture["width"], picture["height"]) == (640, 480)
    centres = [(x + width / 2, y + height / 2) for x, y, width, height in (face["box"] for face in picture["faces"])]
    assert np.abs(np.array(centres) - [(470, 320), (150, 140)]).max() < 40, "upright, largest first"


def test_no_face_is_an_empty_list(server):
    response = server.predict(encoded(np.full((300, 400, 3), 128, np.uint8)))
    assert (response.status, response.json["pictures"][0]["faces"]) == (200, [])


def test_two_hundred_faces(server):
    side = 150
    places = [(side * (i % 14) + 75, side * (i // 14) + 75) for i in range(200)]
    faces = [(drawn_faces()[i % 24], x, y, 120, 0) for i, (x, y) in enumerate(places)]
    response = server.predict(encoded(scene(*faces, width=14 * side, height=15 * side), "JPEG"), "model=tiny")
    assert response.status == 200
    found = response.json["pictures"][0]["faces"]
    # The detector of drawn faces as small as these misses some: what counts is that all it finds are read.
    assert 140 <= len(found) <= 200
    assert all(sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-4) for face in found)


def test_more_faces_than_are_read_are_counted(guarded):
    faces = [
        (drawn_faces()[i], x, y, 130, 0) for i, (x, y) in enumerate([(120, 120), (320, 120), (520, 120), (120, 350)])
    ]
    response = guarded.predict(encoded(scene(*faces), "JPEG"), Authorization=f"Bearer {TOKEN}")
    [picture] = response.json["pictures"]
    assert (len(picture["faces"]), picture["left_out"]) == (2, 2)


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


def test_a_picture_may_come_without_a_type(server):
    crop = drawn_faces()[0]
    expected = server.predict(encoded(crop), "detect=false").json["pictures"]
    untyped = server.request("POST", "/api/v1/predict?detect=false", encoded(crop))
    assert (untyped.status, untyped.json["pictures"]) == (200, expected)
    assert server.predict(encoded(crop), "detect=false", kind="application/octet-stream").json["pictures"] == expected


def test_pictures_may_come_as_json(server):
    crops = drawn_faces()[:2]
    expected = [server.predict(encoded(each), "detect=false").json["pictures"][0] for each in crops]
    texts = [base64.encodebytes(encoded(crops[0])).decode(), f"data:image/png;base64,{_base64(encoded(crops[1]))}"]
    for sent, names in ((texts[0], ["picture"]), (texts, ["picture 1", "picture 2"])):
        body = json.dumps({"picture": sent})
        valid("PicturesAsText", json.loads(body))
        response = server.predict(body, "detect=false", kind="application/json")
        assert response.status == 200, response.body
        assert response.json["pictures"] == [each | {"name": name} for each, name in zip(expected, names, strict=False)]
    explained = server.post("/api/v1/explain?detect=false", json.dumps({"picture": texts[0]}), "application/json")
    assert explained.status == 200


def _base64(content):
    return base64.b64encode(content).decode()


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


@pytest.fixture(scope="module")
def werkzeug_s_own(toy):
    """The port of the same application under the server that Flask brings, whose requests have no end of their own."""
    from werkzeug.serving import make_server

    own = make_server("127.0.0.1", 0, create_app(ServingSettings(hosts="127.0.0.1"), toy), threaded=True)
    thread = threading.Thread(target=own.serve_forever)
    thread.start()
    yield own.server_port
    own.shutdown()
    thread.join()
    own.server_close()


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/api/v1/predict", "text/plain", b"415"),
        ("/api/v1/predict?what=1", "image/png", b"400"),
        ("/nowhere", "image/png", b"404"),
        ("/healthz", "image/png", b"405"),
        # Of this one the body has been read by then.
        ("/api/v1/predict", "image/png", b"422"),
    ],
)
def test_a_refusal_comes_while_the_client_waits_for_it(werkzeug_s_own, path, kind, status):
    body = b"x" * 1000
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", werkzeug_s_own), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(100).split()[1] == status


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


def test_a_name_that_nobody_would_give_comes_back_as_it_is(server):
    name = "<script>alert(1)</script>" + "x" * 500
    response = server.predict_form(("picture", name, encoded(drawn_faces()[0])), query="detect=false")
    assert response.json["pictures"][0]["name"] == name[:200]
    assert response.headers["content-type"] == "application/json"


def test_a_client_that_stops_within_its_body_is_not_waited_for(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = "POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n"
        connection.sendall(head.encode() + bytes(100))
        content = b"".join(iter(lambda: connection.recv(100_000), b""))
    assert b" 408 " in content.splitlines()[0]
    assert b'"too_slow"' in content


HEAD = b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n"
SLOW = {
    "nothing": b"",
    "half a head": HEAD,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "a word": b"hello",
}
BROKEN = {"no HTTP": b"hello\r\n\r\n", "refused": b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}


@pytest.mark.parametrize("sent", [SLOW, BROKEN, {"half a body": HEAD + b"\r\nx"}], ids=["slow", "broken", "busy"])
def test_clients_that_say_nothing_of_use_delay_no_probe(server, sent):
    """With gunicorn's own worker none was answered as long as they stayed, or each of them cost two seconds."""
    with ExitStack() as stack:
        clients = []
        for content in sent.values():
            for _ in range(40):
                clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30)))
                clients[-1].sendall(content)
        start = time.monotonic()
        assert {server.get("/healthz").status for _ in range(20)} == {200}
        assert {server.get("/readyz").status for _ in range(20)} == {200}
        # A generous bound for a busy machine: 40 answers that take a millisecond each.
        assert time.monotonic() - start < 6
        if sent is SLOW:
            # Who said nothing is told nothing; none is waited for longer than the settings say.
            responses = [b"".join(iter(lambda client=client: client.recv(10_000), b"")) for client in clients]
            assert [response[:12] for response in responses] == [b""] * 40 + [b"HTTP/1.1 408"] * 120


def test_a_head_without_an_end_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
        assert client.recv(12) == b"HTTP/1.1 431"


def test_requests_of_one_connection_are_answered_in_turn(server):
    """The second comes with the first, the third byte by byte."""
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(request + request)
        for place in range(len(request)):
            client.sendall(request[place : place + 1])
        content = b""
        while content.count(b'{"status":"ok"}') < 3:
            came = client.recv(10_000)
            assert came, content
            content += came
    assert content.count(b"HTTP/1.1 200 OK") == 3


def test_the_token_guards_what_is_asked_and_counted(guarded):
    face = encoded(drawn_faces()[0])
    for wrong in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer é"},
    ):
        response = guarded.predict(face, **wrong)
        refused(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    for path in ("/api/v1/model", "/metrics"):
        refused(guarded.get(path), 401, "unauthorized")
        assert guarded.get(path, Authorization=f"Bearer {TOKEN}").status == 200
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
        assert guarded.get(path).status == 200


def test_limits_are_settings(guarded):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    kind = "multipart/form-data; boundary=----ferkit"
    face = ("picture", "face.png", encoded(drawn_faces()[0]))
    refused(guarded.predict(form(*[face] * 4), kind=kind, **bearer), 413, "too_many_pictures")
    refused(guarded.predict(form(*[face] * 40), kind=kind, **bearer), 413, "too_many_pictures")
    refused(guarded.predict(bytes(300_001), **bearer), 413, "body_too_large")
    refused(guarded.predict(encoded(Image.new("L", (1000, 501))), **bearer), 413, "too_many_pixels")
    refused(guarded.get("/healthz", Host="evil.example"), 400, "bad_request")


def test_a_client_that_asks_too_often_is_told_when_to_come_again(guarded):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    responses = [guarded.predict(encoded(drawn_faces()[0]), "detect=false", **bearer) for _ in range(14)]
    assert {response.status for response in responses} == {200, 429} or responses[0].status == 429
    refused(responses[-1], 429, "too_many_requests")
    assert 1 <= int(responses[-1].headers["retry-after"]) <= 60
    assert guarded.get("/api/v1/model", **bearer).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/api/v1/model", "/nothing"])
def test_browsers_are_told_what_not_to_do(server, path):
    headers = server.get(path, Origin="https://evil.example").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=(self)" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control")]


def test_no_other_page_may_ask(server):
    response = server.request(
        "OPTIONS",
        "/api/v1/predict",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_what_is_counted(server):
    server.predict(encoded(drawn_faces()[0]), "detect=false")
    server.get("/invented/by/a/client")
    server.request("BREW", "/healthz")
    page = server.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(page.body.decode())}
    requests = {
        tuple(s.labels.values()): s.value for s in families["ferkit_requests"].samples if s.name.endswith("_total")
    }
    assert requests["/api/v1/predict", "POST", "200"] >= 1
    assert not any("invented" in endpoint for endpoint, _, _ in requests)
    methods = {method for _, method, _ in requests}
    assert "BREW" not in methods
    assert "other" in methods
    [model] = families["ferkit_model"].samples
    assert (model.labels["name"], model.labels["version"], model.value) == ("toy", "local", 1)
    assert families["ferkit_registry_up"].samples[0].value == -1
    assert {"ferkit_waiting_faces", "ferkit_network_seconds", "process_resident_memory_bytes"} <= set(families)


def test_the_description_is_valid_and_covers_every_route(server, bundle, tmp_path):
    about = server.get("/openapi.json").json
    validate(about)
    app = create_app(ServingSettings(), LiveModel(tmp_path, fallback=bundle, registry=False))
    routes = {
        (rule.rule, method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule in ("/healthz", "/readyz", "/metrics", "/openapi.json")
    }
    assert {(path, method) for path, item in about["paths"].items() for method in item} == routes
    codes = set(
        re.findall(
            r'ApiError\(\s*\d+,\s*"(\w+)"', "".join(p.read_text() for p in (ROOT / "ferkit" / "serving").glob("*.py"))
        )
    )
    assert codes <= set(about["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"])


def test_the_docs_page_needs_no_other_host(server):
    page = server.get("/docs").body.decode()
    for name in (*description()["components"]["schemas"], "/api/v1/explain", "no_such_face", "too_many_pixels"):
        assert name in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "<script" not in page
    assert "`" not in page, "what is code in the description is code on the page"
    assert "<code>Content-Type: image/*</code>" in page
    assert 'href="/"' in page
    assert "style=" not in page
    sheet = re.search(r'href="(/static/[^"]+\.css)"', page)[1]
    assert server.get(sheet).headers["content-type"].startswith("text/css")


def test_settings_are_documented():
    page = (ROOT / "docs" / "guides" / "serving.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", page, re.MULTILINE))
    defaults = {name: field.default for name, field in ServingSettings.model_fields.items()}
    expected = {
        name: "none" if value is None else "empty" if value == "" else f"`{value}`" for name, value in defaults.items()
    }
    assert rows == expected


def test_settings_from_the_environment():
    settings = ServingSettings(token=TOKEN, port=81, rate_limit=0, bundle=Path("x"), host="::1")
    assert ServingSettings.from_environment({**settings.to_environment(), "PATH": "/bin"}) == settings
    assert ServingSettings.from_environment({"FERKIT_SERVE_PORT": ""}) == ServingSettings()
    assert TOKEN not in repr(settings)
    for name, value in (("PORT", "x"), ("PROT", "1"), ("TOKEN", "short"), ("MOST_PIXELS", "1")):
        with pytest.raises(ConfigError, match=f"FERKIT_SERVE_{name}: "):
            ServingSettings.from_environment({f"FERKIT_SERVE_{name}": value})


def test_an_upload_may_take_as_long_as_the_longest_pause():
    with pytest.raises(ConfigError, match="FERKIT_SERVE_UPLOAD_SECONDS: 120 s, expected at least body_seconds, 200 s"):
        ServingSettings.from_environment({"FERKIT_SERVE_BODY_SECONDS": "200"})


@pytest.mark.parametrize("token", ["twelve=twelve", "zwölf zwölf", " in spaces ", "two\nlines", "short"])
def test_a_token_that_nobody_could_present_is_refused(token):
    with pytest.raises(ConfigError, match=r"FERKIT_SERVE_TOKEN: .*expected"):
        ServingSettings.from_environment({"FERKIT_SERVE_TOKEN": token})


@pytest.mark.parametrize("token", ["padded==", "with, signs/~+._-", TOKEN])
def test_every_token_that_is_taken_can_be_presented(toy, token):
    service = InProcess(create_app(ServingSettings(token=token), toy))
    assert service.get("/api/v1/model", Authorization=f"Bearer {token}").status == 200


def test_wrong_tokens_are_counted(toy):
    service = InProcess(create_app(ServingSettings(token=TOKEN), toy))
    responses = [service.get("/api/v1/model", Authorization=f"Bearer guess {number}") for number in range(12)]
    assert [response.status for response in responses] == [401] * 10 + [429] * 2
    assert "wrong tokens" in refused(responses[-1], 429, "too_many_requests")
    assert service.get("/api/v1/model", Authorization=f"Bearer {TOKEN}").status == 429, "no guess is answered"
    assert service.get("/api/v1/model").status == 401, "no token is no guess"
    assert service.get("/readyz").status == 200


@pytest.mark.parametrize(
    ("host", "given", "limit"),
    [
        ("127.0.0.1", None, 0),
        ("localhost", None, 0),
        ("::1", None, 0),
        ("0.0.0.0", None, 1200),
        ("0.0.0.0", 0, 0),
        ("127.0.0.1", 7, 7),
    ],
)
def test_who_can_be_reached_from_outside_has_a_limit(host, given, limit):
    assert ServingSettings(host=host, rate_limit=given).requests_a_minute == limit


def test_until_a_model_was_read_it_says_so(bundle, tmp_path):
    app = create_app(ServingSettings(), LiveModel(tmp_path, fallback=bundle, registry=False))
    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    valid("Readiness", ready.json)
    for response in (client.post("/api/v1/predict", data=b"x", content_type="image/png"), client.get("/api/v1/model")):
        assert response.status_code == 503
        assert response.json["error"]["code"] == "not_ready"
        assert int(response.headers["Retry-After"]) > 0


def test_a_bug_is_told_without_its_details(bundle, tmp_path, caplog):
    app = create_app(ServingSettings(), LiveModel(tmp_path, fallback=bundle, registry=False))
    app.add_url_rule("/bug", view_func=lambda: {}["the secret"])
    response = app.test_client().get("/bug")
    assert (response.status_code, response.json["error"]["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert "the secret" in caplog.text


def test_behind_a_proxy_each_client_has_its_own_limit(bundle, tmp_path):
    model = LiveModel(tmp_path, fallback=bundle, registry=False)
    client = create_app(ServingSettings(proxies=1, rate_limit=1), model).test_client()

    def status(address):
        return client.post("/api/v1/predict", headers={"X-Forwarded-For": address}).status_code

    assert [status("1.1.1.1"), status("1.1.1.1"), status("2.2.2.2")] == [503, 429, 503]
    straight = create_app(ServingSettings(rate_limit=1), model).test_client()
    assert [
        straight.post("/api/v1/predict", headers={"X-Forwarded-For": a}).status_code for a in ("1.1.1.1", "2.2.2.2")
    ] == [503, 429]


def test_nothing_that_is_sent_takes_the_memory_or_the_service_from_others(server, cases):
    expected = {
        "avif_lie_16000_444.avif": {422},
        "crop.png": {200},
        "hello.txt": {422},
        "png_25Mx1.png": {413},
        "png_itxt_64MB.png": {422},
        "sos.jpg": {422},
    }
    contents = {name: (cases / "serving" / name).read_bytes() for name in [*expected, "crowd39.jpg"]}
    contents["large.png"] = encoded(Image.new("L", (5000, 4000)))
    # Some large pictures at first, for which there is room one after another.
    sent = ["large.png"] * 4 + ["crowd39.jpg"] * 2 + [name for _ in range(16) for name in expected]
    with ThreadPoolExecutor(16) as clients, server.watched() as memory:
        submitted = [(name, clients.submit(server.predict, contents[name], kind="image/jpeg")) for name in sent]
        for name, response in submitted:
            assert response.result().status in expected.get(name, {200, 503}), (name, response.result().body)
    assert max(memory) < 2 * GIGABYTE
    assert "Traceback" not in server.log.read_text()


def test_work_for_a_client_that_has_left_is_dropped(server):
    crowd = encoded(scene(*[(face, 100 + 120 * i, 240, 110, 0) for i, face in enumerate(drawn_faces()[:5])]), "JPEG")
    body = form(*[("picture", f"{i}.jpg", crowd) for i in range(32)])
    head = (
        "POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=----ferkit\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + body)
    wait_for(lambda: b'status="499"' in server.get("/metrics").body, what="it was worked on to its end")


def test_memory_stays_bounded(server):
    """The largest pictures of every costly kind, all at once, after all that came before."""
    side = 4950
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 4), dtype=np.uint8)
    large = Image.fromarray(noise, "RGBA").resize((side, side), Image.Resampling.NEAREST)
    kinds = {
        "transparent": encoded(large, compress_level=1),
        "16 bits": encoded(Image.fromarray(np.zeros((side, side), np.uint16)), compress_level=1),
        "CMYK": encoded(large.convert("RGB").convert("CMYK"), "JPEG", quality=20),
        "WebP": encoded(large.convert("RGB").resize((side, side)), "WEBP", quality=1, method=0),
    }
    with ThreadPoolExecutor(12) as clients, server.watched() as memory:
        submitted = [clients.submit(server.predict, content) for _ in range(3) for content in kinds.values()]
        statuses = [each.result().status for each in submitted]
    assert set(statuses) <= {200, 503}, statuses
    assert 200 in statuses
    assert max(memory) < 2 * GIGABYTE
    log = server.log.read_text()
    assert "Traceback" not in log, log[-3000:]
    assert server.get("/readyz").status == 200
