"""`ferkit predict` over many pictures: a table that goes on where it was stopped."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.statistics import face_statistics
from ferkit.errors import ConfigError, DataError
from ferkit.inference.batches import predict_pictures
from ferkit.inference.inputs import Source
from ferkit.inference.predictor import Predictor
from ferkit.inference.results import read_face_table
from ferkit.inference.resumable_table import ResumableTable, open_table
from ferkit.inference.stream import Drawings, pictures_of_sources
from tests.detection.test_detection import drawn_faces
from tests.inference.test_video import write_video

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


def test_drawings_have_names_of_their_own_whatever_was_drawn_before(tmp_path):
    names = ["a/x.png", "b/x.jpg", "x-2.png", "clip.mp4", "clip-000003.png", "clip.avi"]
    drawings = Drawings(tmp_path, [Source(name) for name in names])
    assert drawings.names == ["x", "x-2", "x-2-2", "clip-2", "clip-000003", "clip-3"]


def test_the_plan_is_there_to_read(tmp_path, sources):
    with pytest.raises(StoppedError):
        make(tmp_path / "a.parquet", sources, stop_after=7)
    assert json.loads((tmp_path / "a.parquet.partial" / "made_with.json").read_text()) == MADE_WITH
