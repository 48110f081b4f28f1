"""`ferkit predict` over many pictures: a table that goes on where it was stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ferkit.backbones import BackboneSettings, build_network
from ferkit.cli.commands.predict import predict
from ferkit.cli.writers import JsonWriter
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.prefetch import read_ahead
from ferkit.data.statistics import face_statistics
from ferkit.errors import ConfigError, DataError, FerkitError
from ferkit.inference.batches import predict_pictures
from ferkit.inference.inputs import Source, list_sources, read_list
from ferkit.inference.predictor import Predictor
from ferkit.inference.results import read_face_table
from ferkit.inference.resumable_table import ResumableTable, open_table
from ferkit.inference.stream import Drawings, pictures_of_sources
from ferkit.inference.video import frames_of_video
from ferkit.models.face_model import FaceModel
from tests.detection.test_detection import drawn_faces
from tests.inference.test_video import write_video
from tests.toys.command import forked, forked_script

ROOT = Path(__file__).parents[2]
MADE_WITH = {"model": "a" * 64, "target": "fer", "single": False}


def classify(images):
    """Probabilities that depend on the pixels alone."""
    seen = images.reshape(len(images), -1)[:, : 7 * 300].reshape(len(images), 7, 300).mean(axis=2) + 1
    return (seen / seen.sum(axis=1, keepdims=True)).astype(np.float32)


def save(path, index):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn_faces()[index % 24]).save(path)


@pytest.fixture
def sources(tmp_path):
    """Ten pictures, of which one is broken, with a video between them, and a name that is nothing."""
    for index in range(10):
        save(tmp_path / "faces" / f"{index}.png", index)
    (tmp_path / "faces" / "4.png").write_bytes(b"broken")
    write_video(tmp_path / "clip.avi", [np.repeat(face[..., None], 3, 2) for face in drawn_faces()[:9]], "MJPG")
    names = [f"faces/{index}.png" for index in range(5)]
    names += ["clip.avi", "gone.png", *(f"faces/{index}.png" for index in range(5, 10))]
    return [Source(str(tmp_path / name)) for name in names]


class StoppedError(Exception):
    pass


def make(target, sources, stop_after=None, every=2, restart=False, made_with=MADE_WITH, batch=3):
    """Make the table, with a part for each group; stop after that many pictures."""
    predictor = Predictor(classify, FER_EMOTIONS, detector=None)

    def until_stopped(frames):
        for count, frame in enumerate(frames):
            if count == stop_after:
                raise StoppedError
            yield frame

    with open_table(target, FER_EMOTIONS, made_with, sources, restart=restart) as table:
        for group in predict_pictures(
            until_stopped(pictures_of_sources(sources, every, table.place)), predictor, batch=batch
        ):
            table.add(group)
            table.flush()


# What comes out


def test_the_columns_tell_of_faces_pictures_and_broken_files(tmp_path, sources):
    make(tmp_path / "whole.parquet", sources)
    table = read_face_table(tmp_path / "whole.parquet")
    rows = table.rows.set_index(table.rows["file"].map(lambda name: Path(name).name))
    assert list(rows.index) == [
        *("0.png", "1.png", "2.png", "3.png", "4.png"),
        *["clip.avi"] * 5,
        *("gone.png", "5.png", "6.png", "7.png", "8.png", "9.png"),
    ]
    assert rows.loc["clip.avi", "frame"].tolist() == [0, 2, 4, 6, 8]
    assert rows.loc["clip.avi", "seconds"].tolist() == [0.0, 0.2, 0.4, 0.6, 0.8]
    for name, index in (("3.png", 3), ("9.png", 9)):
        images = drawn_faces()[index : index + 1]
        assert rows.loc[name, list(FER_EMOTIONS)].to_numpy(dtype=float) == pytest.approx(classify(images)[0], abs=1e-6)
        assert rows.loc[name, "emotion"] == FER_EMOTIONS[int(classify(images)[0].argmax())]
        for statistic, value in face_statistics(images).items():
            assert rows.loc[name, statistic] == pytest.approx(value[0])
        assert (rows.loc[name, ["x", "y", "width", "height", "picture_width"]] == [0, 0, 48, 48, 48]).all()
    broken = rows[rows["problem"].notna()]
    assert [problem.rpartition("/")[2] for problem in broken["problem"]] == [
        "4.png: not a picture, expected JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF, BMP or JPEG 2000.",
        "gone.png: no such file.",
    ]
    assert broken.drop(columns=["file", "problem"]).isna().all(axis=None)
    assert (table.target, table.made_with) == ("fer", MADE_WITH)
    assert (len(table.faces), table.probabilities.shape, len(table.pictures)) == (14, (14, 7), 14)


def test_csv_has_the_same_rows(tmp_path, sources):
    make(tmp_path / "whole.parquet", sources)
    make(tmp_path / "whole.csv", sources)
    csv, parquet = (read_face_table(tmp_path / f"whole.{suffix}") for suffix in ("csv", "parquet"))
    pd.testing.assert_frame_equal(csv.rows, parquet.rows, check_dtype=False, atol=6e-5)
    first = (tmp_path / "whole.csv").read_text().splitlines()[1]
    assert first.split(",")[3:9] == ["48", "48", "0", "0", "0", "48"]
    assert (csv.target, csv.made_with) == ("fer", {})


def test_many_rows_are_put_together_in_groups_that_do_not_depend_on_the_parts(tmp_path, sources, monkeypatch):
    monkeypatch.setattr("ferkit.inference.part_files._GROUP_ROWS", 4)
    for batch in (1, 3):
        make(tmp_path / f"{batch}.parquet", sources, batch=batch)
    file = pq.ParquetFile(tmp_path / "1.parquet")
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [4, 4, 4, 4]
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()


def test_nothing_to_look_at_is_an_empty_table(tmp_path):
    make(tmp_path / "whole.parquet", [])
    assert len(read_face_table(tmp_path / "whole.parquet").rows) == 0


# Going on


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_work_that_is_stopped_anywhere_ends_with_the_same_bytes(tmp_path, sources, suffix):
    make(tmp_path / f"whole{suffix}", sources)
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    for stop_after in range(16):
        target = tmp_path / f"{stop_after}{suffix}"
        with pytest.raises(StoppedError):
            make(target, sources, stop_after)
        assert not target.exists()
        make(target, sources)
        assert target.read_bytes() == whole
        assert not target.with_name(f"{target.name}.partial").exists()


def test_work_that_is_stopped_again_and_again(tmp_path, sources):
    make(tmp_path / "whole.parquet", sources)
    stops = 0
    while not (tmp_path / "again.parquet").exists() and stops < 20:
        stops += 1
        try:
            make(tmp_path / "again.parquet", sources, stop_after=3)
        except StoppedError:
            continue
    assert stops > 3
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_what_is_done_is_not_read_again(tmp_path, sources):
    with pytest.raises(StoppedError):
        make(tmp_path / "a.parquet", sources, stop_after=12)
    place = place_of(tmp_path / "a.parquet", sources)
    assert place == (8, 0)
    # Everything before is passed over, the video too.
    for source in (source for source in sources[:8] if source.path.exists()):
        times = source.path.stat()
        source.path.write_bytes(b"x" * times.st_size)
        os.utime(source.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    make(tmp_path / "a.parquet", sources)
    assert read_face_table(tmp_path / "a.parquet").rows["problem"].notna().sum() == 2


def place_of(target, sources):
    with (
        pytest.raises(StoppedError),
        open_table(target, FER_EMOTIONS, MADE_WITH, sources, restart=False) as table,
    ):
        raise StoppedError
    return table.place


def test_an_interruption_between_the_part_and_its_account_writes_no_row_twice(tmp_path, sources, monkeypatch):
    make(tmp_path / "whole.parquet", sources)
    real, calls = ResumableTable.flush, []

    def interrupted(self):
        held = self._held
        real(self)
        calls.append(self.progress.parts)
        if len(calls) == 3:
            # As if the signal had come right after the file was renamed.
            self._held = held
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumableTable, "flush", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a.parquet", sources)
    make(tmp_path / "a.parquet", sources)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "b" * 64}, "begun with model aaaaaaaaaaaa, not bbbbbbbbbbbb. Give the same options"),
        ({"target": "ferplus"}, "begun with target fer, not ferplus. Give"),
        ({"detector": "haar"}, "begun with detector None, not haar. Give"),
    ],
)
def test_other_options_are_refused_and_leave_the_parts(tmp_path, sources, changed, message):
    target = tmp_path / "a.parquet"
    with pytest.raises(StoppedError):
        make(target, sources, stop_after=7)
    with pytest.raises(ConfigError, match=f"a.parquet: {message}") as caught:
        make(target, sources, made_with=MADE_WITH | changed)
    assert "\n" not in str(caught.value)
    make(target, sources)
    make(tmp_path / "whole.parquet", sources)
    assert target.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_pictures_that_changed_are_refused_and_restart_begins_anew(tmp_path, sources):
    target = tmp_path / "a.parquet"
    with pytest.raises(StoppedError):
        make(target, sources, stop_after=7)
    save(sources[1].path, 20)
    with pytest.raises(ConfigError, match="6 pictures are done, and they are not the first ones of those named now"):
        make(target, sources)
    make(target, sources, restart=True)
    make(tmp_path / "whole.parquet", sources)
    assert target.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_pictures_may_come_after_those_that_are_done_and_not_before(tmp_path, sources):
    with pytest.raises(StoppedError):
        make(tmp_path / "a.parquet", sources, stop_after=7)
    save(tmp_path / "new.png", 11)
    with pytest.raises(ConfigError, match="not the first ones"):
        make(tmp_path / "a.parquet", [Source(str(tmp_path / "new.png")), *sources])
    more = [*sources, Source(str(tmp_path / "new.png"))]
    make(tmp_path / "a.parquet", more)
    make(tmp_path / "whole.parquet", more)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_video_that_is_half_done_has_to_be_the_same(tmp_path, sources):
    with pytest.raises(StoppedError):
        make(tmp_path / "a.parquet", sources, stop_after=7)
    assert place_of(tmp_path / "a.parquet", sources) == (5, 1)
    write_video(sources[5].path, [np.zeros((48, 48, 3), np.uint8)] * 9, "MJPG")
    with pytest.raises(ConfigError, match="not the first ones"):
        make(tmp_path / "a.parquet", sources)


def test_a_table_that_is_there_stays_until_the_new_one_is_whole(tmp_path, sources):
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(StoppedError):
        make(target, sources, stop_after=7)
    assert target.read_text() == "old"
    make(target, sources)
    assert target.read_text().startswith("file,frame,seconds,")


def test_two_processes_do_not_make_one_table(tmp_path, sources):
    with (
        open_table(tmp_path / "a.parquet", FER_EMOTIONS, MADE_WITH, sources, restart=False),
        pytest.raises(ConfigError, match=r"a\.parquet: another process is making it"),
    ):
        make(tmp_path / "a.parquet", sources)


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_parts_that_are_damaged_are_told(tmp_path, sources, damage):
    with pytest.raises(StoppedError):
        make(tmp_path / "a.parquet", sources, stop_after=10)
    parts = sorted((tmp_path / "a.parquet.partial").glob("part-*"))
    assert len(parts) == 3
    if damage == "cut":
        parts[-1].write_bytes(parts[-1].read_bytes()[:50])
    else:
        parts[0].unlink()
    with pytest.raises(DataError, match="--restart begins anew"):
        make(tmp_path / "a.parquet", sources)
    make(tmp_path / "a.parquet", sources, restart=True)


# As a process


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """300 faces, a network, and the table that an undisturbed run makes of them."""
    root = tmp_path_factory.mktemp("batch")
    for index in range(300):
        save(root / "faces" / f"{index:03d}.png", index)
    (root / "faces" / "003.png").write_bytes(b"")
    network = build_network(BackboneSettings(name="fernet", width=4, hidden=()), {"fer": 7}, seed=1)
    FaceModel.save(network, "net", "fer", root / "net.keras")
    (root / "list.csv").write_text("file\n" + "".join(f"faces/{index:03d}.png\n" for index in range(300)))
    done = start(root, "whole.parquet")
    assert done.wait(timeout=300) == 1
    assert done.stderr.read() == "ferkit: faces/003.png: an empty file, expected a picture.\n"
    assert done.stdout.read() == "whole.parquet: 299 faces in 299 pictures\n"
    return root


def start(root, to, *options, script=None):
    """The command as a process; `script` runs in place of the one line that calls it."""
    asked = ("predict", "--list", "list.csv", "--no-detect", "--model", "net.keras", "--to", to, *options)
    arguments = forked_script(script, *asked) if script else forked(*asked)
    return subprocess.Popen(
        arguments,
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def held_at(picture):
    """Put a pipe that nobody writes to where a picture is: whoever reads it waits.

    It has to be named: of a folder it is passed over.
    """
    content, times = picture.read_bytes(), picture.stat()
    picture.unlink()
    os.mkfifo(picture)

    def release():
        picture.unlink()
        picture.write_bytes(content)
        os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))

    return release


def test_a_process_that_is_killed_twice_goes_on_twice(work):
    to = work / "killed.parquet"
    parts = work / "killed.parquet.partial"
    releases = [held_at(work / "faces" / f"{index}.png") for index in (140, 290)]
    first = start(work, to.name)
    wait_for(lambda: list(parts.glob("part-*.parquet")), first)
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=300) == 130
    interrupted, stopped = first.stderr.read().splitlines()
    assert interrupted == "ferkit: faces/003.png: an empty file, expected a picture."
    # Whole batches of 32; how many of them it had seen depends on the machine.
    progress = re.fullmatch(rf"ferkit: stopped; {to.name} has (\d+) pictures.*, the same command goes on\.", stopped)
    assert int(progress[1]) < 140
    count = len(list(parts.glob("part-*.parquet")))
    releases[0]()

    second = start(work, to.name)
    wait_for(lambda: len(list(parts.glob("part-*.parquet"))) > count, second)
    second.kill()
    assert second.wait(timeout=300) == -signal.SIGKILL
    assert second.stderr.read().startswith(f"ferkit: {to.name}: goes on after {progress[1]} pictures")
    assert not to.exists()
    releases[1]()

    third = start(work, to.name)
    assert third.wait(timeout=300) == 1
    [goes_on] = third.stderr.read().splitlines()
    assert int(re.search(r"after (\d+) pictures", goes_on)[1]) > int(progress[1])
    assert third.stdout.read() == f"{to.name}: 299 faces in 299 pictures\n"
    assert to.read_bytes() == (work / "whole.parquet").read_bytes()
    assert not parts.exists()


# What TensorFlow does with an interruption while it traces a network for the first batch of another size.
SWALLOWS = """
import os, signal, time
import ferkit.models.face_model
ask = ferkit.models.face_model.forward
def forward(*given):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        return ask(*given)
ferkit.models.face_model.forward = forward
from ferkit.cli.app import main
main()
"""


def test_an_interruption_that_native_code_swallows_is_not_lost(work):
    (work / "swallows.py").write_text(SWALLOWS)
    done = start(work, "lost.parquet", script=work / "swallows.py")
    assert done.wait(timeout=300) == 130
    assert "stopped; lost.parquet has 31 pictures" in done.stderr.read()


def wait_for(condition, process):
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restart": True}, "--restart begins a table anew: give --to FILE.parquet"),
        ({"model": "models:/ferkit"}, "models:/ferkit: no such model, expected vote, default, tiny, FILE.keras"),
        (
            {"model": "nowhere"},
            "nowhere: no such model, expected vote, default, tiny, FILE.keras, a folder",
        ),
        ({"list_file": Path("gone.txt")}, "gone.txt: no such file, expected a list of pictures"),
    ],
)
def test_what_cannot_be_done_is_said_first(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FerkitError, match=f"^{message}"):
        predict(["a.png"], **options)


# Lists


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


# Pieces


def test_frames_of_a_video_from_one_on(tmp_path):
    write_video(tmp_path / "a.avi", [np.full((48, 64, 3), 20 * index, np.uint8) for index in range(9)], "MJPG")
    whole = {frame.index: frame for frame in frames_of_video(tmp_path / "a.avi", every=2)}
    for first in range(10):
        later = list(frames_of_video(tmp_path / "a.avi", every=2, start=first))
        assert [frame.index for frame in later] == [index for index in whole if index >= first]
        for frame in later:
            assert frame.seconds == whole[frame.index].seconds
            assert (frame.picture == whole[frame.index].picture).all()


def test_reading_ahead_keeps_the_order_and_does_not_run_away():
    made = []

    def prepare(item):
        made.append(item)
        return item * 10

    ahead = read_ahead(range(100), prepare, lambda _item: 1, most=5)
    assert [next(ahead), next(ahead)] == [0, 10]
    time.sleep(0.2)
    # Two are taken, five wait, and one more may be in the making.
    assert 7 <= len(made) <= 8
    assert list(ahead) == list(range(20, 1000, 10))
    assert made == list(range(100))


def test_what_goes_wrong_while_reading_ahead_is_told_in_its_place():
    def prepare(item):
        return 1 // (3 - item)

    ahead = read_ahead(range(9), prepare, lambda _item: 1, most=100)
    assert [next(ahead), next(ahead), next(ahead)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_reading_ahead_ends_with_whoever_takes():
    ahead = read_ahead(iter(int, 1), lambda item: item, lambda _item: 1, most=3)
    next(ahead)
    ahead.close()
    end = time.monotonic() + 20
    while any(thread.name == "read-ahead" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_drawings_have_names_of_their_own_whatever_was_drawn_before(tmp_path):
    names = ["a/x.png", "b/x.jpg", "x-2.png", "clip.mp4", "clip-000003.png", "clip.avi"]
    drawings = Drawings(tmp_path, [Source(name) for name in names])
    assert drawings.names == ["x", "x-2", "x-2-2", "clip-2", "clip-000003", "clip-3"]


def test_statistics_tell_light_contrast_and_blur_apart():
    sharp = drawn_faces()
    dark = (sharp * 0.5).astype(np.uint8)
    blurred = np.stack([np.asarray(Image.fromarray(face).resize((16, 16)).resize((48, 48))) for face in sharp])
    of_sharp, of_dark, of_blurred = (face_statistics(images) for images in (sharp, dark, blurred))
    assert of_dark["brightness"] == pytest.approx(of_sharp["brightness"] / 2, abs=1)
    assert of_dark["contrast"] == pytest.approx(of_sharp["contrast"] / 2, abs=1)
    assert of_dark["sharpness"] == pytest.approx(of_sharp["sharpness"], rel=0.1)
    assert (of_blurred["sharpness"] < 0.7 * of_sharp["sharpness"]).all()
    flat = face_statistics(np.full((1, 48, 48), 7, np.uint8))
    assert {name: value.tolist() for name, value in flat.items()} == {
        "brightness": [7], "contrast": [0], "sharpness": [0]
    }  # fmt: skip
    assert all(len(value) == 0 for value in face_statistics(sharp[:0]).values())


def test_the_plan_is_there_to_read(tmp_path, sources):
    with pytest.raises(StoppedError):
        make(tmp_path / "a.parquet", sources, stop_after=7)
    assert json.loads((tmp_path / "a.parquet.partial" / "made_with.json").read_text()) == MADE_WITH


def test_importing_the_command_imports_no_arrow():
    code = (
        "import sys, ferkit.cli.commands.predict; "
        "print([n for n in ('pyarrow.parquet', 'keras', 'cv2', 'PIL') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
