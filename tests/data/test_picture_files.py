"""Reading pictures: each format, upright, in RGB, on white, and what is no picture."""

import numpy as np
import pytest
from PIL import Image

from ferkit.data.folder_search import find_files
from ferkit.data.picture_files import FORMATS, SUFFIXES, decode_picture, read_picture
from ferkit.errors import DataError
from tests.data.encoded_pictures import decoded, pattern
from tests.toys.pictures import encoded


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_formats_that_lose_nothing(kind):
    np.testing.assert_array_equal(decoded(Image.fromarray(pattern()), kind), pattern())


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000", "WEBP", "AVIF", "HEIF"])
def test_formats_that_lose_a_little(kind):
    # That option is one of all but JPEG 2000, which loses nothing without any.
    options = {} if kind == "JPEG2000" else {"quality": 95}
    got = decoded(Image.fromarray(pattern()), kind, **options)
    assert got.shape == (24, 40, 3)
    assert np.abs(got[3:9, 3:17].mean(axis=(0, 1)) - [255, 0, 0]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_s_orientation_is_followed(orientation, tmp_path):
    # What a viewer does to the stored picture, from the EXIF standard.
    upright = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, -1),
        7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
        8: np.rot90,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "turned.png").write_bytes(encoded(Image.fromarray(pattern()), exif=exif))
    np.testing.assert_array_equal(read_picture(tmp_path / "turned.png"), upright(pattern()))


def test_cmyk():
    got = decoded(Image.fromarray(pattern()).convert("CMYK"), "TIFF")
    np.testing.assert_array_equal(got, pattern())
    assert decoded(Image.fromarray(pattern()).convert("CMYK"), "JPEG", quality=95)[4, 4, 0] > 220


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_becomes_three_equal_channels(mode):
    grey = Image.fromarray(pattern()[..., 0]).convert(mode)
    np.testing.assert_array_equal(decoded(grey), np.repeat(np.asarray(grey.convert("L"))[..., None], 3, axis=2))


def test_transparent_parts_are_white():
    alpha = np.full((24, 40), 255, dtype=np.uint8)
    alpha[:12, :20] = 0
    expected = pattern()
    expected[:12, :20] = 255
    np.testing.assert_array_equal(decoded(Image.fromarray(np.dstack([pattern(), alpha]))), expected)
    grey = Image.fromarray(np.dstack([pattern()[..., 2], alpha]), "LA")
    np.testing.assert_array_equal(decoded(grey)[:12, :20], 255)
    np.testing.assert_array_equal(decoded(grey)[12:, 20:], 60)


def test_a_palette_with_a_transparent_colour():
    palette = Image.fromarray(pattern()).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    expected = pattern()
    expected[:12, :20] = 255
    for kind in ("PNG", "GIF"):
        np.testing.assert_array_equal(decoded(palette, kind, transparency=palette.getpixel((0, 0))), expected)


def test_an_animation_shows_its_first_frame():
    frames = [Image.fromarray(np.full((8, 8, 3), value, dtype=np.uint8)) for value in (200, 10, 90)]
    for kind in ("GIF", "WEBP"):
        got = decoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(got.astype(int) - 200).max() <= 3


def test_every_name_of_a_known_format_is_known():
    names = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    # Floating point, of which nobody knows the range.
    assert set(SUFFIXES) == names - {".pfm"}
    assert list(SUFFIXES) == sorted(SUFFIXES)


def test_what_is_no_picture(tmp_path):
    (tmp_path / "notes.txt").write_text("buy milk")
    with pytest.raises(DataError, match=r"notes\.txt: not a picture, expected JPEG, PNG"):
        read_picture(tmp_path / "notes.txt")
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"empty\.png: an empty file"):
        read_picture(tmp_path / "empty.png")
    with pytest.raises(DataError, match=r"gone\.png: no such file"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_picture(tmp_path)


def test_formats_that_run_other_programs_are_not_opened():
    with pytest.raises(DataError, match="x: not a picture"):
        decode_picture(encoded(Image.fromarray(pattern()), "EPS"), "x")


def test_pictures_of_a_folder(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.webp", ".hidden.png", ".cache/d.png", "notes.txt", "clip.mp4", "d.jpe"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path, SUFFIXES).files] == [
        "a.png",
        "b.JPG",
        "d.jpe",
        "deep/er/c.webp",
    ]


def test_large_pictures_are_converted_in_strips():
    noise = np.random.default_rng(0).integers(0, 256, (700, 1600, 4), dtype=np.uint8)
    expected = Image.alpha_composite(Image.new("RGBA", (1600, 700), "white"), Image.fromarray(noise)).convert("RGB")
    np.testing.assert_array_equal(decoded(Image.fromarray(noise)), np.asarray(expected))
