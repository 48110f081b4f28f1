"""Pictures in colour, of classes of their own, that stay in tar shards, through the whole pipeline and into use.

The `ferkit` command, real ZenML and MLflow stores.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.serving.model.live_model import LiveModel
from ferkit.sources import FolderSettings, load
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from materializers.pictures import placed_hash, with_images, without_images
from tests.toys.browser import SMILES, drawn, draws_the_answer, needs_browser, opened_browser, served_here, visits
from tests.toys.checkout import SMALL, Checkout
from tests.toys.registry import registry_at
from tests.toys.state import prepared_home

PARTS = ("train", "validation", "test")
# What people called their folders, one for each of FER's emotions.
MOODS = ("cross", "cross", "startled", "glad", "low", "startled", "at ease")
CLASSES = ("at ease", "cross", "glad", "low", "startled")


def write_folder(root, count=200, seed=0, names=FER_EMOTIONS, side=48):
    """Drawn faces as files, in folders a split and a class; of another side than 48 pixels, in colour."""
    faces = generate(SyntheticSettings(count=count, seed=seed)).faces
    for at in range(len(faces)):
        folder = root / PARTS[faces.split[at]] / names[faces.label[at]]
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(faces.images[at])
        if side != 48:
            picture = Image.merge("RGB", [picture, picture, picture.point(lambda grey: grey // 2)]).resize((side, side))
        picture.save(folder / f"{faces.row[at]:05d}.png")
    return faces


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    prepared_home(made.home)
    write_folder(made.root / "pictures", names=MOODS, side=112)
    sharded = made.ferkit("data", "shard", "pictures", "shards", "--pictures", "100")
    assert sharded.returncode == 0, sharded.stderr
    assert "shards: 200 pictures in 4 shards" in sharded.stdout
    return made


STREAMED = (
    *("--set", "data={source: shards, path: shards, side: 96, colour: rgb}"),
    *("--set", "targets=[{name: mood}]"),
    *("--set", f"backbones=[{{{SMALL}, alias: a}}, {{{SMALL}, alias: s, teacher: ensemble}}]"),
    *("--set", "balancing.method=weighted_sampling"),
    *("--set", "registry.promote=true"),
    *("--set", "registry.gate.floors={accuracy: 0, macro_f1: 0, recall: 0, expected_calibration_error: 1}"),
)
CHAMPION = "models:/ferkit@champion"


def test_every_step_runs_on_a_streamed_source_and_nothing_stores_its_pixels(checkout):
    steps = checkout.run(*STREAMED)
    assert set(steps) >= {
        "ingest", "validate", "drop_non_faces", "oversample_mood", "fine_tune_mood_a", "predict_public_mood_a",
        "ensemble_mood", "predict_training_mood_a", "teach_mood", "distil_mood", "fine_tune_mood_s",
        "evaluate_mood_a", "report", "register", "promote",
    }  # fmt: skip
    for subset in ("PublicTest", "PrivateTest", "no duplicates"):
        assert subset in checkout.output
    stored = [
        path for path in (checkout.home / "artifacts").rglob("*.npz") if path.name in ("faces.npz", "training_set.npz")
    ]
    assert len(stored) >= 5
    # 200 pictures have 5,529,600 values; what is known of each without them takes some hundred bytes.
    assert max(path.stat().st_size for path in stored) < 80_000


def test_a_second_run_takes_everything_from_the_cache_but_the_gate(checkout):
    assert checkout.run(*STREAMED) == ["promote"], "the champion may have changed"


def test_the_champion_reads_pictures_and_a_batch_is_held_against_what_it_learned(checkout):
    pictures = checkout.root / "seen"
    write_folder(pictures, seed=5, names=MOODS, side=130)
    options = ("--no-detect", "--model", CHAMPION, "--to", "faces.parquet", "--draw", "drawn")
    done = checkout.ferkit("predict", "seen/train/glad", "seen/train/low", *options)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(checkout.root / "faces.parquet")
    assert len(table) >= 10
    np.testing.assert_allclose(table[list(CLASSES)].sum(axis=1), 1, atol=0.01)
    assert set(table.emotion) <= set(CLASSES)
    assert len(list((checkout.root / "drawn").rglob("*.jpg"))) == len(table)
    done = checkout.ferkit("drift", "faces.parquet", "--against", CHAMPION)
    assert done.returncode == 0, done.stderr
    assert re.search(r"answers to \d+ of PublicTest", done.stdout)
    assert "at ease" in done.stdout
    done = checkout.ferkit("predict", "seen", "--model", CHAMPION, "--target", "fer")
    assert done.returncode == 1
    assert "target 'fer': this bundle answers for mood" in done.stderr


@needs_browser
def test_the_page_draws_what_predict_says(checkout, tmp_path):
    drawn(SMILES).save(checkout.root / "one.png")
    done = checkout.ferkit("predict", "one.png", "--model", CHAMPION, "--to", "one.csv")
    assert done.returncode == 0, done.stderr
    with registry_at(f"sqlite:///{checkout.home / 'mlflow.db'}"):
        model = LiveModel(tmp_path)
        model.check_registry()
    with served_here(model) as address, opened_browser() as browser, visits(browser) as visit:
        seen = visit(address, reduced_motion="reduce")
        answer = pd.read_csv(checkout.root / "one.csv").iloc[0]
        draws_the_answer(seen, checkout.root / "one.png", "ferkit version 1", CLASSES, answer)


def test_the_champion_is_exported_as_files_that_say_the_same(checkout):
    options = ("--precision", "float32", "--data", checkout.config, "--compared", "30", "--to", "exported")
    done = checkout.ferkit("export", CHAMPION, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(next((checkout.root / "exported").glob("*.parity.json")).read_text())
    assert report["classes"] == {"mood": list(CLASSES)}
    assert report["input"] == {"size": 96, "colour": True}
    assert {each["format"] for each in report["files"]} == {"onnx", "litert"}
    assert max(each["agreements"]["mood"]["largest"] for each in report["files"]) < 1e-3


def test_what_is_stored_is_where_pictures_lie_and_is_another_once_they_moved(tmp_path):
    write_folder(tmp_path / "here")
    here = load(FolderSettings(path=tmp_path / "here", stream=True))
    names = ("images", "label", "split", "row", "votes")
    stored = without_images({name: getattr(here, name) for name in names})
    assert all(isinstance(array, np.ndarray) for array in stored.values() if array is not None)
    again = FaceDataset(**with_images(stored))
    np.testing.assert_array_equal(np.asarray(again.images), np.asarray(here.images))
    assert placed_hash(again) == placed_hash(here)
    (tmp_path / "here").rename(tmp_path / "there")
    there = load(FolderSettings(path=tmp_path / "there", stream=True))
    assert there.content_hash() == here.content_hash()
    assert placed_hash(there) != placed_hash(here)
    memory = load(FolderSettings(path=tmp_path / "there"))
    assert placed_hash(memory) == memory.content_hash()


def test_what_cannot_be_streamed_is_a_line(checkout):
    done = checkout.ferkit("run", checkout.config, *STREAMED, "--set", "balancing.method=smote", "--check")
    assert done.returncode == 1
    assert "balancing.method smote makes pictures in memory" in done.stderr
    assert "Traceback" not in done.stderr
