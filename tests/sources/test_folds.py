"""Folds for cross-validation: every picture tests once, and nothing that belongs together is on both sides."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from ferkit.config.effects import settings_without_effect
from ferkit.config.loading import load_config
from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings
from ferkit.errors import ConfigError, DataError
from ferkit.sources import FolderSettings, SyntheticSettings, fingerprint, load
from ferkit.sources.describing.description import describe
from ferkit.sources.folds import fold_sizes, with_fold
from ferkit.sources.split_settings import FoldSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    """200 pictures of noise of 20 people; each picture lies there again, a little brighter, as another person's."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 200, (200, 48, 48), dtype=np.uint8)
    images[100:] = images[:100] + 20
    subject = (np.arange(200) % 20).astype(np.int32)
    # A copy is of the next person but one half of the time, which ties people together in pairs.
    subject[100:] = subject[:100] ^ (np.arange(100) // 20 % 2)
    label = (np.arange(200) // 20 % 3).astype(np.int8)
    split = np.full(200, 2, np.int8)
    return FaceDataset(images, label, split, np.arange(200), classes=("a", "b", "c"), subject=subject)


@pytest.mark.parametrize("by", ["subject", "picture"])
def test_each_picture_tests_once_and_its_copies_with_it(faces, by):
    tested = np.zeros(len(faces), int)
    for fold in range(4):
        dealt = with_fold(faces, FoldSettings(folds=4, by=by, fold=fold))
        np.testing.assert_array_equal(dealt.row, faces.row)
        assert {0, 1, 2} == set(dealt.split.tolist())
        np.testing.assert_array_equal(dealt.split[:100], dealt.split[100:])
        if by == "subject":
            for split in range(3):
                here, elsewhere = (set(faces.subject[mask]) for mask in (dealt.split == split, dealt.split != split))
                assert not here & elsewhere
        tested += dealt.split == 2
        for label in range(3):
            assert (faces.label[dealt.split == 2] == label).sum() > 0
    assert (tested == 1).all()
    assert sum(fold_sizes(faces, FoldSettings(folds=4, by=by))) == 200


def test_another_seed_deals_otherwise_and_the_same_seed_the_same(faces):
    one, again, other = (
        with_fold(faces, FoldSettings(folds=5, by="picture", fold=1, seed=seed)).split for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_cannot_be_dealt_is_a_line(faces):
    with pytest.raises(DataError, match=r"there are 10 people; make fewer folds"):
        with_fold(faces, FoldSettings(folds=11, fold=0))
    with pytest.raises(DataError, match=r"nothing says who is in a picture .*data\.split\.by=picture"):
        load(SyntheticSettings(count=200, split=FoldSettings(folds=3, fold=0)))
    with pytest.raises(DataError, match=r"here say which one is meant, data\.split\.fold=0 to 2"):
        load(SyntheticSettings(count=200, split=FoldSettings(folds=3, by="picture")))
    with pytest.raises(ValidationError, match="expected 0 to 2"):
        FoldSettings(folds=3, fold=3)
    with pytest.raises(ValidationError, match="split: given has no effect"):
        SyntheticSettings(split="given")


def test_people_are_told_apart_by_the_names_of_files(tmp_path):
    generator = np.random.default_rng(1)
    for number in range(24):
        file = tmp_path / ("calm", "tense")[number % 2] / f"S{number // 4}_{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (48, 48), dtype=np.uint8)).save(file)
    settings = FolderSettings(path=tmp_path, subject="/(S[0-9]+)_", split=FoldSettings(folds=3, fold=0))
    faces = load(settings)
    tested = set(faces.subject[faces.in_split("PrivateTest")])
    assert len(tested) == 2
    assert not tested & set(faces.subject[~faces.in_split("PrivateTest")])
    by_picture = settings.model_copy(update={"split": FoldSettings(folds=3, by="picture", fold=0)})
    with pytest.raises(DataError, match=r"subject: with data\.split nothing is held out"):
        load(by_picture)


def test_each_fold_is_data_of_its_own_and_without_folds_nothing_changes():
    plain = SyntheticSettings(count=200)
    folds = [SyntheticSettings(count=200, split=FoldSettings(folds=3, by="picture", fold=at)) for at in (0, 1)]
    assert len({fingerprint(each) for each in (plain, *folds)}) == 3
    assert "split" not in plain.model_dump()
    before, after = load(plain), load(folds[0])
    np.testing.assert_array_equal(before.images, after.images)
    assert (before.split != after.split).any()


def test_describe_says_how_large_the_folds_are():
    settings = SyntheticSettings(count=200, split=FoldSettings(folds=4, by="picture"))
    description, _ = describe(settings, [TargetSettings()])
    (line,) = [each for each in description.problems if "folds" in each]
    assert line.startswith("4 folds by picture, of ")
    assert line.endswith("the splits are those of fold 0.")
    assert description.source["split"] == {"folds": 4, "by": "picture"}


def test_folds_leave_no_model_behind():
    content = {
        "name": "x", "data": {"source": "synthetic", "split": {"folds": 3, "by": "picture"}},
        "backbones": [{"name": "fernet"}],
    }  # fmt: skip
    with pytest.raises(ValidationError, match=r"registry\.register: data\.split makes a run of each fold"):
        RunConfig.model_validate(content)
    config = RunConfig.model_validate({**content, "registry": {"register": False}})
    assert settings_without_effect(config) == []


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("{fold: 2}", r"data\.synthetic\.split\.mapping\.folds: missing\."),
        ("{folds: 3, x: 1}", r"split\.mapping\.x: unknown key\. Known: by, fold, folds, seed, validation_fraction\."),
        ("gven", r"data\.synthetic\.split\.given: Input should be 'given', found 'gven'\."),
    ],
)
def test_a_mistake_in_a_configuration_is_one_line(split, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_config(ROOT / "configs" / "quickstart.yaml", [f"data.split={split}", "registry={register: false}"])
    assert len(str(error.value).splitlines()) == 1
