"""The page in a real browser: Debian's chromium, driven by Playwright, on a real server with toy networks."""

import csv
import io
import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.model.served import without_registry
from tests.toys.browser import (
    SMILES,
    WONDER,
    drawn,
    needs_browser,
    opened_browser,
    served_here,
    sync_api,
    visits,
)
from tests.toys.bundle import write_mood_bundle, write_toy_bundle
from tests.toys.server import serving
from tests.toys.services import wait_for

TOKEN = "a-token-for-tests"
FER = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
# Of a model of one's own, with names as people may give them.
MANY = (
    *("happy", "Anger", "2_sad", "<b>bored</b> &amp; <i>", "constructor", "__proto__", "0", "1", 'says "no", twice'),
    *("a word of so many letters that it goes far beyond the room that there is for it", "Unerwartetesmissvergnügen"),
    *("喜び", "驚き", "خوف", "שמחה", "печаль", "Αηδία", "awe", "calm", "doubt"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    # Larger than what a server reads at once.
    drawn(SMILES, WONDER).save(folder / "two.png")
    drawn(SMILES).save(folder / "one.jpg", quality=85)
    drawn(SMILES).save(folder / "one.tiff", compression="tiff_lzw")
    Image.new("RGB", (64, 64), (40, 90, 60)).save(folder / "nobody.png")
    (folder / "letter.jpg").write_text("Dear Sir or Madam")
    frame = io.BytesIO()
    drawn(SMILES).save(frame, "JPEG", quality=85)
    (folder / "film.mjpeg").write_bytes(frame.getvalue() * 3)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of the service, run as in production."""
    folder = tmp_path_factory.mktemp("serving")
    with serving(folder, warm=True, token=TOKEN, bundle=write_toy_bundle(folder)) as started:
        yield f"http://127.0.0.1:{started.port}"
        # At once: it would wait for connections that browsers keep open.
        os.killpg(started.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def browser(files):
    with opened_browser(files / "film.mjpeg") as browser:
        yield browser


@pytest.fixture
def visit(browser, server):
    """Opens pages of the service if nothing else is said; see `tests.toys.browser.visits`."""
    with visits(browser) as opened:
        yield lambda at=server, token=TOKEN, **options: opened(at, token=token, **options)


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
def test_everything_can_be_done_with_the_keyboard(visit, files):
    page = visit().page
    # From the start: the browser learns that choosers are intercepted by another way than it learns of the key.
    page.on("filechooser", lambda _: None)
    page.wait_for_selector("#model:not([disabled])")

    def tab_to(selector: str):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"no way to {selector} with the Tab key")

    tab_to("#file")
    outline = page.eval_on_selector(".button-primary", "label => getComputedStyle(label).outlineStyle")
    assert outline == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(files / "two.png")
    page.wait_for_selector(".face-choice")
    tab_to(".face-choice input")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#face-place").startswith("Face 2 of 2")
    tab_to("#explain-button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#explanation:not([hidden])")
    page.keyboard.press("Shift+Tab")
    tab_to("#hide-heat")
    page.keyboard.press("Enter")
    assert page.is_hidden("#explanation")
    page.focus("#model")
    page.keyboard.press("Enter")
    page.wait_for_selector("#card[open]")
    page.keyboard.press("Escape")
    assert page.is_hidden("#card")


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


@needs_browser
def test_a_token_is_asked_for_where_the_service_wants_one(visit, files):
    seen = visit(token=None)
    page = seen.page
    page.wait_for_selector("#token-form:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "token"
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#model:not([disabled])")
    assert page.is_hidden("#token-form")
    assert page.is_hidden("#error")
    assert all("401" in complaint for complaint in seen.complaints)
    seen.complaints.clear()
    seen.read(files / "one.jpg")


@needs_browser
def test_the_card_is_shown_and_its_html_is_text(visit):
    page = visit().page
    page.wait_for_selector("#model:not([disabled])")
    page.click("#model")
    page.wait_for_selector("#card[open]")
    assert page.inner_text("#card-text h1") == "Toy networks"
    assert page.locator("#card-text td.number").inner_text() == "0.14"
    assert "<script>" in page.inner_text("#card-text")
    assert page.title() == "ferkit: emotions in faces"
    assert "one (75 %), two (25 %)" in page.inner_text("#card-facts")


@needs_browser
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_runs_out_of_the_window(visit, files, width):
    seen = visit(viewport={"width": width, "height": 700}, is_mobile=width < 500, has_touch=width < 500)
    seen.read(files / "two.png")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    box = seen.page.locator("#canvas").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    # A phone's own camera.
    assert seen.page.is_visible("#capture-button") == (width < 500)
    assert seen.page.get_attribute("#capture", "capture") == "user"


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(visit, scheme):
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5."""
    page = visit(color_scheme=scheme).page
    texts, grounds = ["--ink", "--soft", "--faint", "--accent"], ["--paper", "--sheet"]
    pairs = [
        *((text, ground) for text in texts for ground in grounds),
        ("--bad", "--bad-wash"),
        ("--accent-ink", "--accent"),
    ]
    for text, ground in pairs:
        light, dark = sorted((luminance(page, name) for name in (text, ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
    assert (luminance(page, "--paper") < 0.1) == (scheme == "dark")


def luminance(page, name: str) -> float:
    """WCAG's relative luminance of a colour of the page."""
    value = page.evaluate("name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", name)
    parts = [int(value[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(scope="module")
def champions(tmp_path_factory):
    """A service in this process: its address, the model that answers, and another one that may take over."""
    folder = tmp_path_factory.mktemp("champions")
    moods = write_mood_bundle(folder / "moods", classes=MANY)
    model = LiveModel(folder / "cache", fallback=moods.folder, registry=False)
    model.check_registry()
    other = without_registry(write_toy_bundle(folder))
    other.warm.update(other.bundle.card.networks)
    with served_here(model) as address:
        yield address, model, other


@needs_browser
def test_the_classes_of_any_model_are_drawn(visit, champions, files):
    seen = visit(champions[0], token=None, viewport={"width": 320, "height": 700})
    page = seen.page
    seen.read(files / "two.png")
    assert list(seen.shares()) == list(MANY)
    assert page.locator("#bars b").count() == 0, "a name is text"
    hues = page.eval_on_selector_all(".bar", "rows => rows.map((row) => row.style.getPropertyValue('--hue'))")
    assert len(set(hues)) == len(MANY)
    assert hues[:3] == ["var(--happy)", "var(--angry)", "var(--sad)"], "emotions have colours of their own"
    most = page.inner_text(".bar-most .bar-name")
    assert seen.shares()[most] in page.inner_text("#face-emotion")
    assert page.input_value("#explain-emotion") == most
    assert page.locator("#explain-emotion option").all_inner_texts() == list(MANY)
    assert page.is_hidden("#targets"), "one target is no choice"
    assert page.is_hidden("#models")
    page.select_option("#explain-emotion", "<b>bored</b> &amp; <i>")
    page.click("#explain-button")
    sync_api.expect(page.locator("#explanation-text")).to_contain_text("speaks for <b>bored</b> &amp; <i>")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.click("#model")
    page.wait_for_selector("#card[open]")
    assert "faces of 64 × 64 pixels, in colour" in page.inner_text("#card-facts")
    assert "<b>bored</b>" in page.inner_text("#card-facts")


@needs_browser
def test_the_columns_of_any_classes_are_saved(visit, champions, tmp_path):
    page = visit(champions[0], token=None).page
    page.click("#camera")
    page.click("#live")
    sync_api.expect(page.locator("#legend bdi")).to_have_text(list(MANY))
    with page.expect_download() as saving:
        page.click("#save")
    page.click("#off")
    saving.value.save_as(tmp_path / "moods.csv")
    rows = list(csv.DictReader((tmp_path / "moods.csv").open(newline="")))
    assert list(rows[0])[8:] == list(MANY)
    assert rows[0]["emotion"] in MANY


@needs_browser
def test_the_page_follows_the_model_that_has_taken_over(visit, champions, files):
    address, model, other = champions
    seen = visit(address, token=None)
    page = seen.page
    seen.read(files / "one.jpg")
    moods = model.served
    model.served = other
    page.set_input_files("#file", files / "two.png")
    seen.says(re.compile("^2 faces"))
    assert list(seen.shares()) == FER
    page.check("input[value=ferplus]", force=True)
    sync_api.expect(page.locator(".bar")).to_have_count(8)
    page.check("input[value=tiny]", force=True)
    sync_api.expect(page.locator("#busy")).to_be_hidden()
    model.served = moods
    page.set_input_files("#file", files / "one.jpg")
    sync_api.expect(page.locator(".bar")).to_have_count(len(MANY))
    assert page.inner_text("#model-name") == "moods local"
    assert page.is_hidden("#targets")
    # The question that the new model could not answer.
    assert all("422" in complaint for complaint in seen.complaints)
    seen.complaints.clear()


@needs_browser
def test_without_javascript_the_page_says_what_it_needs(visit):
    page = visit(java_script_enabled=False).page
    assert "needs JavaScript" in page.locator("noscript").inner_text()


def test_the_card_is_only_for_those_with_the_token(server):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server}/card")
    assert refused.value.code == 401


def test_the_page_holds_nothing_inline_and_nothing_from_elsewhere(server):
    with urllib.request.urlopen(server) as answer:
        policy, text = answer.headers["Content-Security-Policy"], answer.read().decode()
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text) == []
    assert re.findall(r"(?:src|href)=\"(?!/|#)[^\"]*", text) == []
