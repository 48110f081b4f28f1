"""The page on models with other classes than FER-2013's, one of which takes over from another."""

import csv
import re

import pytest

from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.model.served import without_registry
from tests.toys.browser import needs_browser, served_here, sync_api
from tests.toys.bundle import FER, write_mood_bundle, write_toy_bundle

# Of a model of one's own, with names as people may give them.
MANY = (
    *("happy", "Anger", "2_sad", "<b>bored</b> &amp; <i>", "constructor", "__proto__", "0", "1", 'says "no", twice'),
    *("a word of so many letters that it goes far beyond the room that there is for it", "Unerwartetesmissvergnügen"),
    *("喜び", "驚き", "خوف", "שמחה", "печаль", "Αηδία", "awe", "calm", "doubt"),
)


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
