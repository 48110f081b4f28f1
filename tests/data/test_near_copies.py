"""Near copies are found, and what is merely alike is not."""

import io

import numpy as np
import pytest
from PIL import Image

from ferkit.data.near_copies import near_copy_groups
from ferkit.sources.folders import FolderSettings, load_folder
from ferkit.sources.synthetic.generate import SyntheticSettings, generate


@pytest.fixture(scope="module")
def faces():
    return generate(SyntheticSettings(count=200, duplicates=0, non_faces=0)).faces.images[:40]


def _saved_again(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=80)
    return np.asarray(Image.open(buffer))


def _resized(picture):
    small = Image.fromarray(picture).resize((36, 36), Image.Resampling.LANCZOS)
    return np.asarray(small.resize((48, 48), Image.Resampling.LANCZOS))


@pytest.mark.parametrize(
    "change",
    [_saved_again, _resized, lambda picture: (picture * 0.8 + 10).astype(np.uint8)],
    ids=["saved again", "resized", "darker"],
)
def test_changed_copies_are_found_and_other_faces_are_not(faces, change):
    copies = np.stack([change(picture) for picture in faces])
    groups = near_copy_groups(np.concatenate([faces, copies]))
    assert (groups[:40] == groups[40:]).mean() >= 0.95
    assert len(set(groups[:40].tolist())) >= 38


def test_flat_pictures_are_copies_of_nothing():
    flat = np.repeat(np.arange(4, dtype=np.uint8), 48 * 48).reshape(4, 48, 48)
    assert len(set(near_copy_groups(flat).tolist())) == 4
    assert near_copy_groups(flat[:0]).tolist() == []


def test_near_copies_are_on_one_side_of_a_choice(faces, tmp_path):
    for at, picture in enumerate(faces):
        for name, content in (("a", picture), ("b", _saved_again(picture))):
            place = tmp_path / ("calm", "tense")[at % 2] / f"{at:02d}{name}.png"
            place.parent.mkdir(exist_ok=True)
            Image.fromarray(content).save(place)
    read = load_folder(FolderSettings(path=tmp_path, validation_fraction=0.2, test_fraction=0.2))
    pairs = read.split.reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).mean() >= 0.95
    assert {int(split) for split in read.split} == {0, 1, 2}
