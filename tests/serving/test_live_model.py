"""A new champion takes over while clients ask, and a registry that goes away takes nothing with it."""

import shutil
import signal
import threading
from contextlib import ExitStack
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ferkit.bundles.bundle import Bundle
from ferkit.detection.crop import whole_as_face
from ferkit.registry.models import BUNDLE, CHAMPION, REGISTERED_NAME
from ferkit.serving.errors import NotReadyError
from ferkit.serving.model.live_model import LiveModel
from tests.toys.bundle import MOODS, write_mood_bundle, write_toy_bundle
from tests.toys.registry import registry_at
from tests.toys.server import ROOT, serving
from tests.toys.services import free_port, wait_for
from tests.toys.tracking import mlflow_server

# Of a registry that does not ask for them.
USER, PASSWORD = "registry-reader", "s3cret-word"
FACE = np.random.default_rng(3).integers(0, 256, (48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A registry with four versions, none of them champion: the third cannot be read, the fourth has other classes."""
    folder = tmp_path_factory.mktemp("store")
    with registry_at(f"sqlite:///{folder / 'mlflow.db'}") as client:
        client.create_registered_model(REGISTERED_NAME)
        for version, weights in (("1", {"a": 1.0}), ("2", {"a": 0.5, "b": 0.5}), ("3", {"a": 0.9, "b": 0.1})):
            bundle = folder / version / BUNDLE
            bundle.mkdir(parents=True)
            write_toy_bundle(bundle, weights)
            client.create_model_version(REGISTERED_NAME, source=(folder / version).as_uri())
        (folder / "3" / BUNDLE / "b.npz").write_bytes(b"broken")
        (folder / "4").mkdir()
        write_mood_bundle(folder / "4" / BUNDLE)
        client.create_model_version(REGISTERED_NAME, source=(folder / "4").as_uri())
        yield folder, client


@pytest.fixture
def crown(store):
    """Makes a version the champion."""
    _, client = store
    yield lambda version: client.set_registered_model_alias(REGISTERED_NAME, CHAMPION, version)
    client.delete_registered_model_alias(REGISTERED_NAME, CHAMPION)


@pytest.fixture(scope="module")
def fallback(tmp_path_factory):
    return write_toy_bundle(tmp_path_factory.mktemp("fallback"), {"alone": 1.0})


@pytest.fixture
def model(tmp_path, fallback):
    return LiveModel(tmp_path / "cache", fallback=fallback)


def answers(model):
    return model.current().version, model.registry.state


def test_what_ferkit_brings_answers_until_something_is_promoted_and_again_after(store, model, crown):
    _, client = store
    model.check_registry()
    assert answers(model) == ("local", "ok")
    crown("1")
    before = model.current()
    model.check_registry()
    assert answers(model) == ("1", "ok")
    assert (model.current().name, model.current().alias) == ("ferkit", "champion")
    assert before.version == "local", "who asked before keeps what was asked"
    same = model.current()
    model.check_registry()
    assert model.current() is same, "nothing is read twice"
    client.delete_registered_model_alias(REGISTERED_NAME, CHAMPION)
    model.check_registry()
    assert answers(model) == ("local", "ok")


def test_what_can_answer_does_while_the_rest_is_read(tmp_path, fallback):
    seen = []

    def look_on(question):
        served = model.served
        if served is None:
            seen.append((question.model, None))
            return
        classifier = served.classifier("ferplus", "tiny")
        assert classifier(FACE[None]).shape == (1, 8)
        for early in (lambda: served.classifier("fer", "vote"), served.require_ready):
            with pytest.raises(NotReadyError, match="another model"):
                early()
        seen.append((question.model, served.version))

    model = LiveModel(tmp_path / "cache", fallback=fallback, registry=False, prepare=look_on)
    model.check_registry()
    assert seen == [("tiny", None), ("vote", "local")]
    model.current().require_ready()
    assert model.current().classifier("fer", "default")(FACE[None]).shape == (1, 7)


def test_another_model_under_the_same_number_takes_over(model, tmp_path):
    with registry_at(f"sqlite:///{tmp_path / 'mlflow.db'}") as client:
        for name, weights in (("first", {"a": 1.0}), ("second", {"b": 1.0})):
            bundle = tmp_path / name / BUNDLE
            bundle.mkdir(parents=True)
            write_toy_bundle(bundle, weights)
            client.create_registered_model(REGISTERED_NAME)
            client.create_model_version(REGISTERED_NAME, source=(tmp_path / name).as_uri())
            client.set_registered_model_alias(REGISTERED_NAME, CHAMPION, "1")
            model.check_registry()
            assert answers(model) == ("1", "ok")
            assert set(weights) < set(model.current().bundle.card.networks)
            client.delete_registered_model(REGISTERED_NAME)


def test_a_champion_that_cannot_be_read_does_not_take_over(model, crown, caplog):
    crown("2")
    model.check_registry()
    crown("3")
    for _ in range(3):
        model.check_registry()
    assert answers(model) == ("2", "away")
    assert model.registry.error == "the champion cannot be read; the log of the service says why."
    assert len([record for record in caplog.records if "b.npz" in record.getMessage()]) == 1, "told once"
    crown("1")
    model.check_registry()
    assert answers(model) == ("1", "ok")


def test_without_the_registry_the_last_champion_answers(model, crown, tmp_path, fallback):
    crown("2")
    model.check_registry()
    nobody = f"http://127.0.0.1:{free_port()}"
    with registry_at(nobody), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        again = LiveModel(tmp_path / "cache", fallback=fallback)
        again.check_registry()
        assert answers(again) == ("2", "away")
        assert again.current().alias == "champion"
        first = LiveModel(tmp_path / "empty", fallback=fallback)
        first.check_registry()
        assert answers(first) == ("local", "away")
        (tmp_path / "cache" / "last_champion.json").write_text("[]")
        broken = LiveModel(tmp_path / "cache", fallback=fallback)
        broken.check_registry()
        assert answers(broken) == ("local", "away")
    again.check_registry()
    assert answers(again) == ("2", "ok")


def test_no_model_at_all_is_said_and_looked_for_again(tmp_path, fallback, caplog):
    folder = tmp_path / "later"
    model = LiveModel(tmp_path, fallback=folder, registry=False)
    model.check_registry()
    model.check_registry()
    with pytest.raises(NotReadyError) as refused:
        model.current()
    assert str(refused.value) == "no model can be read; the log of the service says why."
    assert refused.value.status == 503
    assert [record.getMessage().count("no bundle there") for record in caplog.records] == [1], "told once"
    shutil.copytree(fallback, folder)
    model.check_registry()
    assert answers(model) == ("local", "none")


class Clients:
    """Some that ask again and again, and note what they were told.

    Each rests for a moment between two requests: else they take the processor from the service, which needs a minute
    more to read its champions.
    """

    def __init__(self, server, count=4, rest=0.05) -> None:
        content = BytesIO()
        Image.fromarray(FACE).save(content, "PNG")
        self._server, self._picture = server, content.getvalue()
        self._stop, self._rest = threading.Event(), rest
        self.responses, self.failed = [], []
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def _ask(self):
        while not self._stop.wait(self._rest):
            try:
                answer = self._server.predict(self._picture, "detect=false")
            except OSError as error:
                self.failed.append(repr(error))
                continue
            if answer.status != 200:
                self.failed.append(answer)
                continue
            content = answer.json
            self.responses.append(
                (content["model"]["version"], list(content["pictures"][0]["faces"][0]["probabilities"].values()))
            )

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_new_champion_takes_over_without_a_request_that_fails(store, crown, tmp_path):
    folder, _ = store
    port = free_port()
    environment = {"MLFLOW_TRACKING_URI": f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"}
    crown("1")
    with ExitStack() as registry:
        registry.enter_context(mlflow_server(folder, port=port))
        with serving(tmp_path, environment, warm=True, reload_seconds=0.2) as server:

            def state():
                return server.get("/readyz").json["registry"]["state"]

            def responses(clients, version):
                """Several answers of `version`, from now on."""
                start = len(clients.responses)
                wait_for(lambda: [each for each, _ in clients.responses[start:]].count(version) > 20)

            readiness = []
            with Clients(server) as clients:
                responses(clients, "1")
                crown("2")
                responses(clients, "2")
                crown("4")
                responses(clients, "4")
                about = server.get("/openapi.json").json
                assert about["info"]["x-model"] == {"name": REGISTERED_NAME, "version": "4"}
                assert list(about["components"]["schemas"]["Probabilities"]["properties"]) == list(MOODS)
                crown("2")
                responses(clients, "2")
                assert "fer" in server.get("/openapi.json").json["components"]["schemas"]["Target"]["enum"]
                crown("3")
                wait_for(lambda: state() == "away")
                readiness.append(server.get("/readyz").json["registry"]["error"])
                assert server.metric("ferkit_registry_up") == 0
                crown("1")
                responses(clients, "1")
                assert state() == "ok"
                registry.close()
                wait_for(lambda: state() == "away")
                readiness.append(server.get("/readyz").json["registry"]["error"])
                responses(clients, "1")
            assert server.get("/readyz").status == 200
            registry.enter_context(mlflow_server(folder, port=port))
            wait_for(lambda: state() == "ok")
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=30) == 0
    assert clients.failed == []
    log = server.log.read_text()
    assert "b.npz: sha256" in log
    assert f"http://127.0.0.1:{port}" in log, "which registry is away"
    for hidden in (USER, PASSWORD, str(folder), str(tmp_path), str(ROOT)):
        assert hidden not in log
        assert not [line for line in readiness if hidden in line]
    assert readiness == [
        "the champion cannot be read; the log of the service says why.",
        "the registry does not answer, or has no files of its champion; the log of the service says why.",
    ]
    expected = {version: Bundle(folder / version / BUNDLE).predict(FACE[None])[0] for version in ("1", "2")}
    moods = Bundle(folder / "4" / BUNDLE)
    taken = whole_as_face(np.repeat(FACE[..., None], 3, axis=-1), moods.input.size)
    expected["4"] = moods.predict(taken[None])[0]
    assert {version for version, _ in clients.responses} == set(expected)
    for version, probabilities in clients.responses:
        np.testing.assert_allclose(probabilities, expected[version], atol=2e-5)
