"""`ferkit predict`, as a process, with a network of its own."""

import csv
import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkit.backbones import BackboneSettings, build_network
from ferkit.cli.commands.predict import predict
from ferkit.cli.writers import LineWriter, PredictionReport
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS
from ferkit.data.picture_files import read_picture
from ferkit.detection.base import Face
from ferkit.detection.loading import load_detector
from ferkit.errors import FerkitError
from ferkit.inference.predictor import Predictor
from ferkit.inference.results import Finding
from ferkit.inference.stream import PictureFrame, PictureResult
from ferkit.models.face_model import FaceModel
from tests.cli.test_app import ferkit
from tests.detection.test_detection import drawn_faces, overlap, scene
from tests.inference.test_video import write_video
from tests.toys.command import plain

# What the pictures hold: centre x, centre y, side.
ONE = (320, 240, 220)
TWO = ((150, 240, 180), (450, 240, 230))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures with two, one and no faces, a broken one, a video, a single face, and networks for both targets."""
    root = tmp_path_factory.mktemp("predict")
    (root / "photos" / "more").mkdir(parents=True)
    two = scene(*((drawn_faces()[at], *place, 0) for at, place in enumerate(TWO)))
    one = scene((drawn_faces()[3], *ONE, 0))
    nobody = scene()
    Image.fromarray(two).save(root / "photos" / "two.png")
    Image.fromarray(one).save(root / "photos" / "more" / "one.jpg", quality=95)
    Image.fromarray(nobody).save(root / "photos" / "nobody.png")
    (root / "photos" / "broken.jpg").write_bytes((root / "photos" / "more" / "one.jpg").read_bytes()[:4000])
    (root / "photos" / "notes.txt").touch()
    Image.new("L", (48, 40), 90).save(root / "photos" / "blank.png")
    Image.fromarray(drawn_faces()[5]).save(root / "face.png")
    write_video(root / "clip.mp4", [one] * 3 + [nobody] * 3)
    for target, classes in (("fer", 7), ("ferplus", 8)):
        network = build_network(BackboneSettings(name="fernet", width=4, hidden=()), {target: classes}, seed=1)
        FaceModel.save(network, target, target, root / f"{target}.keras")
    return root


def lines(done):
    return [line for line in done.stderr.splitlines() if line]


def expected(folder, file, target="fer", *, detect=True):
    model = FaceModel(target, target, folder / f"{target}.keras")
    detector = load_detector("blazeface") if detect else None
    return Predictor(model.predict, model.classes, detector).predict(read_picture(folder / file))


def test_a_folder_to_csv_and_drawings(folder, tmp_path):
    to, drawn = tmp_path / "new" / "faces.csv", tmp_path / "drawn"
    done = ferkit(
        "predict", "photos", "gone.png", "--model", "fer.keras", "--to", str(to), "--draw", str(drawn), cwd=folder
    )
    assert done.returncode == 1
    assert [line.partition(" (")[0] for line in lines(done)] == [
        "ferkit: photos/broken.jpg: not a whole picture",
        "ferkit: gone.png: no such file.",
        "ferkit: no face in 1 pictures that are as small as a cut face; if they are faces and nothing else, add "
        "--no-detect.",
        "ferkit: passed over in folders: 1 .txt.",
    ]
    assert f"{to}: 3 faces in 4 pictures" in done.stdout.replace("\n", "")
    with to.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["face"], bool(row["problem"])) for row in rows] == [
        ("photos/blank.png", "", False),
        ("photos/broken.jpg", "", True),
        ("photos/more/one.jpg", "0", False),
        ("photos/nobody.png", "", False),
        ("photos/two.png", "0", False),
        ("photos/two.png", "1", False),
        ("gone.png", "", True),
    ]
    assert set(rows[3].values()) == {"photos/nobody.png", "640", "480", ""}
    for row, place, face in zip(
        [rows[2], rows[4], rows[5]],
        [ONE, TWO[1], TWO[0]],
        [*expected(folder, "photos/more/one.jpg"), *expected(folder, "photos/two.png")],
        strict=True,
    ):
        box = tuple(int(row[name]) for name in ("x", "y", "width", "height"))
        assert overlap(Face(box, 1), *place) > 0.5
        assert box == face.box
        assert row["emotion"] == face.emotion
        assert [float(row[name]) for name in FER_EMOTIONS] == pytest.approx(face.probabilities.tolist(), abs=2e-4)
    assert sorted(path.name for path in drawn.iterdir()) == ["blank.jpg", "nobody.jpg", "one.jpg", "two.jpg"]
    changed = read_picture(drawn / "two.jpg").astype(int) - read_picture(folder / "photos" / "two.png")
    x, y, width, _ = expected(folder, "photos/two.png")[0].box
    assert np.abs(changed[y, x : x + width]).max(axis=1).min() > 40
    assert np.abs(changed[-20:]).max() < 40


def test_a_video_as_json(folder):
    done = ferkit(
        "predict", "clip.mp4", "--every", "2", "--model", "ferplus.keras", "--target", "ferplus", "--json", cwd=folder
    )
    assert (done.returncode, lines(done)) == (0, [])
    shown = json.loads(done.stdout)
    assert [(each["file"], each["frame"], each["seconds"], len(each["faces"])) for each in shown] == [
        ("clip.mp4", 0, 0.0, 1),
        ("clip.mp4", 2, 0.2, 1),
        ("clip.mp4", 4, 0.4, 0),
    ]
    assert (shown[0]["width"], shown[0]["height"]) == (640, 480)
    [face] = shown[0]["faces"]
    assert overlap(Face(tuple(face["box"].values()), 1), *ONE) > 0.5
    assert tuple(face["probabilities"]) == FERPLUS_EMOTIONS
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert face["probabilities"][face["emotion"]] == max(face["probabilities"].values())


def test_lines_for_people(folder):
    done = ferkit("predict", "face.png", "photos/nobody.png", "--no-detect", "--model", "fer.keras", cwd=folder)
    assert (done.returncode, lines(done)) == (0, [])
    heading, face, other = done.stdout.splitlines()
    assert heading.split() == ["picture", "box", "emotion", *FER_EMOTIONS]
    [answer] = expected(folder, "face.png", detect=False)
    assert face.split()[:5] == ["face.png", "48x48", "at", "0,0", answer.emotion]
    assert [float(value) for value in face.split()[5:]] == pytest.approx(answer.probabilities.tolist(), abs=0.006)
    assert other.startswith("photos/nobody.png  640x480 at 0,0")


def test_pictures_without_a_face_that_may_be_cut_faces_are_counted():
    nothing = np.zeros((0, 48, 48), dtype=np.uint8)
    shown = PredictionReport()
    for size, frame in (((48, 48), None), ((256, 200), None), ((640, 640), None), ((200, 100), None), ((48, 48), 3)):
        finding = Finding("x", size, [], nothing, frame=frame)
        shown.add([PictureResult(PictureFrame(0, "x", None, index=frame), finding)])
    assert shown.perhaps_crops == 2


def test_no_face_is_said_and_long_names_keep_their_end():
    stream = StringIO()
    with LineWriter(stream, ("dark", "bright"), longest=100) as writer:
        nothing = np.zeros((0, 48, 48), dtype=np.uint8)
        writer.write(Finding("a/very/long/path/to/some/folder/of/pictures/nobody.png", (9, 9), [], nothing))
        writer.write(Finding("clip.mp4", (9, 9), [], nothing, frame=30, seconds=1.25))
    _, first, second = stream.getvalue().splitlines()
    assert first == "…h/to/some/folder/of/pictures/nobody.png  no face"
    assert second == f"{'clip.mp4 1.25 s':<40}  no face"


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        (None, {}, "nothing to look at: name pictures, folders or videos, or give --list or --webcam."),
        (["face.png"], {"model": "huge"}, "huge: no such model, expected vote, default, tiny, FILE.keras, a folder"),
        (["face.png"], {"model": "models:/ferkit@champion#huge"}, "models:/ferkit@champion#huge: no model 'huge' in a"),
        (["face.png"], {"model": "gone.keras"}, "gone.keras is no .keras archive"),
        (["face.png"], {"model": "fer.keras", "to": "faces.txt"}, "--to faces.txt: expected the name of a file that"),
        (["face.png"], {"model": "fer.keras", "to": "photos"}, "--to photos: expected the name of a file that"),
        (["front"], {"model": "fer.keras", "webcam": True}, "--webcam front: expected the number of a webcam"),
        (["0", "1"], {"model": "fer.keras", "webcam": True}, "--webcam 0 1: expected the number of a webcam"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_read(folder, monkeypatch, pictures, options, message):
    monkeypatch.chdir(folder)
    paths = {name: Path(value) for name, value in options.items() if name == "to"}
    with pytest.raises(FerkitError, match=f"^{re.escape(message)}"):
        predict(pictures, **{**options, **paths})


def test_no_webcam_is_one_line(folder):
    done = ferkit("predict", "--webcam", "97", "--model", "fer.keras", cwd=folder)
    assert done.returncode == 1
    assert lines(done) == [
        "ferkit: webcam 97: there is none, or another program has it; 0 is the first of this machine."
    ]


def test_json_of_no_picture_is_still_json_and_needs_no_folder_of_state(folder):
    nowhere = str(folder / "fer.keras" / "home")
    done = ferkit(
        "predict", "gone.png", "gone", "gone.mp4", "--json", "--model", "fer.keras", cwd=folder, FERKIT_HOME=nowhere
    )
    assert (done.returncode, json.loads(done.stdout)) == (1, [])
    assert lines(done) == [f"ferkit: {name}: no such file." for name in ("gone.png", "gone", "gone.mp4")]


def test_a_reader_that_leaves_is_no_error(folder):
    process = subprocess.Popen(
        plain("predict", *["photos/nobody.png"] * 40, "--model", "fer.keras"),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)


def test_the_command_starts_without_keras(folder):
    code = (
        "import sys, ferkit.cli.app; "
        "print([n for n in ('keras', 'tensorflow', 'cv2', 'PIL', 'zenml') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
