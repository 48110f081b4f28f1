"""Pictures in the page: they are read, explained, waited for, and what cannot be read is said in words."""

import re

from tests.toys.browser import needs_browser, sync_api
from tests.toys.bundle import FER
from tests.toys.services import wait_for


@needs_browser
def test_an_uploaded_picture_is_read(visit, files):
    seen = visit()
    page = seen.page
    assert page.inner_text("#model-name") == "…" or "toy" in page.inner_text("#model-name")
    seen.read(files / "two.png")
    assert re.fullmatch(r"2 faces. The largest: (\w+), \d+ %.", page.inner_text("#status"))
    assert list(seen.shares()) == FER
    assert page.inner_text("#model-name") == "toy local"
    choices = page.locator(".face-choice input")
    assert choices.count() == 2
    assert choices.first.is_checked()
    assert page.get_attribute("#canvas", "aria-label").startswith("The picture with 2 faces: ")
    # Half of what is drawn is the right half of the picture, where the second face is.
    box = page.locator("#canvas").bounding_box()
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.45 * box["height"])
    assert choices.last.is_checked()
    assert page.inner_text("#face-place").startswith("Face 2 of 2")


@needs_browser
def test_each_of_several_dropped_pictures_is_read(visit, files):
    seen = visit()
    page = seen.page
    dropped = {name: list((files / name).read_bytes()) for name in ("nobody.png", "two.png")}
    page.evaluate(
        """files => {
            const dataTransfer = new DataTransfer();
            for (const [name, bytes] of Object.entries(files)) {
                dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            }
            document.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        dropped,
    )
    seen.says(re.compile("^No face was found"))
    assert page.is_hidden("#face")
    assert page.locator(".gallery-choice").all_inner_texts() == ["nobody.png", "two.png"]
    page.check("input[name=picture][value='1']", force=True)
    seen.says(re.compile("^2 faces"))
    seen.read(files / "one.jpg")
    assert page.is_hidden("#gallery")


@needs_browser
def test_the_service_draws_what_the_browser_cannot(visit, files):
    seen = visit()
    seen.read(files / "one.tiff")
    colours = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    }"""
    sync_api.expect(seen.page.locator("#face")).to_be_visible()
    # Nothing but the face is drawn there, in shades of grey.
    wait_for(lambda: seen.page.eval_on_selector("#thumb", colours) > 50)


@needs_browser
def test_a_picture_waits_for_the_model(visit, files):
    """The answer of a service that is still reading its model, then its own."""
    seen = visit()
    early = {
        "status": 503,
        "headers": {"Retry-After": "1"},
        "json": {"error": {"code": "not_ready", "message": "the model is being read; try again in some seconds."}},
    }
    seen.page.route("**/predict?*", lambda route: route.fulfill(**early), times=2)
    seen.page.set_input_files("#file", files / "one.jpg")
    seen.page.wait_for_selector("#error:not([hidden])")
    assert "being read" in seen.page.inner_text("#error")
    seen.says(re.compile("^One face"))
    assert seen.page.is_hidden("#error")
    assert all("503" in complaint for complaint in seen.complaints)
    seen.complaints.clear()


@needs_browser
def test_the_choices_reach_the_service(visit, files):
    seen = visit()
    seen.read(files / "one.jpg")
    with seen.page.expect_response(lambda answer: "target=ferplus" in answer.url):
        seen.page.check("input[value=ferplus]", force=True)
    sync_api.expect(seen.page.locator(".bar")).to_have_count(8)
    assert "contempt" in seen.shares()
    with seen.page.expect_response(lambda answer: "target=ferplus&model=tiny" in answer.url) as requested:
        seen.page.check("input[value=tiny]", force=True)
    assert requested.value.ok


@needs_browser
def test_an_explanation_is_drawn_over_the_face_and_goes_away(visit, files):
    seen = visit()
    page = seen.page
    seen.read(files / "one.jpg")
    before = seen.drawing
    page.click("#explain-button")
    page.wait_for_selector("#explanation:not([hidden])")
    said = page.input_value("#explain-emotion")
    assert page.inner_text("#explanation-text").endswith(f"the more it speaks for {said} (Grad-CAM).")
    assert page.eval_on_selector("#overlay", "image => image.decode().then(() => image.naturalWidth)") > 100
    assert seen.drawing != before
    other = next(emotion for emotion in FER if emotion != said)
    page.select_option("#explain-emotion", other)
    sync_api.expect(page.locator("#explanation-text")).to_contain_text(f"speaks for {other}")
    page.click("#hide-heat")
    assert page.is_hidden("#explanation")
    assert seen.drawing == before


@needs_browser
def test_what_is_no_picture_is_told_in_words(visit, files):
    seen = visit()
    page = seen.page
    seen.read(files / "one.jpg")
    page.set_input_files("#file", files / "letter.jpg")
    page.wait_for_selector("#error:not([hidden])")
    assert page.inner_text("#error").startswith("letter.jpg: not a picture")
    assert page.is_hidden("#face")
    # What the browser notes about every answer of 4xx is no error of the page.
    assert all("422" in complaint for complaint in seen.complaints)
    seen.complaints.clear()
    seen.read(files / "one.jpg")
    page.wait_for_selector("#error", state="hidden")


@needs_browser
def test_a_service_that_is_gone_is_told_in_words(visit, files):
    seen = visit()
    seen.page.wait_for_selector("#model:not([disabled])")
    seen.context.set_offline(True)
    seen.page.set_input_files("#file", files / "one.jpg")
    seen.page.wait_for_selector("#error:not([hidden])")
    assert seen.page.inner_text("#error") == "The service does not answer. Is it still running?"
    seen.complaints.clear()
