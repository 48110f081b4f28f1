"""The page in a real browser, Debian's chromium driven by Playwright, and what a person sees of it."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from werkzeug.serving import make_server

from ferkit.serving.app import create_app
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.settings import ServingSettings

try:
    from playwright import sync_api
except ImportError:
    sync_api = None

ROOT = Path(__file__).parents[2]
# The first has no window of a browser around the page, which takes four times what the page does.
_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _PROGRAMS)), None)
# Of docs/images/faces.png: row and column of faces that the detector finds.
SMILES, WONDER = (1, 1), (2, 1)
# Milliseconds; a busy machine imports TensorFlow in a minute.
PATIENCE = 240_000
if sync_api is not None:
    sync_api.expect.set_options(timeout=PATIENCE)

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or sync_api is None,
    reason="needs chromium (Debian: apt-get install chromium-headless-shell) and playwright (pip install playwright)",
)


def drawn(*cells: tuple[int, int]) -> Image.Image:
    """Drawn faces side by side, as a photograph of 640x480 would show them."""
    sheet = Image.open(ROOT / "docs/images/faces.png").convert("RGB")
    picture = Image.new("RGB", (640, 480), (205, 205, 205))
    for index, (row, column) in enumerate(cells):
        left, top = 2 + 98 * column, 2 + 112 * row
        # The first is the largest.
        side = 300 - 60 * index
        face = sheet.crop((left, top, left + 96, top + 96)).resize((side, side), Image.Resampling.BICUBIC)
        picture.paste(face, (10 + 320 * index, 80))
    return picture


@contextmanager
def opened_browser(film: Path | None = None) -> Iterator["sync_api.Browser"]:
    """The browser; `film` is what its webcam sees."""
    arguments = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    if film:
        arguments.append(f"--use-file-for-fake-video-capture={film}")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def served_here(model: LiveModel) -> Iterator[str]:
    """The address of a service in this process."""
    server = make_server("127.0.0.1", 0, create_app(ServingSettings(), model), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Visit:
    """A page in a window of its own, and what it did: addresses that it asked, complaints of the browser."""

    def __init__(self, browser, server, token=None, **options):
        self.server = server
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.waiting = self.most_waiting = 0
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        if token:
            self.context.add_init_script(f"sessionStorage.setItem('ferkit-token', '{token}')")
        self.page = self.context.new_page()
        self.page.on("request", self._asks)
        self.page.on("requestfinished", self._answered)
        self.page.on("requestfailed", self._answered)
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(server)

    def _asks(self, request):
        self.requested.append(request.url)
        if "/predict" in request.url:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)

    def _answered(self, request):
        self.waiting -= "/predict" in request.url

    def read(self, file: Path):
        self.page.set_input_files("#file", file)
        self.says(re.compile("."))

    def says(self, text: str | re.Pattern[str]):
        """Wait for a sentence in the live region."""
        sync_api.expect(self.page.locator("#status")).to_have_text(text)

    def shares(self) -> dict[str, str]:
        names, numbers = (self.page.locator(part).all_inner_texts() for part in (".bar-name", ".bar-number"))
        return dict(zip(names, numbers, strict=True))

    @property
    def drawing(self) -> str:
        return self.page.eval_on_selector("#canvas", "canvas => canvas.toDataURL()")


@contextmanager
def visits(browser) -> Iterator[Callable[..., Visit]]:
    """Opens pages; whatever a test does, they ask no other host and the browser has nothing to complain about."""
    made: list[Visit] = []

    def visit(at: str, **options) -> Visit:
        made.append(Visit(browser, at, **options))
        return made[-1]

    yield visit
    for each in made:
        each.context.close()
        assert [url for url in each.requested if not url.startswith((each.server, "data:", "blob:"))] == []
        assert each.complaints == []


def draws_the_answer(seen: Visit, file: Path, model: str, classes: Sequence[str], answer: pd.Series) -> None:
    """A bar for each class of `model`, as long as its share, and the largest in words.

    `answer` is a line of what `ferkit predict` says of `file`, a picture of one face.
    """
    page = seen.page
    # A page that another model answered before asks for that one's target first, and is told which there are now.
    with page.expect_response(lambda response: "/predict" in response.url and response.ok):
        page.set_input_files("#file", file)
    sync_api.expect(page.locator("#model-name")).to_have_text(model)
    sync_api.expect(page.locator(".bar-name")).to_have_text(list(classes))
    sync_api.expect(page.locator("#face-emotion")).to_have_text(re.compile(f"^{re.escape(answer.emotion)}, "))
    lengths = page.eval_on_selector_all(
        ".bar-track", "tracks => tracks.map((each) => new DOMMatrix(getComputedStyle(each, '::before').transform).a)"
    )
    assert lengths == pytest.approx([answer[name] for name in classes], abs=0.002)
    assert page.inner_text(".bar-most .bar-name") == answer.emotion
    assert seen.shares()[answer.emotion] == f"{answer[answer.emotion]:.0%}".replace("%", " %")
    seen.says(f"One face: {page.text_content('#face-emotion')}.")
