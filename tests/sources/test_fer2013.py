"""fer2013.csv and fer2013new.csv: every form that is read, and the line that each broken one gets."""

import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ferkit.data.dataset import SIZE
from ferkit.data.labels import FERPLUS_VOTES, SPLITS
from ferkit.errors import DataError
from ferkit.sources import fingerprint, load
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
from ferkit.sources.pixels import PixelError, _parse_all, _parse_one, parse_pixels

_PIXELS = SIZE * SIZE
_USAGE = ("Training", "Training", "Training", "PublicTest", "PublicTest", "PrivateTest")
_EMOTION = (0, 3, 6, 1, 5, 2)
_VOTES_HEADER = ",".join(["Usage", "Image name", *FERPLUS_VOTES])


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Six pictures; the first begins with numbers of one, two and three digits."""
    images = np.random.default_rng(0).integers(0, 256, (len(_USAGE), _PIXELS), dtype=np.uint8)
    images[0, :6] = (0, 9, 10, 99, 100, 255)
    return images


def _text(picture: np.ndarray) -> str:
    return " ".join(map(str, picture.tolist()))


def _rows(pictures: np.ndarray) -> list[list[str]]:
    """Emotion, pixels, Usage of each row."""
    return [
        [str(emotion), _text(picture), usage]
        for emotion, picture, usage in zip(_EMOTION, pictures, _USAGE, strict=True)
    ]


def _write(path: Path, rows: Sequence[Sequence[str]], header: str = "emotion,pixels,Usage", end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in [header, *(",".join(row) for row in rows)]).encode())
    return path


def _votes(usage: Sequence[str] = _USAGE) -> np.ndarray:
    votes = np.random.default_rng(1).multinomial(10, [0.1] * 10, size=len(usage)).astype(np.uint8)
    votes[0] = (10, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return votes


def _write_votes(path: Path, votes: Sequence[Sequence[object]], usage: Sequence[str] = _USAGE) -> Path:
    # The second name is empty, as FER+ leaves that of a picture which is no face.
    lines = [
        ",".join([split, "" if row == 1 else f"fer{row:07d}.png", *map(str, counts)])
        for row, (split, counts) in enumerate(zip(usage, votes, strict=True))
    ]
    path.write_text("\n".join([_VOTES_HEADER, *lines, ""]), encoding="utf-8")
    return path


def _load(path: Path, ferplus: str = "auto"):
    return load_fer2013(Fer2013Settings.model_validate({"path": path, "ferplus": ferplus}))


def _problem(path: Path, ferplus: str = "auto") -> str:
    """The one line that reading `path` ends in."""
    with pytest.raises(DataError) as caught:
        _load(path, ferplus)
    line = str(caught.value)
    assert "\n" not in line
    # Where the test lies is no fault of the message.
    assert len(line.replace(str(path), "")) < 300, "nobody reads a line that long"
    return line


def _check(faces, pictures: np.ndarray) -> None:
    assert (faces.images.reshape(-1, _PIXELS) == pictures).all()
    assert faces.label.tolist() == list(_EMOTION)
    assert [SPLITS[index] for index in faces.split] == list(_USAGE)
    assert faces.row.tolist() == list(range(len(_USAGE)))


def _kaggle(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The order of icml_face_data.csv."""
    return [[emotion, usage, pixels] for emotion, pixels, usage in rows]


@pytest.mark.parametrize("named", ["file", "folder", "parent"])
def test_a_file_its_folder_or_the_folder_above_may_be_named(tmp_path, pictures, named):
    folder = tmp_path / "fer2013"
    folder.mkdir()
    file = _write(folder / "fer2013.csv", _rows(pictures))
    _check(_load({"file": file, "folder": folder, "parent": tmp_path}[named]), pictures)


def _with_blank_lines(path: Path, rows: list[list[str]]) -> None:
    _write(path, rows)
    path.write_bytes(path.read_bytes() + b"\n\n  \r\n\n")


