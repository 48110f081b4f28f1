"""Pictures of 16 bits a channel: their upper 8 are kept, of 12 bits the upper 8 of these."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ferkit.data.picture_files import decode_picture
from ferkit.errors import DataError
from tests.data.encoded_pictures import decoded


def test_16_bits_keep_their_upper_8():
    values = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decoded(Image.fromarray(values), kind)[..., 1], values >> 8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("bits", "spare"), [(8, 0), (12, 4)])
def test_fewer_bits_in_a_file_of_16(kind, bits, spare):
    values = np.linspace(0, 2**bits - 1, 1024).astype(np.uint16).reshape(32, 32)
    np.testing.assert_array_equal(decoded(Image.fromarray(values), kind)[..., 1], values >> spare)


@pytest.mark.parametrize("kind", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_fewer_bits_in_colours_of_16(kind, bits):
    import cv2

    colours = np.random.default_rng(0).integers(0, 2**bits, (31, 17, 3)).astype(np.uint16)
    colours[0, 0] = 2**bits - 1
    content = cv2.imencode(kind, colours[..., ::-1])[1].tobytes()
    # Of a PPM that uses all bits, Pillow rounds.
    rounds = kind == ".ppm" and bits == 16
    np.testing.assert_allclose(decode_picture(content, "x"), colours >> (bits - 8), atol=rounds)


@pytest.mark.parametrize("kind", [".png", ".tiff"])
def test_transparency_of_12_bits_in_colours_of_16(kind):
    import cv2

    colours = np.random.default_rng(0).integers(0, 4096, (30, 40, 4)).astype(np.uint16)
    for most in (4095, 65535):
        colours[..., 3] = most
        colours[:12, :20, 3] = 0
        content = cv2.imencode(kind, colours[..., [2, 1, 0, 3]])[1].tobytes()
        picture = decode_picture(content, "x")
        np.testing.assert_array_equal(picture[12:], colours[12:, :, :3] >> 4)
        np.testing.assert_array_equal(picture[:12, :20], 255)


def test_a_picture_of_16_bits_is_turned_as_the_camera_noted():
    import cv2

    colours = np.random.default_rng(0).integers(0, 4096, (30, 40, 3)).astype(np.uint16)
    colours[0, 0] = 4095
    content = cv2.imencode(".png", colours[..., ::-1])[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    end = content.index(b"IDAT") - 4
    about = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(about)) + b"eXIf" + about + struct.pack(">I", zlib.crc32(b"eXIf" + about))
    picture = decode_picture(content[:end] + chunk + content[end:], "x")
    np.testing.assert_array_equal(picture, np.rot90(colours >> 4, -1))


@pytest.mark.parametrize("bits", [12, 16])
def test_16_bits_of_pgm(bits):
    values = np.linspace(0, 2**bits - 1, 1024).astype(np.uint16).reshape(32, 32)
    content = b"P5 32 32 %d\n" % (2**bits - 1) + values.astype(">u2").tobytes()
    # Pillow spreads values of fewer bits over 16, which rounds.
    got = decode_picture(content, "x").astype(int)
    assert np.abs(got - (values >> (bits - 8))[..., None]).max() <= 1


def test_16_bits_of_colour():
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    # Pillow cannot write it: two pixels, red 0x1234 and 0xFF00.
    rows = b"\0" + struct.pack(">6H", 0x1234, 0x8000, 0, 0xFF00, 0, 0x0100)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(decode_picture(png, "x"), [[[0x12, 0x80, 0], [0xFF, 0, 1]]])


def test_32_bits_are_refused():
    with pytest.raises(DataError, match="x: pixels of 32 bits"):
        decoded(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF")
