"""Pictures that are cut short or damaged: read where nothing but an end marker is missing, else refused."""

from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from ferkit.data.picture_files import decode_picture, read_picture
from ferkit.errors import DataError
from tests.data.encoded_pictures import pattern
from tests.toys.pictures import encoded


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "HEIF"])
def test_a_file_that_was_cut_short(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    for share in (0.3, 0.7):
        with pytest.raises(DataError, match=r"^holiday\.jpg: not a (whole )?picture"):
            decode_picture(content[: int(len(content) * share)], "holiday.jpg")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_read_with_a_warning(progressive, missing, caplog):
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), "JPEG", progressive=progressive)
    name = f"{progressive} {missing}.jpg"
    np.testing.assert_array_equal(decode_picture(content[:-missing], name), decode_picture(content, name))
    # It is said once, however often the picture is read.
    decode_picture(content[:-missing], name)
    assert caplog.messages == [f"{name}: a JPEG without its end marker; nothing else is missing, and it is read."]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_pixels_is_refused(progressive):
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), "JPEG", progressive=progressive)
    for cut in (content[:-5], content[:-40], content[: len(content) // 2]):
        with pytest.raises(DataError, match="x: not a whole picture"):
            decode_picture(cut, "x")


def test_inputs_that_once_failed(cases):
    same = decode_picture((cases / "no_eoi.jpg").read_bytes() + b"\xff\xd9", "x")
    np.testing.assert_array_equal(read_picture(cases / "no_eoi.jpg"), same)
    assert read_picture(cases / "iphone.heic").shape == read_picture(cases / "mixed_folder/IMG_1.HEIC").shape
    for name in ("g16.pgm", "mixed_folder/scan.jp2"):
        assert 100 < read_picture(cases / name).mean() < 130


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP"])
def test_damage_is_told_or_not_seen(kind):
    rng = np.random.default_rng(1)
    content = encoded(Image.fromarray(pattern()), kind)
    read = 0
    for _ in range(60):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 6):
            damaged[at] = rng.integers(256)
        with suppress(DataError):
            assert decode_picture(bytes(damaged), "x").ndim == 3
            read += 1
    # Any other error would have come through.
    assert read < 60