def _with_bom(path: Path, rows: list[list[str]]) -> None:
    _write(path, rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def _without_last_end(path: Path, rows: list[list[str]]) -> None:
    _write(path, rows)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))


_FORMS: dict[str, Callable[[Path, list[list[str]]], object]] = {
    "Kaggle's": lambda path, rows: _write(path, _kaggle(rows), "emotion, Usage, pixels"),
    "Kaggle's, spaces in rows": lambda path, rows: _write(
        path, [[each[0], f" {each[1]}", f" {each[2]}"] for each in _kaggle(rows)], "Emotion , USAGE, Pixels"
    ),
    "quoted": lambda path, rows: _write(path, [[emotion, f'"{pixels}"', usage] for emotion, pixels, usage in rows]),
    "all quoted": lambda path, rows: _write(
        path, [[f'"{field}"' for field in row] for row in rows], '"emotion","pixels","Usage"'
    ),
    "CRLF": lambda path, rows: _write(path, rows, end="\r\n"),
    "blank lines at the end": _with_blank_lines,
    "BOM": _with_bom,
    "no end of the last line": _without_last_end,
    "tabs and runs of spaces": lambda path, rows: _write(
        path,
        [[row[0], f" {row[1].replace(' ', '  ', 5).replace(' 255 ', chr(9) + '255' + chr(9))} ", row[2]]
         for row in rows],
    ),
    "an index": lambda path, rows: _write(
        path, [[str(7 + at), *row] for at, row in enumerate(rows)], ",emotion,pixels,Usage"
    ),
    "other columns, with commas in quotes": lambda path, rows: _write(
        path, [[row[0], '"angry, or not"', *row[1:], ""] for row in rows], "emotion,name,pixels,Usage,"
    ),
    "Usage in lower case": lambda path, rows: _write(path, [[*row[:2], row[2].lower()] for row in rows]),
    "Usage in two words": lambda path, rows: _write(
        path, [[*row[:2], row[2].replace("Test", " test") if at % 2 else row[2].replace("Test", "_TEST")]
               for at, row in enumerate(rows)],
    ),
    "blank lines between rows": lambda path, rows: _write(path, rows, "\n\nemotion,pixels,Usage\n", end="\n \r\n\n"),
    "leading zeros": lambda path, rows: _write(
        path, [[row[0], " ".join(f"{int(each):04d}" for each in row[1].split()), row[2]] for row in rows]
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
def test_every_form_reads_the_same(tmp_path, pictures, form, name):
    _FORMS[form](tmp_path / name, _rows(pictures))
    _check(_load(tmp_path), pictures)


def test_fer2013_csv_comes_before_kaggles(tmp_path, pictures):
    _write(tmp_path / "icml_face_data.csv", _kaggle(_rows(pictures[::-1])), "emotion, Usage, pixels")
    _write(tmp_path / "fer2013.csv", _rows(pictures))
    _check(_load(tmp_path), pictures)


def test_more_rows_than_are_read_at_a_time_keep_their_numbers(tmp_path, pictures):
    # About 2.6 MB, so that the reader comes back for more.
    rows = _rows(pictures) * 50
    _write(tmp_path / "fer2013.csv", rows)
    faces = _load(tmp_path)
    assert len(faces) == 300
    assert (faces.images.reshape(50, len(_USAGE), _PIXELS) == pictures).all()
    rows[299] = [*rows[299][:1], "1 2 3", rows[299][2]]
    _write(tmp_path / "fer2013.csv", rows)
    assert "row 299 (line 301): 3 pixels, expected 2,304 (48x48)" in _problem(tmp_path)


def test_blank_lines_count_as_lines_not_as_rows(tmp_path, pictures):
    rows = _rows(pictures)
    rows[4][0] = "7"
    path = _write(tmp_path / "fer2013.csv", [*rows[:2], [""], *rows[2:3], [" "], [""], *rows[3:]])
    assert "fer2013.csv row 4 (line 9): unknown emotion '7'" in _problem(tmp_path)
    # So long that the reader has enough for now.
    path.write_bytes(path.read_bytes().replace(b"\n \n", b"\n" + b" " * (2 << 20) + b"\n"))
    assert "fer2013.csv row 4 (line 9): unknown emotion '7'" in _problem(tmp_path)


def test_a_blank_line_that_stands_for_a_missing_row_is_seen_by_the_votes(folder, pictures):
    rows = _rows(pictures)
    _write(folder / "fer2013.csv", [*rows[:2], [""], *rows[3:]])
    assert "6 rows, expected 5, one for each row of FER-2013" in _problem(folder)


def test_a_row_of_a_wider_table_that_lacks_a_field(tmp_path, pictures):
    rows = [[str(at), *row] for at, row in enumerate(_rows(pictures))]
    _write(tmp_path / "fer2013.csv", [*rows[:5], rows[5][:3]], ",emotion,pixels,Usage")
    line = _problem(tmp_path)
    assert "fer2013.csv row 5 (line 7): 3 fields, expected 4 as in the header" in line
    assert "cut short: fetch it again" in line


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
@pytest.mark.parametrize("named", ["", "{name}", "{name}/{name}"])
def test_a_file_in_a_folder_of_its_own_name(tmp_path, pictures, name, named):
    (tmp_path / name).mkdir()
    _write(tmp_path / name / name, _rows(pictures))
    _write_votes(tmp_path / "fer2013new.csv", _votes())
    faces = _load(tmp_path / named.format(name=name))
    _check(faces, pictures)
    assert faces.votes is not None


@pytest.mark.parametrize("named", ["", "fer2013.tar.gz"])
def test_an_archive_says_how_to_unpack_it(tmp_path, pictures, named):
    folder = tmp_path / "my data"
    folder.mkdir()
    _write(tmp_path / "fer2013.csv", _rows(pictures))
    with tarfile.open(folder / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "fer2013.csv", "fer2013/fer2013.csv")
    line = _problem(folder / named)
    assert "fer2013.tar.gz" in line
    assert "an archive" in line or "the archive" in line
    assert f"Unpack it: `tar -xzf '{folder / 'fer2013.tar.gz'}' -C '{folder}'`." in line
    with tarfile.open(folder / "fer2013.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    _check(_load(folder), pictures)


def test_the_files_of_the_challenge_say_which_other_has_all(tmp_path, pictures):
    _write(tmp_path / "train.csv", [row[:2] for row in _rows(pictures)], "emotion,pixels")
    _write(tmp_path / "test.csv", [row[1:2] for row in _rows(pictures)], "pixels")
    for named in ("", "train.csv", "test.csv"):
        line = _problem(tmp_path / named)
        assert "lack Usage and the labels of both test splits: take icml_face_data.csv" in line
    _write(tmp_path / "icml_face_data.csv", _kaggle(_rows(pictures)), "emotion, Usage, pixels")
    _check(_load(tmp_path), pictures)


def test_a_folder_of_pictures_names_the_source_that_reads_it(tmp_path):
    (tmp_path / "train" / "happy").mkdir(parents=True)
    line = _problem(tmp_path)
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
    with tarfile.open(cases / "csv" / f"{case}.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    said = _CASES[case]
    if said:
        assert said in _problem(tmp_path)
        return
    faces = _load(tmp_path)
    assert len(faces) == 21
    assert np.bincount(faces.split).tolist() == [7, 7, 7]
    assert np.bincount(faces.label).tolist() == [3] * 7


def test_a_missing_file_says_how_to_get_it(tmp_path):
    line = _problem(tmp_path / "nowhere")
    assert line.startswith(f"{tmp_path / 'nowhere'}: no fer2013.csv or icml_face_data.csv there.")
    assert "ferkit data download" in line
    assert "--set data.path=FOLDER" in line


def test_a_missing_file_that_was_named_is_said_to_be_missing(tmp_path):
    line = _problem(tmp_path / "FER2013.csv")
    assert line.startswith(f"{tmp_path / 'FER2013.csv'}: no such file")
    assert f"ferkit data download {tmp_path}`" in line


@pytest.mark.parametrize("lines", [b"", b"\n", b"emotion,pixels,Usage", b"emotion,pixels,Usage\n\n\n"])
def test_nothing_but_a_header_or_not_even_that(tmp_path, lines):
    (tmp_path / "fer2013.csv").write_bytes(lines)
    line = _problem(tmp_path)
    assert line.startswith(f"{tmp_path / 'fer2013.csv'}: ")
    if lines.strip():
        assert "no rows after the header, expected 35,887" in line
    else:
        assert "the header is '', expected the columns emotion, pixels, Usage" in line


@pytest.mark.parametrize(
    "header",
    ["label,pixels,Usage", "emotion,pixels", "emotion,pixels,Usage,Usage", "emotion;pixels;Usage", "x" * 5000, "\0\1"],
)
def test_a_wrong_header(tmp_path, pictures, header):
    _write(tmp_path / "fer2013.csv", _rows(pictures), header)
    line = _problem(tmp_path)
    assert "fer2013.csv: the header is " in line
    assert repr(header[:20])[1:-1] in line
    assert line.endswith("expected the columns emotion, pixels, Usage.")


def test_a_file_without_header(tmp_path, pictures):
    _write(tmp_path / "fer2013.csv", _rows(pictures)[1:], ",".join(_rows(pictures)[0]))
    assert "the header is '0,0 9 10 99" in _problem(tmp_path)


def _cut(path: Path, rows: list[list[str]], *, keep_pixels: int, header: str = "emotion,pixels,Usage") -> None:
    """Write `rows` and cut the last one within its pixels."""
    _write(path, rows, header)
    content = path.read_bytes()
    last = ",".join(rows[-1]).encode()
    at = content.rindex(last) + last.index(rows[-1][-1 if "Usage, p" in header else 1].encode())
    text = rows[-1][-1 if "Usage, p" in header else 1]
    path.write_bytes(content[: at + len(" ".join(text.split()[:keep_pixels]))])


def test_a_file_cut_within_the_pixels_has_two_fields_left(tmp_path, pictures):
    _cut(tmp_path / "fer2013.csv", _rows(pictures), keep_pixels=1000)
    line = _problem(tmp_path)
    assert "fer2013.csv row 5 (line 7): 2 fields, expected emotion, pixels, Usage" in line
    assert "cut short: fetch it again" in line


def test_a_file_of_kaggles_cut_within_the_pixels_has_too_few(tmp_path, pictures):
    _cut(tmp_path / "fer2013.csv", _kaggle(_rows(pictures)), keep_pixels=1000, header="emotion, Usage, pixels")
    line = _problem(tmp_path)
    assert "fer2013.csv row 5 (line 7): 1,000 pixels, expected 2,304 (48x48)" in line
    assert "if the file was cut short, fetch it again" in line


@pytest.mark.parametrize("left", ["2", "2,", "2,7 ", ""])
def test_a_file_cut_at_any_other_place_of_a_row(tmp_path, pictures, left):
    path = _write(tmp_path / "fer2013.csv", _rows(pictures)[:5])
    path.write_bytes(path.read_bytes() + left.encode())
    if left:
        assert "fer2013.csv row 5 (line 7): " in _problem(tmp_path)
    else:
        assert len(_load(tmp_path)) == 5


def test_a_file_cut_within_usage(tmp_path, pictures):
    path = _write(tmp_path / "fer2013.csv", _rows(pictures))
    path.write_bytes(path.read_bytes()[:-4])
    line = _problem(tmp_path)
    assert "row 5 (line 7): unknown Usage 'PrivateT', expected one of Training, PublicTest, PrivateTest" in line
    assert "cut short: fetch it again" in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.rsplit(" ", 4)[0], "2,300 pixels, expected 2,304 (48x48)"),
        (lambda text: f"{text} 1", "2,305 pixels, expected 2,304 (48x48)"),
        (lambda text: "", "0 pixels, expected 2,304 (48x48)"),
        (lambda text: f"256{text[text.index(' ') :]}", "pixel 0 is '256', expected a number 0..255"),
        (lambda text: f"{text.rsplit(' ', 1)[0]} -1", "pixel 2303 is '-1', expected a number 0..255"),
        (lambda text: text.replace(" ", " x", 1), "pixel 1 is 'x"),
        (lambda text: text.replace(" ", ".5 ", 1), ".5', expected a number 0..255"),
        (lambda text: text.replace(" ", "\u00b2 ", 1), "pixel 0 is "),
        (lambda text: text.replace(" ", "1" * 6000 + " ", 1), "pixel 0 is "),
        (lambda text: text.replace(" ", ";"), "1 pixels, expected 2,304 (48x48)"),
    ],
)
def test_wrong_pixels(tmp_path, pictures, change, said):
    rows = _rows(pictures)
    rows[2][1] = change(rows[2][1])
    _write(tmp_path / "fer2013.csv", rows)
    line = _problem(tmp_path)
    assert line.startswith(f"{tmp_path / 'fer2013.csv'} row 2 (line 4): ")
    assert said in line


def test_rows_whose_pixels_are_right_only_together(tmp_path, pictures):
    rows = _rows(pictures)
    moved = rows[1][1].split()
    rows[1][1], rows[2][1] = " ".join(moved[:-1]), f"{moved[-1]} {rows[2][1]}"
    _write(tmp_path / "fer2013.csv", rows)
    assert "row 1 (line 3): 2,303 pixels" in _problem(tmp_path)


@pytest.mark.parametrize("emotion", ["7", "-1", "angry", "", "1.0", "\u0663", "9" * 6000])
def test_an_unknown_emotion(tmp_path, pictures, emotion):
    rows = _rows(pictures)
    rows[3][0] = emotion
    _write(tmp_path / "fer2013.csv", rows)
    line = _problem(tmp_path)
    assert f"fer2013.csv row 3 (line 5): unknown emotion {repr(emotion)[:20]}" in line
    assert "0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral" in line


@pytest.mark.parametrize("usage", ["validation", "Test", "", "PublicTest2", "Training " * 500 + "x"])
def test_an_unknown_usage(tmp_path, pictures, usage):
    rows = _rows(pictures)
    rows[4][2] = usage
    _write(tmp_path / "fer2013.csv", rows)
    line = _problem(tmp_path)
    assert f"fer2013.csv row 4 (line 6): unknown Usage {repr(usage)[:10]}" in line
    assert line.endswith("expected one of Training, PublicTest, PrivateTest.")


def test_columns_that_are_not_in_the_order_of_the_header(tmp_path, pictures):
    # The whole picture stands where the emotion should.
    _write(tmp_path / "fer2013.csv", [[row[1], row[0], row[2]] for row in _rows(pictures)])
    assert "row 0 (line 2): unknown emotion '0 9 10 99 100 255" in _problem(tmp_path)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "fer2013.csv").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 50)
    assert "the header is 'PK" in _problem(tmp_path)


