"""The page by keyboard, on narrow and wide windows, in both colour schemes, and without JavaScript."""

import pytest

from tests.toys.browser import needs_browser


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


@needs_browser
def test_without_javascript_the_page_says_what_it_needs(visit):
    page = visit(java_script_enabled=False).page
    assert "needs JavaScript" in page.locator("noscript").inner_text()
