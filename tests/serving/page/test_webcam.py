"""The webcam in the page: read live, drawn and saved, and held for an explanation."""

import csv
import re

import pytest

from tests.toys.browser import needs_browser, sync_api
from tests.toys.bundle import FER


@needs_browser
def test_the_webcam_is_read_live_and_saved(visit, tmp_path):
    seen = visit()
    page = seen.page
    page.click("#camera")
    page.click("#live")
    sync_api.expect(page.locator("#pace")).to_have_text(re.compile(r"[1-9].* pictures a second"))
    page.wait_for_selector("#face:not([hidden])")
    for _ in range(3):
        page.wait_for_event("response", lambda answer: "/predict" in answer.url)
    assert seen.most_waiting == 1
    assert page.inner_text("#live") == "Pause"
    page.click("#live")
    assert page.inner_text("#live") == "Read live"
    assert page.locator("#legend li").count() == len(FER)
    with page.expect_download() as saving:
        page.click("#save")
    saving.value.save_as(tmp_path / "emotions.csv")
    rows = list(csv.DictReader((tmp_path / "emotions.csv").open()))
    assert len(rows) >= 3
    assert list(rows[0]) == ["time", "face", "x", "y", "width", "height", "score", "emotion", *FER]
    for row in rows:
        assert sum(float(row[emotion]) for emotion in FER) == pytest.approx(1, abs=1e-4)
        # The frame is mirrored: the face, left of the middle in the film, is on the right.
        assert float(row["x"]) + float(row["width"]) / 2 > 320
    inked = """canvas => canvas.getContext("2d").getImageData(0, 0, 1, canvas.height).data.some((value) => value)"""
    assert not page.eval_on_selector("#chart", inked), "no label is cut off"
    page.click("#shoot")
    seen.says(re.compile("^One face"))
    # What was read live may have said the same before.
    sync_api.expect(page.locator("#shoot")).to_have_text("Back to the camera")
    page.click("#shoot")
    sync_api.expect(page.locator("#shoot")).to_have_text("Take a picture")
    page.click("#live")
    sync_api.expect(page.locator("#pace")).to_have_text(re.compile("[1-9]"))
    page.click("#off")
    assert page.is_hidden("#camera-bar")
    assert page.evaluate("document.getElementById('video').srcObject") is None


@needs_browser
def test_live_without_a_face_says_so(visit, files):
    page = visit().page
    blank = (files / "nobody.png").read_bytes()
    page.route("**/predict?*", lambda route: route.continue_(post_data=blank))
    page.click("#camera")
    page.click("#live")
    sync_api.expect(page.locator("#status")).to_have_text(re.compile("^No face was found"))
    assert page.locator("#status").bounding_box()["height"] > 10, "for eyes, too"
    page.unroute("**/predict?*")
    page.wait_for_selector("#face:not([hidden])")
    sync_api.expect(page.locator("#status")).to_have_class(re.compile("quiet"))


@needs_browser
def test_an_explanation_stops_the_stream(visit):
    page = visit().page
    page.click("#camera")
    page.click("#live")
    page.click("#explain-button")
    page.wait_for_selector("#explanation:not([hidden])")
    assert page.inner_text("#live") == "Read live"
    # The sentence, the heading and the bars tell of the one frame that stands still.
    heading = page.inner_text("#face-emotion")
    assert page.inner_text("#status").lower() == f"one face: {heading.lower()}."
    page.click("#live")
    page.wait_for_selector("#explanation", state="hidden")
    sync_api.expect(page.locator("#pace")).to_have_text(re.compile("[1-9]"))
    page.click("#off")
    assert page.is_visible("#empty")
    assert page.is_hidden("#face")
