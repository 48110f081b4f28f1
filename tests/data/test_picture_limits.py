"""What a picture may take: pixels, sides, scans, texts, and the process in which an AVIF or a HEIC is decoded."""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ferkit.data import limited_process
from ferkit.data.formats.av1_size import coded_sizes
from ferkit.data.formats.jpeg_scans import count_scans
from ferkit.data.limited_process import limits_of
from ferkit.data.picture_files import PictureHead, decode_here, decode_picture, inspect_picture
from ferkit.errors import DataError, TooCostlyError, TooLargeError
from tests.data.encoded_pictures import decoded, pattern
from tests.toys.pictures import encoded


def test_more_pixels_than_allowed():
    content = encoded(Image.fromarray(pattern()))
    assert decode_picture(content, "x", most_pixels=40 * 24).shape == (24, 40, 3)
    with pytest.raises(DataError, match="x: 40 x 24 pixels, expected at most 959 in all"):
        decode_picture(content, "x", most_pixels=959)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_not_decoded(side):
    # One bit a pixel, all black: the claim is made by a few bytes of the header.
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = b"\x00\x00\x00\x0dIHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = zlib.compress(bytes(1000))
    chunks += struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    with pytest.raises(DataError, match="expected at most 120,000,000"):
        decode_picture(b"\x89PNG\r\n\x1a\n" + chunks, "bomb.png")


def test_a_head_is_read_without_its_pixels():
    content = encoded(Image.fromarray(pattern()))
    assert inspect_picture(content, "x") == PictureHead(40, 24)
    assert inspect_picture(content[:60], "x").pixels == 960
    with pytest.raises(TooLargeError, match="x: 40 x 24 pixels, expected at most 959 in all"):
        inspect_picture(content, "x", most_pixels=959)
    with pytest.raises(DataError, match="x: not a picture"):
        inspect_picture(b"hello", "x")


def test_a_side_that_no_camera_has_is_refused():
    with pytest.raises(TooLargeError, match="65,536 x 1 pixels, expected at most 65,535 on a side"):
        decoded(Image.new("L", (65_536, 1)))
    assert decoded(Image.new("L", (65_535, 1))).shape == (1, 65_535, 3)


def test_scans_of_a_jpeg_are_counted():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    once, often = encoded(image, "JPEG"), encoded(image, "JPEG", progressive=True)
    assert count_scans(once, 100) == 1
    assert count_scans(often, 100) == 10, "as libjpeg writes them"
    assert count_scans(often, 3) == 4
    # A picture within the picture, and what a telephone appends to it, are none.
    inner = b"\xff\xe1" + (len(often) + 2).to_bytes(2) + often
    assert count_scans(once[:2] + inner + once[2:] + often * 20, 100) == 1
    assert count_scans(b"\xff" * 1_000_000, 100) == 0


def test_a_jpeg_that_repeats_its_scans_is_refused(cases):
    with pytest.raises(TooCostlyError, match="more than 100 scans"):
        inspect_picture((cases / "serving" / "sos.jpg").read_bytes(), "x")


@pytest.mark.parametrize("size", [(1, 1), (101, 37), (320, 200)])
def test_an_avif_says_its_size_twice(size):
    assert coded_sizes(encoded(Image.new("RGB", size, "red"), "AVIF", speed=10)) == [size]
    clear = Image.new("RGBA", size, (9, 90, 200, 50))
    assert coded_sizes(encoded(clear, "AVIF", speed=10, subsampling="4:4:4")) == [size, size], "opacity has its own"
    moving = encoded(clear, "AVIF", speed=10, save_all=True, append_images=[Image.new("RGBA", size, "blue")])
    assert set(coded_sizes(moving)) == {size}


def test_an_avif_of_which_more_is_decoded_than_it_says_is_refused():
    honest = encoded(Image.new("RGB", (700, 500), "red"), "AVIF", speed=10)
    at = honest.index(b"ispe") + 8
    lie = honest[:at] + (20).to_bytes(4) + (10).to_bytes(4) + honest[at + 8 :]
    for read in (inspect_picture, decode_picture):
        with pytest.raises(
            TooCostlyError, match=r"x: 700 x 500 pixels are decoded, though the AVIF says 20 x 10 pixels"
        ):
            read(lie, "x", most_pixels=200_000)
    assert inspect_picture(lie, "x", most_pixels=350_000) == PictureHead(20, 10)
    # An encoder codes whole blocks.
    assert inspect_picture(honest, "x", most_pixels=350_000) == PictureHead(700, 500)
    rng = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(honest)
        broken[int(rng.integers(len(broken)))] = int(rng.integers(256))
        coded_sizes(bytes(broken[: int(rng.integers(len(broken)))]))


def test_what_an_avif_or_a_heic_takes_is_bounded_by_its_size(monkeypatch):
    small = {kind: encoded(Image.fromarray(pattern(400, 300)), kind) for kind in ("AVIF", "HEIF")}
    for content in small.values():
        np.testing.assert_array_equal(decode_picture(content, "x"), decode_here(content, "x"))
    for kind, content in small.items():
        large = encoded(Image.new("RGB", (3000, 3000)), kind)
        with monkeypatch.context() as less:
            less.setattr(limited_process, "BASE_MEMORY", 1_000_000)
            less.setattr(limited_process, "_MEMORY_OF_PIXEL", 0)
            with pytest.raises(DataError, match=r"^x: "):
                decode_picture(large, "x")
        with monkeypatch.context() as less:
            less.setattr(limited_process, "_SECONDS", 0.01)
            less.setattr(limited_process, "_SECONDS_OF_PIXEL", 0.0)
            with pytest.raises(TooCostlyError, match=r"x: takes far more time than .* \(0\.0 s of a processor\)"):
                decode_picture(large, "x")
        assert decode_picture(content, "x").shape == (300, 400, 3)


def test_a_picture_that_becomes_larger_than_its_head_says_is_refused():
    content = encoded(Image.fromarray(pattern(400, 300)), "HEIF")
    with pytest.raises(DataError, match=r"x: not a whole picture \(it is larger than its head says"):
        limited_process.LimitedProcess("ferkit.data.decoding_process").request(
            {**limits_of(120_000), "name": "x"}, content, most_response=300_000
        )
    assert decode_picture(content, "x").shape == (300, 400, 3)


def test_pictures_are_decoded_apart_side_by_side(monkeypatch):
    contents = [encoded(Image.fromarray(pattern(40 + index, 30)), "HEIF") for index in range(12)]
    with ThreadPoolExecutor(3) as pool:
        pictures = list(pool.map(decode_picture, contents, map(str, range(12))))
    assert [picture.shape for picture in pictures] == [(30, 40 + index, 3) for index in range(12)]
    assert limited_process._idle.qsize() <= 4
    monkeypatch.setattr(limited_process, "LimitedProcess", None)
    # Nothing is started for what its size bounds.
    decoded(Image.fromarray(pattern()), "JPEG")


def test_texts_of_a_png_are_bounded():
    texts = PngInfo()
    for _ in range(12):
        texts.add_text("note", "x" * 900_000, zip=True)
    with pytest.raises(DataError, match="text chunks"):
        decoded(Image.fromarray(pattern()), pnginfo=texts)
