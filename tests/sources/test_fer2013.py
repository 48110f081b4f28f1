"""fer2013.csv: every form and every place that is read, and where it is said to be looked for."""

import os
import shlex
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferkit.data.labels import FERPLUS_VOTES, SPLITS
from ferkit.sources import load
from ferkit.sources.fer2013 import Fer2013Settings
from tests.sources.fer2013_files import (
    PIXELS,
    USAGE,
    check_faces,
    drawn_votes,
    in_kaggles_order,
    problem,
    read_faces,
    rows_of,
    write_rows,
    write_votes,
)


@pytest.mark.parametrize("named", ["file", "folder", "parent"])
def test_a_file_its_folder_or_the_folder_above_may_be_named(tmp_path, pictures, named):
    folder = tmp_path / "fer2013"
    folder.mkdir()
    file = write_rows(folder / "fer2013.csv", rows_of(pictures))
    check_faces(read_faces({"file": file, "folder": folder, "parent": tmp_path}[named]), pictures)


def _with_blank_lines(path: Path, rows: list[list[str]]) -> None:
    write_rows(path, rows)
    path.write_bytes(path.read_bytes() + b"\n\n  \r\n\n")


def _with_bom(path: Path, rows: list[list[str]]) -> None:
    write_rows(path, rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def _without_last_end(path: Path, rows: list[list[str]]) -> None:
    write_rows(path, rows)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))