# FER+


@pytest.fixture
def folder(tmp_path: Path, pictures: np.ndarray) -> Path:
    """A folder with both files."""
    _write(tmp_path / "fer2013.csv", _rows(pictures))
    _write_votes(tmp_path / "fer2013new.csv", _votes())
    return tmp_path


@pytest.mark.parametrize("ferplus", ["auto", "required"])
def test_votes_are_joined_by_row_also_those_without_a_name(folder, pictures, ferplus):
    faces = _load(folder, ferplus)
    _check(faces, pictures)
    assert (faces.votes == _votes()).all()
    assert (_load(folder / "fer2013.csv", ferplus).votes == _votes()).all()


def test_votes_can_be_left_out(folder):
    assert _load(folder, "off").votes is None
    (folder / "fer2013new.csv").write_text("not even read", encoding="utf-8")
    assert _load(folder, "off").votes is None


def test_votes_that_are_not_there(folder):
    (folder / "fer2013new.csv").unlink()
    assert _load(folder).votes is None
    line = _problem(folder, "required")
    assert line.startswith(f"{folder / 'fer2013new.csv'}: missing, and data.ferplus is required.")
    assert "ferkit data download" in line


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
    line = _problem(folder)
    assert line.startswith(f"{path}: ")
    assert said in line


