import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from ferkit.data import limited_process
from ferkit.data.folder_search import find_files
from ferkit.data.formats.av1_size import coded_sizes
from ferkit.data.formats.jpeg_scans import count_scans
from ferkit.data.limited_process import limits_of
from ferkit.data.picture_files import (
    FORMATS,
    SUFFIXES,
    PictureHead,
    decode_here,
    decode_picture,
    inspect_picture,
    read_picture,
    register_readers,
)
from ferkit.errors import DataError, TooCostlyError, TooLargeError

# It writes HEIC, too.
register_heif_opener()


def pattern(width=40, height=24):
    """A picture (H, W, 3) whose corners differ: red, green, blue, dark grey."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2] = 255, 0, 0
    picture[: height // 2, width // 2 :] = 0, 255, 0
    picture[height // 2 :, : width // 2] = 0, 0, 255
    picture[height // 2 :, width // 2 :] = 60
    return picture


def encoded(image, kind="PNG", **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(image, kind="PNG", **options):
    return decode_picture(encoded(image, kind, **options), "x")


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


def test_large_pictures_are_converted_in_strips():
    noise = np.random.default_rng(0).integers(0, 256, (700, 1600, 4), dtype=np.uint8)
    expected = Image.alpha_composite(Image.new("RGBA", (1600, 700), "white"), Image.fromarray(noise)).convert("RGB")
    np.testing.assert_array_equal(decoded(Image.fromarray(noise)), np.asarray(expected))
