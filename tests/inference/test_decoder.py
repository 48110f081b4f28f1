"""Decoding in a process of its own says the same, and ends where a picture takes too much."""

import os
import signal
from concurrent.futures import CancelledError
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkit.data import limited_process
from ferkit.data.limited_process import limits_of
from ferkit.data.picture_files import PictureHead, decode_picture
from ferkit.detection.loading import load_detector
from ferkit.errors import DataError, TooCostlyError, TooLargeError
from ferkit.inference.decoder import Decoder
from ferkit.inference.predictor import find_faces
from tests.detection.test_detection import drawn_faces, scene
from tests.toys.pictures import encoded

MOST = 25_000_000


@pytest.fixture(scope="module")
def decoder():
    started = Decoder("blazeface")
    yield started
    started.close()


def found(decoder, content, **options):
    head = decoder.inspect(content, "x", MOST)
    return decoder.find(content, "x", head, **{"most_faces": 300, **options})


def test_it_finds_what_is_found_in_this_process(decoder):
    content = encoded(scene((drawn_faces()[0], 150, 140, 200, 0), (drawn_faces()[3], 470, 320, 240, 0)), "JPEG")
    expected = find_faces(decode_picture(content, "x"), load_detector("blazeface"))
    assert decoder.inspect(content, "x", MOST) == PictureHead(640, 480)
    faces = found(decoder, content)
    assert (faces.name, faces.width, faces.height, faces.left_out) == ("x", 640, 480, 0)
    assert faces.crops.faces == expected.faces
    np.testing.assert_array_equal(faces.crops.images, expected.images)
    largest = found(decoder, content, most_faces=1)
    assert (largest.crops.faces, largest.left_out) == (expected.faces[:1], 1)
    np.testing.assert_array_equal(largest.crops.images, expected.images[:1])
    whole = found(decoder, encoded(drawn_faces()[1]), detect=False)
    np.testing.assert_array_equal(whole.crops.images, drawn_faces()[1:2])


def test_errors_come_back_as_they_are(decoder):
    content = encoded(np.zeros((30, 40), np.uint8))
    with pytest.raises(TooLargeError, match="x: 40 x 30 pixels, expected at most 1,000 in all"):
        decoder.inspect(content, "x", 1000)
    for broken in (b"hello", b""):
        with pytest.raises(DataError, match="expected"):
            decoder.inspect(broken, "x", MOST)
    with pytest.raises(DataError, match="x: not a whole picture"):
        found(decoder, encoded(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))[:-900])


def test_it_knows_nothing_of_tensorflow(decoder):
    found(decoder, encoded(drawn_faces()[0]))
    maps = Path(f"/proc/{decoder.process}/maps").read_text()
    assert "cv2" in maps
    assert "tensorflow" not in maps


def test_a_picture_that_lies_about_its_size_has_the_memory_of_what_it_says(decoder, cases):
    content = (cases / "serving" / "avif_lie_16000_444.avif").read_bytes()
    with pytest.raises(TooCostlyError, match=r"x: 16,000 x 16,000 pixels are decoded, though the AVIF says 100 x 100"):
        decoder.inspect(content, "x", MOST)
    # So many that the head alone would let it pass: what the process may take is by what the picture says.
    head = decoder.inspect(content, "x", 16_000**2)
    assert (head.width, head.height) == (100, 100)
    before = most_memory(decoder)
    task = {**limits_of(head.pixels), "task": "find", "name": "x", "most_pixels": 16_000**2, "detector_seconds": 5}
    with pytest.raises(DataError, match=r"^x: "):
        decoder.request({**task, "detect": False, "most_faces": 1}, content, lambda: False)
    assert most_memory(decoder) - before < 70_000_000


def most_memory(decoder):
    for line in Path(f"/proc/{decoder.process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise KeyError("VmHWM")


def test_what_takes_too_much_memory_is_refused_and_the_process_stays(decoder):
    content, process = encoded(np.zeros((5000, 5000), np.uint8)), decoder.process
    # As if the head had said so.
    with pytest.raises(TooCostlyError, match="x: takes far more memory than a picture of its size"):
        decoder.request(
            {"task": "find", "name": "x", "most_pixels": MOST, "memory": 1_000_000, "seconds": 5, "detector_seconds": 5}
            | {"detect": False, "most_faces": 1},
            content,
            lambda: False,
        )
    assert decoder.process == process
    assert len(found(decoder, encoded(drawn_faces()[0]), detect=False).crops.faces) == 1


@pytest.mark.parametrize("text", [False, True])
def test_a_netpbm_of_a_megapixel_in_16_bits_has_time_enough(decoder, text):
    values = np.random.default_rng(0).integers(0, 65_536, (1000, 1000, 3))
    raster = b" ".join(b"%d" % value for value in values.ravel()) if text else values.astype(">u2").tobytes()
    content = b"%s 1000 1000 65535\n" % (b"P3" if text else b"P6") + raster
    faces = found(decoder, content, detect=False)
    assert (faces.width, faces.height) == (1000, 1000)


def test_what_takes_too_long_is_ended(decoder, monkeypatch):
    content, process = encoded(np.zeros((5000, 5000, 3), np.uint8)), decoder.process
    monkeypatch.setattr(limited_process, "_SECONDS", 0.05)
    monkeypatch.setattr(limited_process, "_SECONDS_OF_PIXEL", 0.0)
    with pytest.raises(TooCostlyError, match=r"x: takes far more time than .* \(0\.1 s of a processor\)"):
        found(decoder, content)
    monkeypatch.undo()
    assert decoder.process != process
    assert len(found(decoder, encoded(drawn_faces()[0]), detect=False).crops.faces) == 1


def test_what_nobody_waits_for_is_ended(decoder, monkeypatch):
    content, process = encoded(np.zeros((5000, 5000, 3), np.uint8)), decoder.process
    monkeypatch.setattr(limited_process, "_POLL_SECONDS", 0.01)
    with pytest.raises(CancelledError):
        decoder.find(content, "x", PictureHead(5000, 5000), most_faces=1, gone=lambda: True)
    assert decoder.process != process
    assert not Path(f"/proc/{process}").exists()


def test_a_process_that_was_killed_is_replaced(decoder):
    found(decoder, encoded(drawn_faces()[0]))
    os.kill(decoder.process, signal.SIGKILL)
    os.waitid(os.P_PID, decoder.process, os.WEXITED | os.WNOWAIT)
    assert len(found(decoder, encoded(drawn_faces()[0]), detect=False).crops.faces) == 1


def test_it_ends_with_the_one_who_started_it(decoder):
    other = Decoder()
    other.start()
    process = other._process
    other._connection.close()
    assert process.wait(20) == 0
    other.close()


def test_a_preview_is_upright_and_no_larger_than_asked(decoder):
    left_half = np.zeros((300, 400), np.uint8)
    left_half[:, :200] = 255
    # "Turn it by 90 degrees": what lies left is shown above.
    turned = Image.Exif()
    turned[0x0112] = 6
    content = encoded(left_half, "TIFF", exif=turned)
    drawn = decoder.preview(content, "x", decoder.inspect(content, "x", MOST), side=200)
    with Image.open(BytesIO(drawn)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (150, 200))
        shades = np.asarray(picture.convert("L"))
    assert shades[:90].min() > 240
    assert shades[110:].max() < 15
