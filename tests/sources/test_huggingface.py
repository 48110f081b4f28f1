"""Parquet files of Hugging Face: pictures in a column, names of classes in the schema."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ferkit.data.labels import SPLITS
from ferkit.data.stored_pictures import StoredPictures
from ferkit.errors import DataError
from ferkit.sources import fingerprint, load, read
from ferkit.sources.describing.recognise import recognise
from ferkit.sources.tables.huggingface import HuggingFaceSettings
from tests.toys.layouts import write_parquet


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two files of train and one of test, and a cache of its own."""
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache/weights"))
    write_parquet(tmp_path / "faces/data/train-00000-of-00002.parquet", 20)
    write_parquet(tmp_path / "faces/data/train-00001-of-00002.parquet", 13)
    write_parquet(tmp_path / "faces/data/test-00000-of-00001.parquet", 6)
    return tmp_path / "faces"


def _settings(root, **settings):
    return HuggingFaceSettings(path=root, image="image", **settings)


def test_pictures_names_and_splits(root):
    faces = load(_settings(root))
    assert faces.classes == ("calm", "sad", "tense")
    assert len(faces) == 39
    # Sorted: the file of test comes first.
    assert [SPLITS[at] for at in faces.split[:6]] == ["PrivateTest"] * 6
    assert [faces.classes[at] for at in faces.label[6:9]] == ["calm", "tense", "sad"]
    assert int(faces.in_split("PublicTest").sum()) == 3
    file = root / "data/train-00001-of-00002.parquet"
    content = pq.read_table(file)["image"][5].as_py()["bytes"]
    with Image.open(io.BytesIO(content)) as opened:
        expected = opened.convert("L").resize((48, 48), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(faces.images[6 + 20 + 5], np.asarray(expected))


def test_streamed_ones_are_unpacked_once_and_are_the_same(root, tmp_path):
    small = load(_settings(root, stream=True))
    assert isinstance(small.images, StoredPictures)
    plain = load(_settings(root))
    np.testing.assert_array_equal(np.asarray(small.images), plain.images)
    np.testing.assert_array_equal(small.split, plain.split)
    stored = sorted((tmp_path / "cache/pictures").iterdir())
    assert [path.suffix for path in stored] == [".npy", ".pictures"] * 3
    before = [path.stat().st_mtime_ns for path in stored]
    assert load(_settings(root, stream=True, side=96, colour="rgb")).images.shape == (39, 96, 96, 3)
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "cache/pictures").iterdir())] == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_picture_is_left_out(root, stream):
    write_parquet(root / "data/train-00001-of-00002.parquet", 13, damaged=1)
    faces, damaged = read(_settings(root, stream=stream))
    assert damaged.row.tolist() == [38]
    assert len(faces) == 38
    with pytest.raises(DataError, match="not a picture"):
        load(_settings(root, stream=stream, maximum_damaged=0))


def test_columns_and_labels_are_named(root):
    with pytest.raises(DataError, match=r"2 columns of pictures, expected one of structs with bytes; .*data\.image"):
        load(HuggingFaceSettings(path=root))
    assert load(_settings(root, label="other")).classes == ("0", "1", "2")
    faces = load(_settings(root, label="other", labels={"0": "happy", "1": "sad", "2": None}))
    assert faces.classes[3] == "happy"
    assert len(faces) < 39
    with pytest.raises(DataError, match=r"data\.columns\.label 'feeling': no such column"):
        load(_settings(root, label="feeling"))


def test_a_folder_of_parquet_files_is_known_and_its_content_counts(root, tmp_path):
    assert recognise(root).source == recognise(root / "data/test-00000-of-00001.parquet").source == "huggingface"
    settings = _settings(root)
    before = fingerprint(settings)
    root.rename(tmp_path / "moved")
    moved = settings.model_copy(update={"path": tmp_path / "moved"})
    assert fingerprint(moved) == before
    write_parquet(tmp_path / "moved/data/test-00000-of-00001.parquet", 6)
    assert fingerprint(moved) != before
    with pytest.raises(DataError, match=r"no \.parquet file there"):
        load(HuggingFaceSettings(path=tmp_path / "cache"))
