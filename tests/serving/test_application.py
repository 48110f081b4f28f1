"""The application without its own server: who may ask, and how much; what it says while it cannot answer."""

import socket
import threading
from pathlib import Path

import pytest
from PIL import Image

from ferkit.serving.app import create_app
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.settings import ServingSettings
from tests.detection.test_detection import drawn_faces, scene
from tests.serving.messages import refused, valid
from tests.toys.bundle import write_toy_bundle
from tests.toys.pictures import encoded
from tests.toys.server import TOKEN, InProcess, form
from tests.toys.services import wait_for


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy"))


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


def test_more_faces_than_are_read_are_counted(guarded):
    faces = [
        (drawn_faces()[i], x, y, 130, 0) for i, (x, y) in enumerate([(120, 120), (320, 120), (520, 120), (120, 350)])
    ]
    response = guarded.predict(encoded(scene(*faces), "JPEG"), Authorization=f"Bearer {TOKEN}")
    [picture] = response.json["pictures"]
    assert (len(picture["faces"]), picture["left_out"]) == (2, 2)


def test_a_client_that_asks_too_often_is_told_when_to_come_again(guarded):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    responses = [guarded.predict(encoded(drawn_faces()[0]), "detect=false", **bearer) for _ in range(14)]
    assert {response.status for response in responses} == {200, 429} or responses[0].status == 429
    refused(responses[-1], 429, "too_many_requests")
    assert 1 <= int(responses[-1].headers["retry-after"]) <= 60
    assert guarded.get("/api/v1/model", **bearer).status == 200


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


def test_the_shipped_model_has_numbers(tmp_path):
    """Read, not asked: its networks take seconds."""
    from ferkit.serving.model.served import without_registry
    from ferkit.serving.responses import about_model

    content = about_model(without_registry())
    valid("Model", content)
    best = [row for row in content["numbers"] if row["role"] == "vote" and row["subset"] == "PrivateTest"]
    assert best
    assert all(0.5 < row["accuracy"] < 1 for row in best)
