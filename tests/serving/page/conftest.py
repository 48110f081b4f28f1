"""What all files of this folder visit: a real server on toy networks, in a real browser whose webcam sees a film."""

import io
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.toys.browser import SMILES, WONDER, drawn, opened_browser, visits
from tests.toys.bundle import write_toy_bundle
from tests.toys.server import TOKEN, serving


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    """The address of the service, run as in production."""
    folder = tmp_path_factory.mktemp("serving")
    with serving(folder, warm=True, token=TOKEN, bundle=write_toy_bundle(folder)) as started:
        yield f"http://127.0.0.1:{started.port}"
        # At once: it would wait for connections that browsers keep open.
        os.killpg(started.process.pid, signal.SIGKILL)


@pytest.fixture(scope="package")
def browser(files):
    with opened_browser(files / "film.mjpeg") as browser:
        yield browser


@pytest.fixture
def visit(browser, server):
    """Opens pages of the service if nothing else is said; see `tests.toys.browser.visits`."""
    with visits(browser) as opened:
        yield lambda at=server, token=TOKEN, **options: opened(at, token=token, **options)
