from pathlib import Path

import cv2
import numpy as np
import pytest

from ferkit.detection.loading import load_detector
from ferkit.errors import DataError
from ferkit.inference.video import VIDEO_SUFFIXES, frames_of_video, frames_of_webcam
from tests.detection.test_detection import drawn_faces, scene


def write_video(path, pictures, code="mp4v", rate=10.0):
    """A real video of RGB pictures of one size."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), rate, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def greys(count):
    return [np.full((48, 64, 3), 10 * index, dtype=np.uint8) for index in range(count)]


@pytest.mark.parametrize(("name", "code"), [("clip.mp4", "mp4v"), ("clip.avi", "MJPG")])
def test_frames_come_in_order_with_their_time(tmp_path, name, code):
    write_video(tmp_path / name, greys(12), code)
    frames = list(frames_of_video(tmp_path / name))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([index / 10 for index in range(12)], abs=0.002)
    for frame in frames:
        assert frame.picture.shape == (48, 64, 3)
        assert frame.picture.dtype == np.uint8
        assert abs(frame.picture.mean() - 10 * frame.index) < 4


def test_every_nth_frame(tmp_path):
    write_video(tmp_path / "clip.mp4", greys(12))
    frames = list(frames_of_video(tmp_path / "clip.mp4", every=5))
    assert [(frame.index, frame.seconds) for frame in frames] == [(0, 0.0), (5, 0.5), (10, 1.0)]
    assert abs(frames[1].picture.mean() - 50) < 4


def test_frames_are_red_first(tmp_path):
    red = np.zeros((48, 64, 3), dtype=np.uint8)
    red[..., 0] = 250
    write_video(tmp_path / "clip.mp4", [red] * 3)
    for frame in frames_of_video(tmp_path / "clip.mp4"):
        assert frame.picture[..., 0].mean() > 200
        assert frame.picture[..., 2].mean() < 40


def test_a_face_in_a_video_is_found(tmp_path):
    moving = [scene((drawn_faces()[0], x, 240, 200, 0)) for x in (200, 300, 400)]
    write_video(tmp_path / "clip.avi", moving, "MJPG")
    found = [load_detector("blazeface").detect(frame.picture) for frame in frames_of_video(tmp_path / "clip.avi")]
    assert [len(faces) for faces in found] == [1, 1, 1]
    lefts = [faces[0].box[0] for faces in found]
    assert np.diff(lefts) == pytest.approx([100, 100], abs=15)


def test_a_video_that_is_left_early_is_closed(tmp_path):
    write_video(tmp_path / "clip.mp4", greys(12))
    frames = frames_of_video(tmp_path / "clip.mp4")
    assert next(frames).index == 0
    frames.close()
    assert list(frames) == []


def test_what_is_no_video(tmp_path):
    (tmp_path / "notes.mp4").write_text("buy milk")
    with pytest.raises(DataError, match=r"notes\.mp4: not a video that can be read"):
        list(frames_of_video(tmp_path / "notes.mp4"))
    write_video(tmp_path / "clip.mp4", greys(12))
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes()[:300])
    with pytest.raises(DataError, match=r"cut\.mp4: not a video that can be read"):
        list(frames_of_video(tmp_path / "cut.mp4"))
    with pytest.raises(DataError, match=r"gone\.mp4: no such file"):
        list(frames_of_video(tmp_path / "gone.mp4"))


def read_until_error(path):
    """The frames that come, and what is said behind the last one."""
    frames = []
    with pytest.raises(DataError) as caught:
        # Those that came before the error stay.
        frames.extend(frames_of_video(path))
    return frames, str(caught.value)


def test_frames_behind_a_damaged_one_are_read(cases):
    frames, message = read_until_error(cases / "bad_middle.mp4")
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.4, 1.6, 1.8, 2.0, 2.2])
    assert message.endswith("bad_middle.mp4: 10 frames of 12 could be read; the file is damaged, or cut short.")


def test_a_video_that_was_cut_says_so(cases, tmp_path):
    frames, message = read_until_error(cases / "cut60.mp4")
    assert len(frames) == 6
    assert "6 frames of 12 could be read" in message
    noise = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "clip.mkv", list(noise), "mp4v")
    content = (tmp_path / "clip.mkv").read_bytes()
    (tmp_path / "clip.mkv").write_bytes(content[: len(content) * 2 // 3])
    frames, message = read_until_error(tmp_path / "clip.mkv")
    assert 3 < len(frames) < 12
    assert "clip.mkv: " in message


def test_a_video_of_a_telephone(cases):
    assert len(list(frames_of_video(cases / "x.3gp"))) == 12


@pytest.mark.parametrize(
    ("name", "code"),
    [("12:30 talk.mp4", "mp4v"), ("a.mkv", "mp4v"), ("a.ts", "mp4v"), ("a.flv", "FLV1"), ("a.asf", "WMV2")],
)
def test_kinds_and_names_of_videos(tmp_path, name, code, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / name, greys(12), code)
    assert Path(name).suffix in VIDEO_SUFFIXES
    assert len(list(frames_of_video(Path(name)))) == 12


def test_a_webcam_that_is_not_there():
    with pytest.raises(DataError, match="webcam 97: there is none"):
        list(frames_of_webcam(97))


def test_suffixes_are_written_as_they_are_compared():
    assert all(suffix == suffix.lower() == Path(f"a{suffix}").suffix for suffix in VIDEO_SUFFIXES)


def test_frames_of_a_video_from_one_on(tmp_path):
    write_video(tmp_path / "a.avi", [np.full((48, 64, 3), 20 * index, np.uint8) for index in range(9)], "MJPG")
    whole = {frame.index: frame for frame in frames_of_video(tmp_path / "a.avi", every=2)}
    for first in range(10):
        later = list(frames_of_video(tmp_path / "a.avi", every=2, start=first))
        assert [frame.index for frame in later] == [index for index in whole if index >= first]
        for frame in later:
            assert frame.seconds == whole[frame.index].seconds
            assert (frame.picture == whole[frame.index].picture).all()