_FORMS: dict[str, Callable[[Path, list[list[str]]], object]] = {
    "Kaggle's": lambda path, rows: write_rows(path, in_kaggles_order(rows), "emotion, Usage, pixels"),
    "Kaggle's, spaces in rows": lambda path, rows: write_rows(
        path, [[each[0], f" {each[1]}", f" {each[2]}"] for each in in_kaggles_order(rows)], "Emotion , USAGE, Pixels"
    ),
    "quoted": lambda path, rows: write_rows(path, [[emotion, f'"{pixels}"', usage] for emotion, pixels, usage in rows]),
    "all quoted": lambda path, rows: write_rows(
        path, [[f'"{field}"' for field in row] for row in rows], '"emotion","pixels","Usage"'
    ),
    "CRLF": lambda path, rows: write_rows(path, rows, end="\r\n"),
    "blank lines at the end": _with_blank_lines,
    "BOM": _with_bom,
    "no end of the last line": _without_last_end,
    "tabs and runs of spaces": lambda path, rows: write_rows(
        path,
        [[row[0], f" {row[1].replace(' ', '  ', 5).replace(' 255 ', chr(9) + '255' + chr(9))} ", row[2]]
         for row in rows],
    ),
    "an index": lambda path, rows: write_rows(
        path, [[str(7 + at), *row] for at, row in enumerate(rows)], ",emotion,pixels,Usage"
    ),
    "other columns, with commas in quotes": lambda path, rows: write_rows(
        path, [[row[0], '"angry, or not"', *row[1:], ""] for row in rows], "emotion,name,pixels,Usage,"
    ),
    "Usage in lower case": lambda path, rows: write_rows(path, [[*row[:2], row[2].lower()] for row in rows]),
    "Usage in two words": lambda path, rows: write_rows(
        path, [[*row[:2], row[2].replace("Test", " test") if at % 2 else row[2].replace("Test", "_TEST")]
               for at, row in enumerate(rows)],
    ),
    "blank lines between rows": lambda path, rows: write_rows(
        path, rows, "\n\nemotion,pixels,Usage\n", end="\n \r\n\n"
    ),
    "leading zeros": lambda path, rows: write_rows(
        path, [[row[0], " ".join(f"{int(each):04d}" for each in row[1].split()), row[2]] for row in rows]
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
def test_every_form_reads_the_same(tmp_path, pictures, form, name):
    _FORMS[form](tmp_path / name, rows_of(pictures))
    check_faces(read_faces(tmp_path), pictures)


def test_fer2013_csv_comes_before_kaggles(tmp_path, pictures):
    write_rows(tmp_path / "icml_face_data.csv", in_kaggles_order(rows_of(pictures[::-1])), "emotion, Usage, pixels")
    write_rows(tmp_path / "fer2013.csv", rows_of(pictures))
    check_faces(read_faces(tmp_path), pictures)


def test_more_rows_than_are_read_at_a_time_keep_their_numbers(tmp_path, pictures):
    # About 2.6 MB, so that the reader comes back for more.
    rows = rows_of(pictures) * 50
    write_rows(tmp_path / "fer2013.csv", rows)
    faces = read_faces(tmp_path)
    assert len(faces) == 300
    assert (faces.images.reshape(50, len(USAGE), PIXELS) == pictures).all()
    rows[299] = [*rows[299][:1], "1 2 3", rows[299][2]]
    write_rows(tmp_path / "fer2013.csv", rows)
    assert "row 299 (line 301): 3 pixels, expected 2,304 (48x48)" in problem(tmp_path)


def test_blank_lines_count_as_lines_not_as_rows(tmp_path, pictures):
    rows = rows_of(pictures)
    rows[4][0] = "7"
    path = write_rows(tmp_path / "fer2013.csv", [*rows[:2], [""], *rows[2:3], [" "], [""], *rows[3:]])
    assert "fer2013.csv row 4 (line 9): unknown emotion '7'" in problem(tmp_path)
    # So long that the reader has enough for now.
    path.write_bytes(path.read_bytes().replace(b"\n \n", b"\n" + b" " * (2 << 20) + b"\n"))
    assert "fer2013.csv row 4 (line 9): unknown emotion '7'" in problem(tmp_path)


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
@pytest.mark.parametrize("named", ["", "{name}", "{name}/{name}"])
def test_a_file_in_a_folder_of_its_own_name(tmp_path, pictures, name, named):
    (tmp_path / name).mkdir()
    write_rows(tmp_path / name / name, rows_of(pictures))
    write_votes(tmp_path / "fer2013new.csv", drawn_votes())
    faces = read_faces(tmp_path / named.format(name=name))
    check_faces(faces, pictures)
    assert faces.votes is not None


@pytest.mark.parametrize("named", ["", "fer2013.tar.gz"])
def test_an_archive_says_how_to_unpack_it(tmp_path, pictures, named):
    folder = tmp_path / "my data"
    folder.mkdir()
    write_rows(tmp_path / "fer2013.csv", rows_of(pictures))
    with tarfile.open(folder / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "fer2013.csv", "fer2013/fer2013.csv")
    line = problem(folder / named)
    assert "fer2013.tar.gz" in line
    assert "an archive" in line or "the archive" in line
    command = f"tar -xzf '{folder / 'fer2013.tar.gz'}' -C '{folder}'"
    assert f"Unpack it: `{command}`." in line
    subprocess.run(shlex.split(command), check=True)
    check_faces(read_faces(folder), pictures)


def test_the_files_of_the_challenge_say_which_other_has_all(tmp_path, pictures):
    write_rows(tmp_path / "train.csv", [row[:2] for row in rows_of(pictures)], "emotion,pixels")
    write_rows(tmp_path / "test.csv", [row[1:2] for row in rows_of(pictures)], "pixels")
    for named in ("", "train.csv", "test.csv"):
        line = problem(tmp_path / named)
        assert "lack Usage and the labels of both test splits: take icml_face_data.csv" in line
    write_rows(tmp_path / "icml_face_data.csv", in_kaggles_order(rows_of(pictures)), "emotion, Usage, pixels")
    check_faces(read_faces(tmp_path), pictures)


def test_a_folder_of_pictures_names_the_source_that_reads_it(tmp_path):
    (tmp_path / "train" / "happy").mkdir(parents=True)
    line = problem(tmp_path)
    assert "no fer2013.csv or icml_face_data.csv there, but train/" in line
    assert f"--set 'data={{source: folder, path: {tmp_path}}}'" in line


_CASES = {
    "09_targz": "Unpack it: `tar -xzf",
    "10_index_col": None,
    "13_train_test": "take icml_face_data.csv of the same archive",
    "19_usage_lower": None,
    "23_blank_lines": None,
    "40_icml_nested": None,
}


@pytest.mark.parametrize("case", _CASES)
def test_what_people_had(cases, tmp_path, case):
    # Python's own way of unpacking has another signature before 3.11.4.
    subprocess.run(["tar", "-xzf", cases / "csv" / f"{case}.tgz", "-C", tmp_path], check=True)
    said = _CASES[case]
    if said:
        assert said in problem(tmp_path)
        return
    faces = read_faces(tmp_path)
    assert len(faces) == 21
    assert np.bincount(faces.split).tolist() == [7, 7, 7]
    assert np.bincount(faces.label).tolist() == [3] * 7


def test_a_missing_file_says_how_to_get_it(tmp_path):
    line = problem(tmp_path / "nowhere")
    assert line.startswith(f"{tmp_path / 'nowhere'}: no fer2013.csv or icml_face_data.csv there.")
    assert "ferkit data download" in line
    assert "--set data.path=FOLDER" in line


def test_a_missing_file_that_was_named_is_said_to_be_missing(tmp_path):
    line = problem(tmp_path / "FER2013.csv")
    assert line.startswith(f"{tmp_path / 'FER2013.csv'}: no such file")
    assert f"ferkit data download {tmp_path}`" in line


@pytest.mark.skipif(
    not os.environ.get("FERKIT_TEST_DATA"), reason="FERKIT_TEST_DATA names no folder with a FER-2013 sample"
)
def test_a_real_sample_is_read_as_pandas_reads_it():
    import pandas as pd

    folder = Path(os.environ["FERKIT_TEST_DATA"])
    faces = load(Fer2013Settings(path=folder, ferplus="required"))
    table = pd.read_csv(folder / "fer2013.csv")
    assert faces.label.tolist() == table["emotion"].tolist()
    assert [SPLITS[index] for index in faces.split] == table["Usage"].tolist()
    at = np.random.default_rng(0).choice(len(table), 50, replace=False)
    for row in at:
        assert faces.images[row].ravel().tolist() == [int(each) for each in table["pixels"][row].split()]
    votes = pd.read_csv(folder / "fer2013new.csv")[list(FERPLUS_VOTES)]
    assert (faces.votes == votes.to_numpy()).all()
