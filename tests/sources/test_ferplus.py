"""fer2013new.csv beside fer2013.csv: votes joined by row, the line that broken ones get, the fingerprint of both."""

from pathlib import Path

import numpy as np
import pytest

from ferkit.errors import DataError
from ferkit.sources import fingerprint
from ferkit.sources.fer2013 import Fer2013Settings
from tests.sources.fer2013_files import (
    USAGE,
    check_faces,
    drawn_votes,
    problem,
    read_faces,
    rows_of,
    write_rows,
    write_votes,
)


@pytest.fixture
def folder(tmp_path: Path, pictures: np.ndarray) -> Path:
    """A folder with both files."""
    write_rows(tmp_path / "fer2013.csv", rows_of(pictures))
    write_votes(tmp_path / "fer2013new.csv", drawn_votes())
    return tmp_path


@pytest.mark.parametrize("ferplus", ["auto", "required"])
def test_votes_are_joined_by_row_also_those_without_a_name(folder, pictures, ferplus):
    faces = read_faces(folder, ferplus)
    check_faces(faces, pictures)
    assert (faces.votes == drawn_votes()).all()
    assert (read_faces(folder / "fer2013.csv", ferplus).votes == drawn_votes()).all()


def test_votes_can_be_left_out(folder):
    assert read_faces(folder, "off").votes is None
    (folder / "fer2013new.csv").write_text("not even read", encoding="utf-8")
    assert read_faces(folder, "off").votes is None


def test_votes_that_are_not_there(folder):
    (folder / "fer2013new.csv").unlink()
    assert read_faces(folder).votes is None
    line = problem(folder, "required")
    assert line.startswith(f"{folder / 'fer2013new.csv'}: missing, and data.ferplus is required.")
    assert "ferkit data download" in line


def test_a_blank_line_that_stands_for_a_missing_row_is_seen_by_the_votes(folder, pictures):
    rows = rows_of(pictures)
    write_rows(folder / "fer2013.csv", [*rows[:2], [""], *rows[3:]])
    assert "6 rows, expected 5, one for each row of FER-2013" in problem(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:-1], "5 rows, expected 6, one for each row of FER-2013"),
        (lambda lines: [*lines, lines[-1]], "7 rows, expected 6, one for each row of FER-2013"),
        (lambda lines: lines[:1], "0 rows, expected 6"),
        (lambda lines: [], "no CSV with FER+ votes"),
        (lambda lines: [lines[0].replace("contempt,", ""), *lines[1:]], "columns contempt are missing"),
        (lambda lines: [lines[0].replace("Usage", "split"), *lines[1:]], "columns Usage are missing"),
        (lambda lines: [*lines[:3], lines[3] + ",9", *lines[4:]], "no CSV with FER+ votes"),
        (lambda lines: [lines[0], *(line + ",9" for line in lines[1:])], "rows have more fields than the header"),
        (lambda lines: ["a" * 5000, *lines[1:]], "are missing; the header is 'aaaa"),
    ],
)
def test_votes_of_another_shape(folder, change, said):
    path = folder / "fer2013new.csv"
    path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())), encoding="utf-8")
    line = problem(folder)
    assert line.startswith(f"{path}: ")
    assert said in line


@pytest.mark.parametrize("vote", ["11", "-1", "ten", "", "1.5", "nan", "1e1000", "x" * 5000])
def test_a_vote_that_is_none(folder, vote):
    votes = drawn_votes().astype(object)
    votes[2, 3] = vote
    path = write_votes(folder / "fer2013new.csv", votes)
    line = problem(folder)
    assert line.startswith(f"{path} row 2 (line 4): sadness has '{vote[:5]}")
    assert line.endswith("expected a number 0..10.")


def test_votes_cut_within_the_last_row(folder):
    path = folder / "fer2013new.csv"
    path.write_text(path.read_text(encoding="utf-8").rstrip()[:-4], encoding="utf-8")
    assert problem(folder).startswith(f"{path} row 5 (line 7): ")


def test_votes_of_another_order(folder):
    path = write_votes(folder / "fer2013new.csv", drawn_votes(), ["Training", "PublicTest", *USAGE[2:]])
    line = problem(folder)
    assert line.startswith(f"{path} row 1 (line 3): Usage 'PublicTest', but FER-2013 has Training there")
    assert "not in the same order" in line


def test_votes_with_crlf_bom_and_blank_lines_at_the_end(folder):
    path = folder / "fer2013new.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert (read_faces(folder).votes == drawn_votes()).all()


def test_the_fingerprint_is_that_of_every_byte_that_is_read(folder, tmp_path_factory):
    settings = Fer2013Settings(path=folder)
    seen = {fingerprint(settings)}
    assert seen == {fingerprint(settings)}
    elsewhere = tmp_path_factory.mktemp("moved")
    for name in ("fer2013.csv", "fer2013new.csv"):
        (elsewhere / name).write_bytes((folder / name).read_bytes())
    assert fingerprint(Fer2013Settings(path=elsewhere)) in seen
    without = fingerprint(Fer2013Settings(path=folder, ferplus="off"))
    assert without not in seen
    for name in ("fer2013.csv", "fer2013new.csv"):
        content = bytearray((folder / name).read_bytes())
        content[-3] ^= 1
        (folder / name).write_bytes(content)
        assert fingerprint(settings) not in seen
        seen.add(fingerprint(settings))
    assert fingerprint(Fer2013Settings(path=folder, ferplus="off")) != without


def test_the_fingerprint_of_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no fer2013\.csv"):
        fingerprint(Fer2013Settings(path=tmp_path))