@pytest.mark.parametrize("vote", ["11", "-1", "ten", "", "1.5", "nan", "1e1000", "x" * 5000])
def test_a_vote_that_is_none(folder, vote):
    votes = _votes().astype(object)
    votes[2, 3] = vote
    path = _write_votes(folder / "fer2013new.csv", votes)
    line = _problem(folder)
    assert line.startswith(f"{path} row 2 (line 4): sadness has '{vote[:5]}")
    assert line.endswith("expected a number 0..10.")


def test_votes_cut_within_the_last_row(folder):
    path = folder / "fer2013new.csv"
    path.write_text(path.read_text(encoding="utf-8").rstrip()[:-4], encoding="utf-8")
    assert _problem(folder).startswith(f"{path} row 5 (line 7): ")


def test_votes_of_another_order(folder):
    path = _write_votes(folder / "fer2013new.csv", _votes(), ["Training", "PublicTest", *_USAGE[2:]])
    line = _problem(folder)
    assert line.startswith(f"{path} row 1 (line 3): Usage 'PublicTest', but FER-2013 has Training there")
    assert "not in the same order" in line


def test_votes_with_crlf_bom_and_blank_lines_at_the_end(folder):
    path = folder / "fer2013new.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert (_load(folder).votes == _votes()).all()


