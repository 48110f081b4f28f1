"""A model with classes and an input of its own: what the API answers, and what its description says of it."""

import base64
import json
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import validate
from PIL import Image

from ferkit.bundles.bundle import Bundle
from ferkit.data.input_card import InputCard
from ferkit.data.labels import class_names
from ferkit.detection.loading import load_detector
from ferkit.inference.predictor import find_faces
from ferkit.serving import decoding
from ferkit.serving.app import create_app
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.model.served import Served, without_registry
from ferkit.serving.openapi import description
from ferkit.serving.settings import ServingSettings
from tests.detection.test_detection import drawn_faces, scene
from tests.toys.bundle import write_mood_bundle, write_toy_bundle
from tests.toys.pictures import encoded
from tests.toys.server import InProcess
from tests.toys.services import wait_for

# As people may call them.
CLASSES = ("awake", "half asleep", "<b>bored</b>", "喜び", 'says "no"', "constructor", "0")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return write_mood_bundle(tmp_path_factory.mktemp("mood") / "bundle", classes=CLASSES)


@pytest.fixture(scope="module")
def model(bundle, tmp_path_factory):
    live = LiveModel(tmp_path_factory.mktemp("live"), fallback=bundle.folder, registry=False)
    live.start()
    wait_for(lambda: live.served is not None and live.served.is_ready)
    return live


@pytest.fixture(scope="module")
def service(model):
    return InProcess(create_app(ServingSettings(), model))


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """A bundle with the targets of FER and FER+."""
    return write_toy_bundle(tmp_path_factory.mktemp("toy"), {"one": 1.0})


def colourful():
    """Two faces, in colours that a grey model would not tell apart."""
    picture = scene((drawn_faces()[0], 150, 140, 200, 0), (drawn_faces()[3], 470, 320, 240, 0)).astype(np.float64)
    return np.clip(picture * (1.15, 1.0, 0.6), 0, 255).astype(np.uint8)


def valid(service, schema, value):
    """By the description that this service gives out."""
    about = service.get("/openapi.json").json
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": about["components"]}
    ).validate(value)


def refused(response, code):
    assert (response.status, response.json["error"]["code"]) == (422, code), response.body
    return response.json["error"]["message"]


def test_the_faces_are_cut_as_the_model_takes_them(service, bundle):
    content = service.predict(encoded(colourful())).json
    valid(service, "Prediction", content)
    assert (content["target"], content["classes"]) == ("mood", list(CLASSES))
    [picture] = content["pictures"]
    crops = find_faces(colourful(), load_detector("blazeface"), bundle.input)
    assert crops.images.shape == (2, 64, 64, 3)
    given = [[face["probabilities"][name] for name in CLASSES] for face in picture["faces"]]
    np.testing.assert_allclose(given, bundle.predict(crops.images), atol=2e-5)
    for face in picture["faces"]:
        assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)
    grey = find_faces(colourful(), load_detector("blazeface"), InputCard(size=64)).images
    assert np.abs(bundle.predict(np.repeat(grey[..., None], 3, axis=-1)) - given).max() > 1e-4, "colour counts"


def test_a_picture_that_is_a_face_is_made_as_large_as_the_model_takes_it(service, bundle):
    picture = colourful()[220:440, 350:590]
    face = service.predict(encoded(picture), "detect=false&target=mood").json["pictures"][0]["faces"][0]
    taken = find_faces(picture, None, bundle.input).images
    np.testing.assert_allclose(list(face["probabilities"].values()), bundle.predict(taken)[0], atol=2e-5)


@pytest.mark.parametrize("target", ["fer", "", "MOOD", "x" * 500])
def test_a_target_that_it_lacks_is_one_line_with_those_that_there_are(service, target):
    message = refused(service.predict(encoded(colourful()), f"target={target}"), "no_such_target")
    assert message.endswith("': moods answers for mood.")
    assert len(message) < 200


def test_any_class_of_a_face_is_explained_in_the_colours_that_the_network_saw(service):
    query = urlencode({"emotion": CLASSES[2], "face": 1})
    content = service.post(f"/api/v1/explain?{query}", encoded(colourful())).json
    valid(service, "Explanation", content)
    assert (content["target"], content["emotion"], content["face"]) == ("mood", CLASSES[2], 1)
    assert np.shape(content["heatmap"]) == (64, 64)
    assert list(content["probabilities"]) == list(CLASSES)
    drawn = Image.open(BytesIO(base64.b64decode(content["overlay_png"].partition(",")[2]))).convert("RGB")
    cold = np.asarray(content["heatmap"]) < 0.02
    cold = np.asarray(Image.fromarray(cold).resize(drawn.size, Image.Resampling.NEAREST))
    red, _, blue = np.asarray(drawn, np.float64)[cold].mean(axis=0)
    assert red > 1.4 * blue
    message = refused(service.post("/api/v1/explain?emotion=happy", encoded(colourful())), "no_such_emotion")
    assert message == f"emotion 'happy': expected one of {', '.join(CLASSES)}."


