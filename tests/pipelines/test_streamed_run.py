"""The whole pipeline on pictures that stay in tar shards: the `ferkit` command, real ZenML and MLflow stores."""

import numpy as np
import pytest
from PIL import Image

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.sources import FolderSettings, load
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from materializers.pictures import placed_hash, with_images, without_images
from tests.pipelines.test_train import SMALL, Checkout

PARTS = ("train", "validation", "test")


def write_folder(root, count=300, seed=0):
    """Drawn faces as files, in folders a split and an emotion."""
    faces = generate(SyntheticSettings(count=count, seed=seed)).faces
    for at in range(len(faces)):
        folder = root / PARTS[faces.split[at]] / FER_EMOTIONS[faces.label[at]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.images[at]).save(folder / f"{faces.row[at]:05d}.png")
    return faces


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    write_folder(made.root / "pictures")
    sharded = made.ferkit("data", "shard", "pictures", "shards", "--pictures", "100")
    assert sharded.returncode == 0, sharded.stderr
    assert "shards: 300 pictures in 5 shards" in sharded.stdout
    return made


STREAMED = (
    *("--set", "data={source: shards, path: shards}"),
    *("--set", "targets=[{name: fer}]"),
    *("--set", f"backbones=[{{{SMALL}, alias: a}}, {{{SMALL}, alias: s, teacher: ensemble}}]"),
    *("--set", "balancing.method=weighted_sampling"),
)


def test_every_step_runs_on_a_streamed_source_and_nothing_stores_its_pixels(checkout):
    steps = checkout.run(*STREAMED)
    assert set(steps) >= {
        "ingest", "validate", "drop_non_faces", "oversample_fer", "fine_tune_fer_a", "predict_public_fer_a",
        "ensemble_fer", "predict_training_fer_a", "teach_fer", "distil_fer", "fine_tune_fer_s", "evaluate_fer_a",
        "report", "register",
    }  # fmt: skip
    for subset in ("PublicTest", "PrivateTest", "no duplicates"):
        assert subset in checkout.output
    stored = [
        path for path in (checkout.home / "artifacts").rglob("*.npz") if path.name in ("faces.npz", "training_set.npz")
    ]
    assert len(stored) >= 5
    # 300 pictures have 691,200 pixels; what is known of each without them takes some hundred bytes.
    assert max(path.stat().st_size for path in stored) < 120_000


def test_a_second_run_takes_everything_from_the_cache(checkout):
    assert checkout.run(*STREAMED) == []


def test_what_is_stored_is_where_pictures_lie_and_is_another_once_they_moved(tmp_path):
    write_folder(tmp_path / "here", 200)
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