# Fingerprint


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


# Pixels


def test_the_fast_and_the_slow_way_agree():
    rng = np.random.default_rng(0)
    for count in (1, 2, 9, 400):
        values = rng.choice([0, 1, 9, 10, 11, 99, 100, 101, 199, 200, 249, 254, 255], size=(5, count))
        texts = [_text(row).encode() for row in values]
        fast = _parse_all(texts, count)
        assert fast is not None, "plain text takes the fast way"
        assert (fast.reshape(values.shape) == values).all()
        assert [_parse_one(0, text, count) for text in texts] == values.tolist()


def test_every_number_is_read_at_every_place():
    values = np.array([np.roll(np.arange(256), shift) for shift in range(256)])
    texts = [_text(row).encode() for row in values]
    fast = _parse_all(texts, 256)
    assert fast is not None
    assert (fast.reshape(values.shape) == values).all()


_ALPHABET = [b"0", b"7", b"42", b"255", *b"256,300,1000,01,007,0007,, ,\t,-1,x,1.5".split(b",")]


def test_whatever_the_text_the_fast_way_never_says_otherwise_than_the_slow_one():
    rng = np.random.default_rng(1)
    accepted = refused = 0
    for _ in range(4000):
        count = int(rng.integers(1, 4))
        # Mostly plain numbers, so that a good share of the texts is right.
        weights = np.where(np.arange(len(_ALPHABET)) < 4, 20.0, 1.0)
        texts = [
            b" ".join(_ALPHABET[at] for at in rng.choice(len(_ALPHABET), size=words, p=weights / weights.sum()))
            for words in rng.choice([count, count + 1, count + 2], size=int(rng.integers(1, 4)), p=[0.9, 0.05, 0.05])
        ]
        try:
            slow, wrong = [_parse_one(index, text, count) for index, text in enumerate(texts)], -1
        except PixelError as error:
            slow, wrong = [], error.index
        if wrong < 0:
            accepted += 1
            assert parse_pixels(texts, count).tolist() == slow
        else:
            refused += 1
            with pytest.raises(PixelError) as caught:
                parse_pixels(texts, count)
            assert caught.value.index == wrong
    assert min(accepted, refused) > 500


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
