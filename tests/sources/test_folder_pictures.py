"""Pictures of image folders: what becomes of each form, of damaged ones, and of links."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from ferkit.data.dataset import SIZE
from ferkit.data.labels import FER_EMOTIONS
from ferkit.errors import DataError
from ferkit.sources.folders import FolderSettings, folder_fingerprint, load_folder, read_folder
from tests.sources.written_pictures import noise, warnings_in, write_picture


def _one(tmp_path: Path, name: str, pixels: np.ndarray, **options: object) -> np.ndarray:
    write_picture(tmp_path / "train/happy" / name, pixels, **options)
    return load_folder(FolderSettings(path=tmp_path)).images[0]


def test_colour_turns_grey(tmp_path):
    pixels = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    pixels[:, :16, 0], pixels[:, 16:32, 1], pixels[:, 32:, 2] = 255, 255, 255
    grey = _one(tmp_path, "a.png", pixels)
    # ITU-R BT.601: .299, .587, .114 of 255.
    assert grey[0, [0, 20, 40]].tolist() == [76, 150, 29]


def test_any_size_becomes_48_by_48(tmp_path):
    pixels = np.repeat(np.linspace(0, 255, 480).astype(np.uint8)[None], 200, axis=0)
    grey = _one(tmp_path, "a.png", pixels)
    assert grey.shape == (SIZE, SIZE)
    assert (np.diff(grey[24].astype(int)) > 0).all()
    assert grey[:, 24].std() == 0


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    eight = noise(5)
    np.testing.assert_array_equal(_one(tmp_path, "a.png", eight.astype(np.uint16) * 256 + 99), eight)


def test_a_camera_turned_on_its_side(tmp_path):
    pixels = np.zeros((SIZE, SIZE), dtype=np.uint8)
    pixels[:24] = 255
    exif = Image.Exif()
    # 0x0112 is Orientation; 6: the top of the scene is the right side of the picture.
    exif[0x0112] = 6
    grey = _one(tmp_path, "a.jpg", pixels, exif=exif, quality=95)
    assert grey[:, 36:].mean() > 250
    assert grey[:, :12].mean() < 5


@pytest.mark.parametrize("name", ["a.jpe", "a.heic", "a.jp2"])
def test_pictures_of_telephones_and_archives(tmp_path, name):
    register_heif_opener()
    pixels = np.full((SIZE, SIZE, 3), 200, dtype=np.uint8)
    assert np.abs(_one(tmp_path, name, pixels).astype(int) - 200).max() <= 3


def test_32_bit_pixels_are_refused(tmp_path):
    write_picture(tmp_path / "train/happy/a.tif", noise(0).astype(np.float32) / 255)
    with pytest.raises(DataError, match=r"a\.tif: pixels of 32 bits"):
        load_folder(FolderSettings(path=tmp_path))


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "an empty file"), (b"not a picture", "not a picture"), ("half", "not a whole picture (")],
    ids=["empty", "text", "truncated"],
)
def test_a_corrupt_picture_is_named(root, content, what):
    path = root / "train/fear/Training_3.png"
    path.write_bytes(path.read_bytes()[:900] if content == "half" else content)
    for stream in (False, True):
        with pytest.raises(DataError) as caught:
            load_folder(FolderSettings(path=root, maximum_damaged=0, stream=stream))
    message = str(caught.value)
    assert message.startswith(f"{path}: {what}")
    assert message.endswith("Mend the file or delete it.")
    assert "\n" not in message
    assert "0x" not in message


@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_picture_is_put_aside_with_its_reason(root, stream, caplog):
    settings = FolderSettings(path=root, stream=stream)
    before = load_folder(settings)
    damaged = root / "train/fear/Training_3.png"
    damaged.write_bytes(damaged.read_bytes()[:900])
    faces, table = read_folder(settings)
    [row] = table.row
    assert table.file.tolist() == [str(damaged)]
    assert table.reason[0].startswith(f"{damaged}: not a whole picture (")
    assert warnings_in(caplog) == [f"quarantined: {table.reason[0]}"]
    assert row not in faces.row
    kept = np.isin(before.row, faces.row)
    assert kept.sum() == len(before) - 1 == len(faces)
    np.testing.assert_array_equal(np.asarray(before.take(kept).images), np.asarray(faces.images))
    np.testing.assert_array_equal(before.label[kept], faces.label)


def test_names_that_are_no_utf8(root):
    for name in (b"caf\xe9.png", b"broken\xff.png"):
        path = Path(os.fsdecode(os.fsencode(root / "train/fear") + b"/" + name))
        write_picture(path.with_name("x.png"), noise(1)).rename(path)
    path.write_bytes(b"x")
    settings = FolderSettings(path=root)
    faces, damaged = read_folder(settings)
    assert len(faces) == 78
    assert damaged.file[0].endswith(r"broken\xff.png")
    assert damaged.to_csv().encode()
    assert folder_fingerprint(settings) == folder_fingerprint(settings)


def test_more_damaged_pictures_than_allowed(root):
    for number in (3, 4):
        (root / f"train/fear/Training_{number}.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"2 of 77 pictures are damaged, expected at most 1: .*Training_3\.png: not a"):
        load_folder(FolderSettings(path=root))
    assert len(load_folder(FolderSettings(path=root, maximum_damaged=0.03))) == 75


def test_a_jpeg_without_its_end_marker_does_not_stop_a_folder(cases, tmp_path):
    (tmp_path / "train/happy").mkdir(parents=True)
    shutil.copy(cases / "no_eoi.jpg", tmp_path / "train/happy")
    assert len(load_folder(FolderSettings(path=tmp_path))) == 1


def test_a_link_to_nothing_is_named(root):
    path = root / "train/fear/gone.png"
    path.symlink_to(root / "nowhere.png")
    for read in (load_folder, folder_fingerprint):
        with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
            read(FolderSettings(path=root))


def test_linked_pictures_are_those_of_the_folder_that_has_the_link(root, tmp_path_factory):
    before = load_folder(FolderSettings(path=root)).content_hash()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "train/happy").rename(elsewhere / "happy")
    (root / "train/happy").symlink_to(elsewhere / "happy")
    (root / "test/sad/PrivateTest_9.png").rename(elsewhere / "a.png")
    (root / "test/sad/PrivateTest_9.png").symlink_to(elsewhere / "a.png")
    assert load_folder(FolderSettings(path=root)).content_hash() == before
    (elsewhere / "happy").rename(elsewhere / "gone")
    with pytest.raises(DataError, match="train/happy: a link to nothing, expected a folder of pictures"):
        load_folder(FolderSettings(path=root))


def test_a_linked_folder_as_it_came(cases, tmp_path):
    subprocess.run(["tar", "-xzf", cases / "layouts" / "dir_k_onelink.tgz", "-C", tmp_path], check=True)
    root = tmp_path / "k_onelink"
    # Where it was packed, it led to pictures.
    with pytest.raises(DataError, match="train/happy: a link to nothing"):
        load_folder(FolderSettings(path=root))
    (root / "train/happy").unlink()
    shutil.copytree(root / "test/happy", tmp_path / "happy")
    (root / "train/happy").symlink_to(tmp_path / "happy")
    faces = load_folder(FolderSettings(path=root))
    assert (faces.label == FER_EMOTIONS.index("happy")).sum() == 2 * len(list((tmp_path / "happy").iterdir())) > 0
