"""`ferkit drift`: a table against another, a bundle or a configuration; its status, and what cannot be compared."""

import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from ferkit.cli.commands import drift as command
from ferkit.data.labels import FER_EMOTIONS
from ferkit.errors import ConfigError, DataError
from ferkit.inference.results import read_face_table, table_schema
from ferkit.monitoring.drift import Baseline, drift, drift_table
from ferkit.monitoring.profile import Profile
from tests.monitoring.batches import MADE_WITH, table


def run(*words):
    app = typer.Typer()
    command.register(app)
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "40"})


@pytest.fixture
def written(tmp_path, faces, bundle_folder):
    """Files: a batch like another, a dark one, one of nobody."""
    made_with = {**MADE_WITH, "model": Profile.read(bundle_folder).model}
    for name, each in (
        ("may", table(faces[:400], made_with)),
        ("june", table(faces[400:800], made_with)),
        ("dark", table(faces[800:1200] // 2, made_with)),
        ("nobody", table(faces[:0], made_with, faceless=5)),
    ):
        schema = table_schema(FER_EMOTIONS, made_with)
        pq.write_table(pa.Table.from_pandas(each.rows, schema, preserve_index=False), tmp_path / f"{name}.parquet")
    return tmp_path


def test_one_table_says_what_moved(written):
    done = run(written / "dark.parquet", "--against", written / "may.parquet", "--to", written / "new" / "drift.csv")
    assert done.exit_code == 0
    title, training, _, heading, *rows, _, summary, _ = done.stdout.splitlines()
    assert title == f"{written / 'dark.parquet'}: 400 faces in 400 pictures"
    assert training == f"training: {written / 'may.parquet'}, 400 faces"
    assert heading.split() == ["statistic", "training", "batch", "distance", "verdict"]
    assert [row.split("  ")[0] for row in rows] == [
        *("brightness", "contrast", "sharpness", "face size", "score", "confidence", "entropy"),
        *("pictures without a face", "emotions together", *FER_EMOTIONS),
    ]
    assert rows[0].endswith("moved")
    assert summary.startswith("moved: brightness, contrast")
    numbers = pd.read_csv(written / "new" / "drift.csv", keep_default_na=False)
    assert list(numbers.columns) == ["statistic", "training", "batch", "measure", "distance", "p", "verdict"]
    assert numbers["statistic"].tolist()[0] == "brightness"


def test_the_status_says_whether_anything_moved(written):
    assert run(written / "dark.parquet", "--against", written / "may.parquet", "--fail").exit_code == 3
    done = run(written / "june.parquet", "--against", written / "may.parquet", "--fail")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "nothing moved")


def test_against_a_bundle_and_a_configuration(written, bundle_folder):
    done = run(written / "dark.parquet", "--against", bundle_folder)
    assert f"training: {bundle_folder}, " in done.stdout
    assert "answers to " in done.stdout
    [faceless] = [line for line in done.stdout.splitlines() if line.startswith("pictures without")]
    assert faceless.split()[-4:] == ["-", "0.0", "%", "-"] or faceless.split()[-5:] == ["-", "0.0", "%", "-", "-"]
    (written / "run.yaml").write_text(
        "name: a\ndata: {source: synthetic, count: 200}\ntargets: [{name: fer}]\nbackbones: [{name: fernet}]\n"
    )
    done = run(written / "dark.parquet", "--against", written / "run.yaml")
    assert done.exit_code == 0, done.exception
    assert "pictures of Training and their labels" in done.stdout


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["gone.parquet"], DataError, r"gone\.parquet: no such file, expected a table"),
        (["notes.csv"], DataError, r"notes\.csv: columns a, b, expected a table"),
        (["broken.parquet"], DataError, r"broken\.parquet: cannot be read \("),
        (["nobody.parquet", "--against", "may.parquet"], DataError, "no face in 5 pictures, nothing to compare"),
        (["may.parquet", "--against", "plus.yaml"], ConfigError, "no target fer, which the batch was made for"),
        (["may.parquet", "--against", "elsewhere"], ConfigError, "elsewhere: no such model"),
        (["may.parquet", "--to", "drift.txt"], ConfigError, r"ends with \.csv"),
    ],
)
def test_what_cannot_be_compared(written, monkeypatch, words, error, message):
    monkeypatch.chdir(written)
    (written / "notes.csv").write_text("a,b\n1,2\n")
    (written / "broken.parquet").write_bytes(b"PAR1")
    (written / "plus.yaml").write_text(
        "name: a\ndata: {source: synthetic, count: 200}\ntargets: [{name: ferplus}]\nbackbones: [{name: fernet}]\n"
    )
    caught = run(*words).exception
    assert isinstance(caught, error)
    assert re.search(message, str(caught))
    assert "\n" not in str(caught)


def test_tables_of_two_models_are_compared_by_their_pictures(written, faces):
    changes = drift(
        table(faces[:400]), Baseline.of_table(read_face_table(written / "may.parquet")).without_predictions()
    )
    assert {change.statistic for change in changes if change.measure} == {
        *("brightness", "contrast", "sharpness", "face size", "score", "pictures without a face"),
    }
    assert drift_table(changes).shape == (16, 7)
