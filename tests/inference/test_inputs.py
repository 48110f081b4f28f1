"""What pictures a command is given: lists, folders, files of any kind."""

import json
import os
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from ferkit.cli.writers import JsonWriter
from ferkit.data.labels import FER_EMOTIONS
from ferkit.errors import DataError
from ferkit.inference.batches import predict_pictures
from ferkit.inference.inputs import list_sources, read_list
from ferkit.inference.predictor import Predictor
from ferkit.inference.results import read_face_table
from ferkit.inference.stream import pictures_of_sources
from tests.inference.test_resumable_table import classify, make, save


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "b.png\n\n  a b.png \r\nb.png\n"),
        ("list.txt", "\ufeffb.png\na b.png"),
        ("list.csv", "size,file\n1,b.png\n2,a b.png\n3,b.png\n4,\n"),
        ("LIST.CSV", '\ufefffile,size\n"b.png",1\na b.png\n'),
    ],
)
def test_lists_name_each_picture_once_in_order(tmp_path, name, text):
    (tmp_path / name).write_text(text, newline="")
    assert read_list(tmp_path / name) == ["b.png", "a b.png"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\n \n", "names no picture"),
        ("a.txt", b"\xff\xfe\x00", "not a list of pictures, expected text in UTF-8"),
        ("a.csv", b"path,size\nb.png,1\n", "no column 'file', found path, size; a list as plain text ends with .txt"),
        ("a.csv", b"", "no column 'file', found none"),
    ],
)
def test_what_is_no_list(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: {message}"):
        read_list(tmp_path / name)


def test_folders_are_taken_apart_and_an_empty_one_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "b" / "2.png", 0)
    save(tmp_path / "b" / "a" / "1.png", 0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "b" / "clip.3gp").touch()
    (tmp_path / "b" / "notes.txt").touch()
    listed = list_sources(["z.png", "b", "empty", "talk.MP4"])
    assert listed.passed_over == {".txt": 1}
    found = listed.sources
    assert [source.name for source in found] == ["z.png", "b/2.png", "b/a/1.png", "b/clip.3gp", "empty", "talk.MP4"]
    assert [source.is_video for source in found] == [False, False, False, True, False, True]
    assert found[4].problem.startswith("empty: no picture in this folder")


def test_names_that_are_no_utf8_are_written_escaped(tmp_path):
    good, bad = (os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/caf\xe9.png", b"/b\xff.png"))
    save(Path(good), 0)
    Path(bad).write_bytes(b"x")
    sources = list_sources([str(tmp_path)]).sources
    for suffix in ("parquet", "csv"):
        make(tmp_path / f"whole.{suffix}", sources)
        rows = read_face_table(tmp_path / f"whole.{suffix}").rows
        assert [name.rpartition("/")[2] for name in rows["file"]] == [r"b\xff.png", r"caf\xe9.png"]
        assert rows["problem"][0].startswith(rf"{tmp_path}/b\xff.png: not a picture")
    [group] = predict_pictures(pictures_of_sources(sources, 1), Predictor(classify, FER_EMOTIONS, detector=None))
    for encoding in ("ascii", "utf-8"):
        stream = TextIOWrapper(BytesIO(), encoding=encoding)
        with JsonWriter(stream, FER_EMOTIONS) as writer:
            writer.write(replace(group[1].finding, file="gr\u00fcn \U0001f600"))
            writer.write(group[1].finding)
        stream.seek(0)
        assert [each["file"] for each in json.load(stream)] == ["gr\u00fcn \U0001f600", rf"{tmp_path}/caf\xe9.png"]


def test_all_of_a_mixed_folder_is_read(cases, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "linked").symlink_to(cases / "mixed_folder")
    listed = list_sources([str(tmp_path / "photos")])
    frames = list(pictures_of_sources(listed.sources, every=1000))
    assert [Path(frame.file).name for frame in frames] == ["IMG_1.HEIC", "clip.mp4", "ok.jpg", "scan.jp2"]
    assert all(frame.picture is not None for frame in frames)
