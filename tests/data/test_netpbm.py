"""Netpbm, in bytes and in text: the pixels that Pillow reads, and what is wrong in one."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ferkit.data.picture_files import decode_picture, register_readers
from ferkit.errors import DataError


def netpbm(magic, values, maximum):
    """`values` (H, W) or (H, W, 3) as a file of two bytes a value, or of one, or as text with comments."""
    head = b"%s\n# made here\n%d %d\n%d\n" % (magic, *values.shape[1::-1], maximum)
    if magic in (b"P5", b"P6"):
        return head + values.astype(">u2" if maximum > 255 else np.uint8).tobytes()
    lines = [b" ".join(b"%d" % value for value in row.ravel()) for row in values]
    return head + b"\n# another row\n\t".join(lines)


@pytest.mark.parametrize("magic", [b"P2", b"P3", b"P5", b"P6"])
@pytest.mark.parametrize("maximum", [1, 100, 255, 1000, 4095, 65535])
def test_netpbm_has_the_pixels_that_pillow_reads(magic, maximum, monkeypatch):
    from PIL import PpmImagePlugin

    shape = (300, 400, 3) if magic in (b"P3", b"P6") else (300, 400)
    values = np.random.default_rng(0).integers(0, maximum + 1, shape)
    content = netpbm(magic, values, maximum)
    register_readers()
    got = np.asarray(Image.open(BytesIO(content)))
    monkeypatch.setitem(Image.DECODERS, "ppm", PpmImagePlugin.PpmDecoder)
    monkeypatch.setitem(Image.DECODERS, "ppm_plain", PpmImagePlugin.PpmPlainDecoder)
    np.testing.assert_array_equal(got, np.asarray(Image.open(BytesIO(content))))
    scale = 255 if magic in (b"P3", b"P6") or maximum < 256 else 65_535
    np.testing.assert_array_equal(got, np.rint(values / maximum * scale))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[:-2000], "not enough image data"),
        (lambda text: text + b" x 101", None),
        (lambda text: text + b" 101" + b"9" * 500_000, None),
        (lambda text: text.replace(b" 7 ", b" -7 ", 1), "pixels that are no decimal numbers"),
        (lambda text: text.replace(b" 7 ", b" 101 ", 1), "a value of 101, though the largest is said to be 100"),
        (lambda text: text.replace(b" 7 ", b" 99999999999999999999999 ", 1), "though the largest is said to be 100"),
        (lambda text: text[:-2000] + b"9" * 500_000, "pixels of too many digits"),
    ],
)
def test_what_is_wrong_in_a_netpbm_of_text_is_said(damage, reason):
    values = np.random.default_rng(0).integers(0, 101, (200, 300, 3))
    content = damage(netpbm(b"P3", values, 100))
    if reason is None:
        assert decode_picture(content, "x").shape == values.shape
    else:
        with pytest.raises(DataError, match=f"^x: not a whole picture .*{reason}"):
            decode_picture(content, "x")
