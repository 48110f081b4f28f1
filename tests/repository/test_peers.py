"""What compares ferkit's models with other packages."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
from tests.toys.benchmarks import run

# isort: split
# Not before tests.toys.benchmarks, which says where it is.
from peers import compare as peers


def test_labels_of_peers_become_those_of_fer() -> None:
    classes = ["neutral", "happiness", "sadness", "anger", "fearful", "disgusted", "surprised", "contempt"]
    said = peers.to_fer([[0.1, 0.2, 0.05, 0.05, 0.04, 0.03, 0.03, 0.5]], classes)
    assert said == pytest.approx(np.array([[0.1, 0.06, 0.08, 0.4, 0.1, 0.06, 0.2]]), abs=1e-6)


@pytest.mark.parametrize(
    ("classes", "match"),
    [(["boredom", *FER_EMOTIONS], "boredom"), (list(FER_EMOTIONS[1:]), "expected the seven")],
)
def test_labels_that_mean_something_else_are_refused(classes: list[str], match: str) -> None:
    with pytest.raises(peers.PeerError, match=match):
        peers.to_fer(np.ones((1, len(classes))), classes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a fer2013.csv of noise, 35 pictures of PrivateTest, one of which is in Training, too."""
    folder = tmp_path / "data"
    folder.mkdir()
    pictures = np.random.default_rng(0).integers(0, 256, (36, 48 * 48))
    pictures[35] = pictures[0]
    with (folder / "fer2013.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for number, picture in enumerate(pictures):
            usage = "PrivateTest" if number < 35 else "Training"
            writer.writerow([number % 7, " ".join(map(str, picture)), usage])
    return folder


@pytest.fixture
def faces(data: Path) -> FaceDataset:
    return load_fer2013(Fer2013Settings(path=data))


RUNNER = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from measure import measure
from pathlib import Path

def predict(pictures):
    # It knows each picture by its first pixel, and always says what {first!r} is.
    assert pictures.shape[1:] == (48, 48) and pictures.dtype == np.uint8 and len(pictures) <= {most}
    return np.eye(7)[[3] * len(pictures)]

measure({classes!r}, [Path(__file__)], predict, batches={batches})
"""


@pytest.mark.parametrize("batches", [True, False])
def test_a_peer_is_measured_and_judged(batches: bool, faces: FaceDataset, tmp_path: Path) -> None:
    classes = list(FER_EMOTIONS)
    runner = tmp_path / "runner.py"
    most = 64 if batches else 1
    runner.write_text(
        RUNNER.format(folder=str(peers.RUNNERS), classes=classes, batches=batches, most=most, first=classes[3])
    )
    pictures, report = tmp_path / "pictures.npy", tmp_path / "report.json"
    np.save(pictures, faces.of_split("PrivateTest").images)
    done = run(str(runner), str(pictures), str(report))
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    assert len(found["single"]) == 35
    assert len(found["batched"]) == (1 if batches else 0)
    assert found["bytes"] == runner.stat().st_size
    cells = [cell.strip() for cell in peers.line("it", [found], faces, None).split("|")[1:-1]]
    # Five of 35 pictures are happy; without the duplicate, which is angry, five of 34.
    assert cells[0] == "it"
    assert cells[1].startswith("0.1429 (")
    assert cells[3] == "0.1471"
    assert (cells[5] == "-") != batches
    with pytest.raises(peers.PeerError, match="35 answers to 20 pictures"):
        peers.line("it", [found], faces, 20)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_node_runners_read_the_same_pictures(faces: FaceDataset, tmp_path: Path) -> None:
    runner = tmp_path / "runner.mjs"
    runner.write_text(
        f"import {{ measure }} from {str(peers.RUNNERS / 'measure.mjs')!r};\n"
        "const first = (pixels, at) => [pixels[at * 2304], pixels[at * 2304 + 2303], 0, 0, 0, 0, 1];\n"
        "const predict = async (pixels, count) => Array.from({ length: count }, (_, at) => first(pixels, at));\n"
        f"await measure({list(FER_EMOTIONS)!r}, [process.argv[1]], predict);\n"
    )
    images = faces.of_split("PrivateTest").images
    pictures, report = tmp_path / "pictures.npy", tmp_path / "report.json"
    np.save(pictures, images)
    subprocess.run(["node", str(runner), str(pictures), str(report)], check=True)
    found = json.loads(report.read_text())
    said = np.array(found["probabilities"])
    assert np.array_equal(said[:, 0], images[:, 0, 0])
    assert np.array_equal(said[:, 1], images[:, 47, 47])
    assert found["bytes"] == runner.stat().st_size


def test_a_peer_that_cannot_be_installed_is_a_line_that_says_why(data: Path, tmp_path: Path) -> None:
    # No program is found there.
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run(
        "benchmarks/peers/compare.py",
        str(data),
        "--only",
        "face-api",
        "--cache",
        str(tmp_path / "cache"),
        PATH=str(empty),
    )
    assert done.returncode == 0, done.stderr
    assert "face-api 1.7.15 (WASM): npm is not installed" in done.stdout


def test_every_runner_of_a_peer_is_there() -> None:
    for peer in (*peers.PEERS, *peers.OURS):
        assert (peers.RUNNERS / peer.runner).is_file()
        assert all("@" in each.lstrip("@") or "==" in each for each in (*peer.packages, *peer.alone))
