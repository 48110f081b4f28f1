"""Tables of pictures: files, labels, and whatever else stands in a line."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferkit.data.labels import FER_EMOTIONS, FERPLUS_VOTES, SPLITS
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.sources import fingerprint, load, read
from ferkit.sources.tables.table import ColumnSettings, TableSettings, list_table


@pytest.fixture
def table(tmp_path):
    """Thirty pictures of five people with three classes, in a folder beside the table."""
    generator = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    lines = []
    for at in range(30):
        pixels = generator.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        # A white face in the noise.
        pixels[10:50, 20:60] = 255
        Image.fromarray(pixels).save(tmp_path / f"faces/{at}.png")
        lines.append({"image": f"faces/{at}.png", "class": ("calm", "tense", "bored")[at % 3], "person": f"P{at // 6}"})
    return pd.DataFrame(lines)


def _write(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return TableSettings(path=path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_of_files_and_labels(table, tmp_path, suffix):
    faces = load(_write(table, tmp_path / f"t{suffix}"))
    assert faces.classes == ("bored", "calm", "tense")
    assert [faces.classes[label] for label in faces.label] == table["class"].tolist()
    assert faces.row.tolist() == list(range(30))
    assert faces.votes is None
    assert faces.weight is None
    grey = np.asarray(Image.open(tmp_path / "faces/7.png").convert("L").resize((48, 48), Image.Resampling.LANCZOS))
    assert np.abs(faces.images[7].astype(int) - grey).max() <= 1


def test_a_person_is_in_one_split(table, tmp_path):
    faces = load(_write(table, tmp_path / "t.csv"))
    assert sorted(set(faces.split)) == [0, 1, 2]
    assert [len(set(faces.split[faces.subject == person])) for person in range(5)] == [1] * 5


def test_the_splits_of_the_table_are_kept(table, tmp_path):
    table["Usage"] = ["train", "val", "Private Test"] * 10
    faces = load(_write(table, tmp_path / "t.csv"))
    assert [SPLITS[at] for at in faces.split[:4]] == ["Training", "PublicTest", "PrivateTest", "Training"]
    table.loc[3, "Usage"] = "holiday"
    with pytest.raises(DataError, match=r"t\.csv row 3 \(line 5\): split 'holiday', expected train, validation, test"):
        load(_write(table, tmp_path / "t.csv"))
    table["Usage"] = "test"
    with pytest.raises(DataError, match="no picture for training; its splits are test"):
        load(_write(table, tmp_path / "t.csv"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("box", [(("x", "y", "w", "h"), 40, 40), (("xmin", "ymin", "xmax", "ymax"), 60, 50)])
def test_faces_are_cut_out_by_their_boxes(table, tmp_path, stream, box):
    names, last_x, last_y = box
    table[list(names)] = [20, 10, last_x, last_y]
    table.loc[1, list(names)] = [70, 10, last_x + 50, last_y]
    settings = _write(table, tmp_path / "t.csv").model_copy(update={"stream": stream})
    faces = load(settings)
    pixels = np.asarray(faces.images[[0, 1, 2]])
    assert pixels[0].min() == pixels[2].min() == 255
    assert pixels[1].std() > 20
    assert fingerprint(settings) != fingerprint(_write(table.drop(columns=list(names)), tmp_path / "u.csv"))


def test_a_box_beside_the_picture_is_damage(table, tmp_path):
    table[["x", "y", "w", "h"]] = [20, 10, 40, 40]
    table.loc[4, "x"] = 80
    faces, damaged = read(_write(table, tmp_path / "t.csv"))
    assert damaged.row.tolist() == [4]
    assert (
        "nothing in the box of its face, left, top, width and height 80, 10, 40, 40: the picture is 80x60"
        in (damaged.reason[0])
    )
    assert len(faces) == 29


def test_colour_at_another_side_is_streamed(table, tmp_path):
    settings = _write(table, tmp_path / "t.csv").model_copy(update={"stream": True, "side": 96, "colour": "rgb"})
    assert load(settings).images.shape == (30, 96, 96, 3)


def test_numbers_are_named_by_labels(table, tmp_path):
    table["class"] = [float(at % 3) for at in range(30)]
    settings = _write(table, tmp_path / "t.parquet").model_copy(
        update={"labels": {"0": "sad", "1": "happy", "2": None}}
    )
    faces = load(settings)
    assert faces.classes == FER_EMOTIONS
    assert faces.row.tolist() == [at for at in range(30) if at % 3 < 2]
    assert [FER_EMOTIONS[label] for label in faces.label[:2]] == ["sad", "happy"]


def test_votes_and_weights_reach_the_training(table, tmp_path):
    table["split"] = ["train"] * 24 + ["val"] * 3 + ["test"] * 3
    table["weight"] = [1.0, 3.0] * 15
    table[list(FERPLUS_VOTES)] = 0
    table["happiness"] = 10
    faces = load(_write(table, tmp_path / "t.csv"))
    assert faces.votes.sum(axis=1).tolist() == [10] * 30
    for method in ("none", "smote"):
        balanced = oversample(faces, TargetSettings(name="mood"), BalancingSettings(method=method), 0)
        assert balanced.classes == ("bored", "calm", "tense")
        assert balanced.weight[:4].tolist() == [0.5, 1.5, 0.5, 1.5]
        np.testing.assert_allclose(balanced.weighted_targets.sum(axis=1)[:4], [0.5, 1.5, 0.5, 1.5])
    plain = oversample(load(_write(table.drop(columns="weight"), tmp_path / "u.csv")), TargetSettings(name="mood"),
                       BalancingSettings(), 0)  # fmt: skip
    assert plain.weight is None
    assert plain.content_hash() != oversample(faces, TargetSettings(name="mood"), BalancingSettings(), 0).content_hash()


def test_names_are_relative_to_root(table, tmp_path):
    table["image"] = table["image"].str.removeprefix("faces/")
    (tmp_path / "tables").mkdir()
    settings = _write(table, tmp_path / "tables/t.csv")
    with pytest.raises(DataError, match=r"30 of 30 files are not there.*is data\.root the folder"):
        load(settings)
    assert len(load(settings.model_copy(update={"root": tmp_path / "faces"}))) == 30


def test_columns_of_other_names(table, tmp_path):
    table = table.rename(columns={"image": "where", "class": "what", "person": "who"})
    settings = _write(table, tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"no column is known as its file; there are where, what, who: name it"):
        load(settings)
    columns = ColumnSettings(file="where", label="what", subject="who")
    listed = list_table(settings.model_copy(update={"columns": columns}))
    assert listed.subject[-1] == "P4"
    with pytest.raises(DataError, match=r"data\.columns\.label 'that': no such column; there are where, what, who"):
        list_table(settings.model_copy(update={"columns": ColumnSettings(file="where", label="that")}))
    table["emotion"], table["label"], table["path"] = "happy", "1", table["where"]
    with pytest.raises(DataError, match=r"columns emotion and label may each be its label: name it, data\.columns\.l"):
        load(_write(table, tmp_path / "t.csv"))


def test_what_cannot_be_understood_is_a_line(table, tmp_path):
    for change, line in (
        ({"class": ""}, r"t\.csv row 5 \(line 7\): nothing in column 'class'"),
        ({"weight": -1}, r"t\.csv row 5 \(line 7\): weight '-1', expected 0 to 1e\+06"),
    ):
        changed = table.assign(**{name: table.get(name, "1") for name in change})
        for name, value in change.items():
            changed.loc[5, name] = str(value)
        with pytest.raises(DataError, match=line):
            load(_write(changed, tmp_path / "t.csv"))
    with pytest.raises(DataError, match="no line under its header"):
        load(_write(table.head(0), tmp_path / "t.csv"))
    with pytest.raises(DataError, match="no such table"):
        load(TableSettings(path=tmp_path / "no.csv"))
    (tmp_path / "b.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"b\.parquet: no table that can be read"):
        load(TableSettings(path=tmp_path / "b.parquet"))


def test_a_missing_file_is_left_out_and_told(table, tmp_path):
    (tmp_path / "faces/3.png").unlink()
    settings = _write(table, tmp_path / "t.csv")
    faces, damaged = read(settings)
    assert damaged.row.tolist() == [3]
    assert damaged.reason[0].endswith("faces/3.png: no such file")
    assert 3 not in faces.row
    with pytest.raises(DataError, match="1 of 30 files are not there, expected at most 0"):
        load(settings.model_copy(update={"maximum_damaged": 0}))


def test_the_fingerprint_is_that_of_the_content_wherever_it_lies(table, tmp_path):
    settings = _write(table, tmp_path / "t.csv")
    before = fingerprint(settings)
    assert fingerprint(settings.model_copy(update={"root": tmp_path})) == before
    Image.new("L", (48, 48)).save(tmp_path / "faces/3.png")
    changed = fingerprint(settings)
    assert changed != before
    assert fingerprint(settings.model_copy(update={"seed": 1})) != changed
