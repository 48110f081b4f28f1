"""What the page asks for and holds back: its token, the model's card behind it, and nothing from elsewhere."""

import re
import urllib.error
import urllib.request

import pytest

from tests.toys.browser import needs_browser
from tests.toys.server import TOKEN


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
