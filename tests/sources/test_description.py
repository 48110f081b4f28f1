"""What a path is taken for, and what is said of it."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from ferkit.cli.app import app
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.sources import FolderSettings
from ferkit.sources.describing.description import describe
from ferkit.sources.describing.recognise import recognise
from tests.toys import layouts


@pytest.fixture
def moods(tmp_path):
    """Ten pictures of two classes in folders, one in grey, one damaged, one contempt for testing."""
    for at in range(20):
        place = tmp_path / "moods/train" / ("calm", "tense")[at % 2] / f"{at}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(at).integers(0, 256, (40 + at, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels if at % 4 else np.ascontiguousarray(pixels[..., 0])).save(place)
    (tmp_path / "moods/train/calm/18.png").write_bytes(b"no picture")
    (tmp_path / "moods/train/notes.txt").touch()
    (tmp_path / "moods/train/contempt").mkdir()
    shutil.copy(tmp_path / "moods/train/calm/0.png", tmp_path / "moods/train/contempt/0.png")
    return tmp_path / "moods"


def test_what_was_understood(moods):
    settings = recognise(moods)
    found, faces = describe(settings, [TargetSettings(), TargetSettings(name="two", map={"contempt": None})])
    assert found.source == {"source": "folder", "path": str(moods)}
    assert found.pictures == len(faces) == 20
    assert found.splits["Training"].keys() == {"calm", "contempt", "tense"}
    assert sum(sum(each.values()) for each in found.splits.values()) == 20
    assert found.sizes == ((50, 40), (50, 59))
    assert found.colour == pytest.approx(15 / 20, abs=0.06)
    assert found.subjects is None
    problems = "\n".join(found.problems)
    assert "18.png: not a picture" in problems
    assert "passed over 1 .txt" in problems
    assert "target fer: the data has the class 'calm', which is none of angry" in problems
    assert "target two leaves out 1 pictures of contempt." in problems
    assert "class contempt: 1 Training pictures, expected at least 2" in problems


@pytest.mark.parametrize(
    ("write", "layout"),
    [
        (layouts.write_rafdb, "rafdb"),
        (layouts.write_affectnet, "affectnet"),
        (layouts.write_affectnet_lists, "affectnet"),
        (layouts.write_ckplus, "ckplus"),
        (layouts.write_jaffe, "jaffe"),
        (layouts.write_kdef, "kdef"),
        (layouts.write_ferplus, "ferplus"),
    ],
)
def test_published_layouts_are_known(tmp_path, write, layout):
    write(tmp_path)
    settings = recognise(tmp_path)
    assert (settings.source, settings.layout) == ("published", layout)


def test_tables_are_known(tmp_path):
    (tmp_path / "fer.csv").write_text("emotion,pixels,Usage\n")
    assert recognise(tmp_path / "fer.csv").source == "fer2013"
    pd.DataFrame({"file": ["a.png"], "label": ["x"]}).to_csv(tmp_path / "t.csv", index=False)
    assert recognise(tmp_path / "t.csv").source == "table"
    (tmp_path / "fer.csv").unlink()
    assert recognise(tmp_path).path == tmp_path / "t.csv"
    (tmp_path / "t.csv").unlink()
    with pytest.raises(DataError, match=r"found nothing\. Nor is there a table, shards or a data set of a known"):
        recognise(tmp_path)
    with pytest.raises(DataError, match=r"no such file or folder, expected a configuration \(\.yaml\), a table"):
        recognise(tmp_path / "no")


def test_the_command_says_it(moods):
    done = CliRunner().invoke(app, ["data", "describe", str(moods)])
    assert done.exit_code == 0, done.output
    for part in (
        "20 pictures, FER+ votes: no",
        "files: 50x40 to 50x59 pixels",
        "nobody is told apart",
        "18.png: not a",
    ):
        assert part in done.output
    assert f"data: {{source: folder, path: {moods}}}" in done.output


def test_classes_of_ones_own_are_no_problem_and_the_target_is_named(tmp_path):
    for name in ("calm", "cross"):
        (tmp_path / name).mkdir()
        for at in range(12):
            pixels = np.random.default_rng((at, len(name))).integers(0, 256, (48, 48), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{at}.png")
    found, _ = describe(FolderSettings(path=tmp_path))
    assert (found.targets, found.problems) == (("expression",), ())
    (tmp_path / "cross").rename(tmp_path / "angry")
    found, _ = describe(FolderSettings(path=tmp_path))
    assert found.targets == ("fer",)
    assert "target fer: the data has the class 'calm'" in found.problems[0]
    shutil.rmtree(tmp_path / "angry")
    with pytest.raises(DataError, match="one folder with pictures, calm, and no folder train; expected"):
        describe(FolderSettings(path=tmp_path))
