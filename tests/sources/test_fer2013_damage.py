"""A broken fer2013.csv: the line that each mistake in it gets."""

from pathlib import Path

import pytest

from tests.sources.fer2013_files import in_kaggles_order, problem, read_faces, rows_of, write_rows


def test_a_row_of_a_wider_table_that_lacks_a_field(tmp_path, pictures):
    rows = [[str(at), *row] for at, row in enumerate(rows_of(pictures))]
    write_rows(tmp_path / "fer2013.csv", [*rows[:5], rows[5][:3]], ",emotion,pixels,Usage")
    line = problem(tmp_path)
    assert "fer2013.csv row 5 (line 7): 3 fields, expected 4 as in the header" in line
    assert "cut short: fetch it again" in line


@pytest.mark.parametrize("lines", [b"", b"\n", b"emotion,pixels,Usage", b"emotion,pixels,Usage\n\n\n"])
def test_nothing_but_a_header_or_not_even_that(tmp_path, lines):
    (tmp_path / "fer2013.csv").write_bytes(lines)
    line = problem(tmp_path)
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
    write_rows(tmp_path / "fer2013.csv", rows_of(pictures), header)
    line = problem(tmp_path)
    assert "fer2013.csv: the header is " in line
    assert repr(header[:20])[1:-1] in line
    assert line.endswith("expected the columns emotion, pixels, Usage.")


def test_a_file_without_header(tmp_path, pictures):
    write_rows(tmp_path / "fer2013.csv", rows_of(pictures)[1:], ",".join(rows_of(pictures)[0]))
    assert "the header is '0,0 9 10 99" in problem(tmp_path)


def _cut(path: Path, rows: list[list[str]], *, keep_pixels: int, header: str = "emotion,pixels,Usage") -> None:
    """Write `rows` and cut the last one within its pixels."""
    write_rows(path, rows, header)
    content = path.read_bytes()
    last = ",".join(rows[-1]).encode()
    at = content.rindex(last) + last.index(rows[-1][-1 if "Usage, p" in header else 1].encode())
    text = rows[-1][-1 if "Usage, p" in header else 1]
    path.write_bytes(content[: at + len(" ".join(text.split()[:keep_pixels]))])


def test_a_file_cut_within_the_pixels_has_two_fields_left(tmp_path, pictures):
    _cut(tmp_path / "fer2013.csv", rows_of(pictures), keep_pixels=1000)
    line = problem(tmp_path)
    assert "fer2013.csv row 5 (line 7): 2 fields, expected emotion, pixels, Usage" in line
    assert "cut short: fetch it again" in line


def test_a_file_of_kaggles_cut_within_the_pixels_has_too_few(tmp_path, pictures):
    _cut(
        tmp_path / "fer2013.csv", in_kaggles_order(rows_of(pictures)), keep_pixels=1000, header="emotion, Usage, pixels"
    )
    line = problem(tmp_path)
    assert "fer2013.csv row 5 (line 7): 1,000 pixels, expected 2,304 (48x48)" in line
    assert "if the file was cut short, fetch it again" in line


@pytest.mark.parametrize("left", ["2", "2,", "2,7 ", ""])
def test_a_file_cut_at_any_other_place_of_a_row(tmp_path, pictures, left):
    path = write_rows(tmp_path / "fer2013.csv", rows_of(pictures)[:5])
    path.write_bytes(path.read_bytes() + left.encode())
    if left:
        assert "fer2013.csv row 5 (line 7): " in problem(tmp_path)
    else:
        assert len(read_faces(tmp_path)) == 5


def test_a_file_cut_within_usage(tmp_path, pictures):
    path = write_rows(tmp_path / "fer2013.csv", rows_of(pictures))
    path.write_bytes(path.read_bytes()[:-4])
    line = problem(tmp_path)
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
    rows = rows_of(pictures)
    rows[2][1] = change(rows[2][1])
    write_rows(tmp_path / "fer2013.csv", rows)
    line = problem(tmp_path)
    assert line.startswith(f"{tmp_path / 'fer2013.csv'} row 2 (line 4): ")
    assert said in line


def test_rows_whose_pixels_are_right_only_together(tmp_path, pictures):
    rows = rows_of(pictures)
    moved = rows[1][1].split()
    rows[1][1], rows[2][1] = " ".join(moved[:-1]), f"{moved[-1]} {rows[2][1]}"
    write_rows(tmp_path / "fer2013.csv", rows)
    assert "row 1 (line 3): 2,303 pixels" in problem(tmp_path)


@pytest.mark.parametrize("emotion", ["7", "-1", "angry", "", "1.0", "\u0663", "9" * 6000])
def test_an_unknown_emotion(tmp_path, pictures, emotion):
    rows = rows_of(pictures)
    rows[3][0] = emotion
    write_rows(tmp_path / "fer2013.csv", rows)
    line = problem(tmp_path)
    assert f"fer2013.csv row 3 (line 5): unknown emotion {repr(emotion)[:20]}" in line
    assert "0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral" in line


@pytest.mark.parametrize("usage", ["validation", "Test", "", "PublicTest2", "Training " * 500 + "x"])
def test_an_unknown_usage(tmp_path, pictures, usage):
    rows = rows_of(pictures)
    rows[4][2] = usage
    write_rows(tmp_path / "fer2013.csv", rows)
    line = problem(tmp_path)
    assert f"fer2013.csv row 4 (line 6): unknown Usage {repr(usage)[:10]}" in line
    assert line.endswith("expected one of Training, PublicTest, PrivateTest.")


def test_columns_that_are_not_in_the_order_of_the_header(tmp_path, pictures):
    # The whole picture stands where the emotion should.
    write_rows(tmp_path / "fer2013.csv", [[row[1], row[0], row[2]] for row in rows_of(pictures)])
    assert "row 0 (line 2): unknown emotion '0 9 10 99 100 255" in problem(tmp_path)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "fer2013.csv").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 50)
    assert "the header is 'PK" in problem(tmp_path)
