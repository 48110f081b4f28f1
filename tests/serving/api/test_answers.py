"""The answers of the API as a client meets it: faces, their emotions, an explanation, the model."""

import base64
import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ferkit.bundles.bundle import Bundle
from ferkit.data.labels import class_names
from ferkit.detection.loading import load_detector
from tests.detection.test_detection import drawn_faces
from tests.serving.messages import refused, two_faces, valid
from tests.toys.command import script
from tests.toys.pictures import encoded
from tests.toys.server import ROOT, form
from tests.toys.services import free_port


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


def test_a_name_that_nobody_would_give_comes_back_as_it_is(server):
    name = "<script>alert(1)</script>" + "x" * 500
    response = server.predict_form(("picture", name, encoded(drawn_faces()[0])), query="detect=false")
    assert response.json["pictures"][0]["name"] == name[:200]
    assert response.headers["content-type"] == "application/json"


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