def test_the_description_is_that_of_the_model(service):
    about = service.get("/openapi.json").json
    validate(about)
    assert about["info"]["x-model"] == {"name": "moods", "version": "local"}
    parameters, schemas = about["components"]["parameters"], about["components"]["schemas"]
    assert parameters["target"]["schema"] == {"enum": ["mood"], "default": "mood"}
    assert parameters["model"]["schema"]["enum"] == ["default", "vote"]
    assert parameters["emotion"]["schema"]["enum"] == list(CLASSES)
    assert list(schemas["Probabilities"]["properties"]) == schemas["Probabilities"]["required"] == list(CLASSES)
    assert schemas["Class"]["enum"] == list(CLASSES)
    text = json.dumps(about)
    for other in ("ferplus", *(f'"{name}"' for name in class_names("fer"))):
        assert other not in text
    valid(service, "Model", service.get("/api/v1/model").json)
    with pytest.raises(jsonschema.ValidationError):
        valid(service, "Probabilities", dict.fromkeys(class_names("fer"), 1 / 7))


def test_the_description_of_several_targets(toy):
    about = description(without_registry(toy))
    validate(about)
    schemas = about["components"]["schemas"]
    assert about["components"]["parameters"]["target"]["schema"] == {"enum": ["fer", "ferplus"], "default": "fer"}
    forms = {form["title"]: form["required"] for form in schemas["Probabilities"]["anyOf"]}
    assert forms == {target: list(class_names(target)) for target in ("fer", "ferplus")}
    assert description() == description(), "what holds for any model stays as it is"
    assert "fer" not in json.dumps(description()).replace("ferkit", "").replace("refer", "").replace("offer", "")


def test_the_docs_page_shows_its_classes_as_text(service):
    page = service.get("/docs").body.decode()
    assert "<code>&lt;b&gt;bored&lt;/b&gt;</code>" in page
    assert "<b>bored" not in page
    for name in ("half asleep", "喜び"):
        assert f"<code>{name}</code>" in page
    assert "ferplus" not in page


def test_the_model_says_what_it_sees(service):
    content = service.get("/api/v1/model").json
    assert content["targets"]["mood"]["classes"] == list(CLASSES)
    assert content["input"] == {"size": 64, "colour": True}


def test_its_classes_are_counted(service):
    service.predict(encoded(colourful()))
    page = service.get("/metrics").body.decode()
    counted = [line for line in page.splitlines() if line.startswith("ferkit_faces_total")]
    assert counted
    assert all('target="mood"' in line for line in counted)


def test_large_crops_have_room_for_fewer_faces(model, bundle, monkeypatch):
    monkeypatch.setattr(decoding, "_CROPS", 2 * bundle.input.blank(1).nbytes)
    service = InProcess(create_app(ServingSettings(most_pictures=2, most_faces=5), model))
    faces = [(drawn_faces()[i], x, y, 130, 0) for i, (x, y) in enumerate([(120, 120), (320, 120), (520, 120)])]
    crowd = ("picture", "crowd.png", encoded(scene(*faces)))
    pictures = service.predict_form(crowd, crowd).json["pictures"]
    assert [(len(each["faces"]), each["left_out"]) for each in pictures] == [(2, 1), (1, 2)]


def test_who_asks_gets_the_classes_of_the_model_that_has_taken_over(bundle, toy, tmp_path):
    """Answers, errors and descriptions follow; a request keeps the model that it began with."""
    live = LiveModel(tmp_path / "cache", fallback=toy, registry=False)
    live.check_registry()
    service = InProcess(create_app(ServingSettings(), live))
    face = encoded(drawn_faces()[0])

    def answered():
        content = service.predict(face, "detect=false").json
        valid(service, "Prediction", content)
        return content["classes"]

    assert answered() == list(class_names("fer"))
    shipped = live.current()
    live.served = Served("moods", "2", bundle, warm=set(bundle.voters))
    assert answered() == list(CLASSES)
    assert "mood" in refused(service.predict(face, "detect=false&target=ferplus"), "no_such_target")
    assert service.get("/openapi.json").json["info"]["x-model"]["version"] == "2"
    live.served = shipped
    assert answered() == list(class_names("fer"))
