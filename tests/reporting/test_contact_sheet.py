import io

import numpy as np
import pytest
from PIL import Image

from ferkit.errors import DataError
from ferkit.reporting.contact_sheet import contact_sheet, to_png


def numbered(count: int) -> np.ndarray:
    return np.stack([np.full((4, 6), 10 * at, dtype=np.uint8) for at in range(count)])


def test_pictures_stand_in_rows_from_the_top_left():
    sheet = contact_sheet(numbered(5), columns=3, scale=2)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (2 * (8 + 2) + 2, 3 * (12 + 2) + 2)
    assert sheet[2, 2] == 0
    assert sheet[2, 2 + 14] == 10
    assert sheet[2 + 10, 2 + 14] == 40
    assert (sheet[12:, 30:] == 255).all(), "the place of the missing sixth picture is paper"


def test_every_pixel_becomes_a_square():
    picture = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    sheet = contact_sheet(picture, scale=3)
    assert (sheet[2:14, 2:20] == picture[0].repeat(3, 0).repeat(3, 1)).all()


def test_a_caption_is_written_below_its_picture_only():
    bare = contact_sheet(numbered(2), ["", ""], columns=2, scale=4)
    written = contact_sheet(numbered(2), ["", "row 118"], columns=2, scale=4)
    changed = np.argwhere(bare != written)
    assert len(changed) > 20
    assert changed[:, 0].min() >= 2 + 16
    assert changed[:, 1].min() >= 2 + 24 + 2
    assert changed[:, 1].max() < 2 + 24 + 2 + 24, "a long caption is cut"


def test_no_pictures_give_an_empty_sheet():
    sheet = contact_sheet(np.empty((0, 48, 48), np.uint8))
    assert sheet.size > 0
    assert (sheet == 255).all()


def test_a_png_holds_the_sheet():
    sheet = contact_sheet(numbered(3))
    assert (np.asarray(Image.open(io.BytesIO(to_png(sheet)))) == sheet).all()


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        (np.zeros((4, 6), np.uint8), {}, "expected uint8"),
        (np.zeros((2, 4, 6)), {}, "float64"),
        (numbered(2), {"captions": ["one"]}, "2 pictures with 1 captions"),
        (numbered(2), {"columns": 0}, "0 columns"),
        (numbered(2), {"scale": 0}, "scale 0"),
    ],
)
def test_what_cannot_be_laid_out_is_an_error(images, options, words):
    with pytest.raises(DataError, match=words):
        contact_sheet(images, **options)
