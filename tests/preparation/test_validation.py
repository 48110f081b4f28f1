"""Validation: what stops a run, what is put aside, and what only gives a warning."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_TO_FER, FERPLUS_VOTES, SPLITS
from ferkit.errors import DataError
from ferkit.preparation.validation import ValidationResult, validate
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

_TRAINING, _PUBLIC, _PRIVATE = 0, 1, 2


def _votes_for(label: np.ndarray) -> np.ndarray:
    """Ten votes, eight of them for the FER+ emotion of each FER label."""
    emotion = np.array([int(np.flatnonzero(each == FERPLUS_TO_FER)[0]) for each in label])
    votes = np.zeros((len(label), len(FERPLUS_VOTES)), dtype=np.uint8)
    votes[np.arange(len(label)), emotion] = 8
    votes[:, FERPLUS_VOTES.index("unknown")] = 2
    return votes


@pytest.fixture(scope="module")
def clean() -> FaceDataset:
    """140 Training, 35 PublicTest and 35 PrivateTest pictures without a flaw; rows counted from 1000."""
    split = np.repeat([_TRAINING, _PUBLIC, _PRIVATE], [140, 35, 35]).astype(np.int8)
    label = (np.arange(len(split)) % len(FER_EMOTIONS)).astype(np.int8)
    images = np.random.default_rng(0).integers(0, 256, (len(split), SIZE, SIZE), dtype=np.uint8)
    return FaceDataset(images, label, split, np.arange(1000, 1000 + len(split), dtype=np.int64), _votes_for(label))


def _changed(faces: FaceDataset, field: str, at: object, value: object) -> FaceDataset:
    array = getattr(faces, field).copy()
    array[at] = value
    return replace(faces, **{field: array})


def _failed(result) -> dict[tuple[str, str], int]:
    table = result.expectations[~result.expectations.passed]
    return {(line.subject, line.expected.split()[-1]): line.unexpected for line in table.itertuples()}


def _problems(faces: FaceDataset, **settings: object) -> list[str]:
    with pytest.raises(DataError) as caught:
        validate(faces, ValidationSettings(**settings))
    *lines, last = str(caught.value).splitlines()
    assert last == "The data is not fit to train on; nothing was trained."
    return lines


@pytest.fixture(scope="module")
def passed(clean) -> ValidationResult:
    return validate(clean, ValidationSettings())


def test_clean_data_passes_every_expectation_and_stays_whole(clean, passed):
    assert passed.faces.content_hash() == clean.content_hash()
    assert passed.quarantined.empty
    table = passed.expectations
    assert table.passed.all()
    assert list(table) == ["expectation", "subject", "severity", "passed", "observed", "expected", "unexpected"]
    assert table.passed.dtype == bool
    assert table.unexpected.dtype == np.int64
    assert set(table.severity) == {"fatal", "quarantine", "warning"}
    counts = table.set_index("subject").observed
    assert counts["Training pictures"] == "140"
    assert counts["disgust Training pictures"] == "20"


def test_an_empty_quarantine_has_the_types_of_a_full_one(clean, passed):
    empty, full = passed.quarantined, validate(_changed(clean, "images", 5, 7), ValidationSettings()).quarantined
    assert len(empty) == 0
    assert len(full) == 1
    assert list(empty) == ["row", "sha256", "split", "reason"]
    assert empty["row"].dtype == full["row"].dtype == np.int64
    for name in ("sha256", "split", "reason"):
        # pandas calls them str or object, depending on its version; numbers they are not.
        assert not np.issubdtype(empty[name].to_numpy().dtype, np.number), name


def test_no_pictures_at_all(clean):
    with pytest.raises(DataError, match="the data has no pictures"):
        validate(clean.take(np.zeros(len(clean), dtype=bool)), ValidationSettings())


@pytest.mark.parametrize(
    ("field", "at", "value", "problem"),
    [
        ("row", 3, 1002, "row numbers: 2 of 210 (rows 1002, 1002), expected each to occur once."),
        ("split", 4, 3, "unknown splits: 1 of 210 (row 1004), expected one of Training, PublicTest, PrivateTest."),
        ("split", 4, 99, "unknown splits: 1 of 210 (row 1004), expected one of Training, PublicTest, PrivateTest."),
        ("split", 4, -1, "unknown splits: 1 of 210 (row 1004), expected one of Training, PublicTest, PrivateTest."),
        ("label", 150, 7, "labels out of range: 1 of 210 (row 1150), expected numbers 0..6."),
        ("label", 150, 99, "labels out of range: 1 of 210 (row 1150), expected numbers 0..6."),
        ("label", 150, -1, "labels out of range: 1 of 210 (row 1150), expected numbers 0..6."),
        ("votes", (9, 0), 9, "pictures with too many FER+ votes: 1 of 210 (row 1009), expected at most 10 votes each."),
        ("votes", slice(8, 30), 0, "pictures without FER+ votes: 22 of 210 (rows 1008, 1009, 1010, 1011, 1012, ...), "
         "expected at most 5.0% of all."),
    ],
)  # fmt: skip
def test_one_flaw_is_one_line(clean, field, at, value, problem):
    assert _problems(_changed(clean, field, at, value)) == [problem]


def test_every_problem_has_its_line(clean):
    faces = clean.take(~((clean.label == FER_EMOTIONS.index("disgust")) & (clean.split == _TRAINING)))
    faces = faces.take(faces.split != _PUBLIC)
    faces = _changed(faces, "images", slice(0, 10), 0)
    lines = _problems(faces, minimum_training=121)
    assert lines == [
        "Training pictures: 120, expected at least 121.",
        "PublicTest pictures: 0, expected at least 20.",
        "disgust Training pictures: 0, expected at least 2.",
        "constant pictures: 10 of 155 (rows 1000, 1002, 1003, 1004, 1005, ...), expected at most 2.0% of all.",
    ]


def test_thresholds_are_inclusive(clean):
    enough = {"minimum_training": 140, "minimum_evaluation": 35, "minimum_class": 20}
    validate(clean, ValidationSettings(**enough))
    lines = _problems(clean, **{setting: count + 1 for setting, count in enough.items()})
    assert lines == [
        "Training pictures: 140, expected at least 141.",
        "PublicTest pictures: 35, expected at least 36.",
        "PrivateTest pictures: 35, expected at least 36.",
        *(f"{name} Training pictures: 20, expected at least 21." for name in FER_EMOTIONS),
    ]


def test_votes_shifted_by_a_row_are_found(clean):
    shifted = replace(clean, votes=np.roll(clean.votes, 1, axis=0))
    (line,) = _problems(shifted)
    assert line.startswith("pictures whose FER+ emotion is not their FER label: 210 of 210 (rows 1000, ")
    assert "fer2013new.csv is not in the order of fer2013.csv" in line
    validate(shifted, ValidationSettings(minimum_agreement=0))


def test_agreement_is_not_asked_of_pictures_that_nobody_called_an_emotion(clean):
    only_nf = np.zeros(len(FERPLUS_VOTES), dtype=np.uint8)
    only_nf[FERPLUS_VOTES.index("NF")] = 10
    faces = _changed(clean, "votes", slice(0, 130), only_nf)
    result = validate(faces, ValidationSettings(minimum_agreement=1))
    line = result.expectations.set_index("subject").loc["pictures whose FER+ emotion is not their FER label"]
    assert line.observed == "0 of 80"


def test_without_ferplus_nothing_is_said_of_votes(clean):
    table = validate(replace(clean, votes=None), ValidationSettings()).expectations
    assert not table.subject.str.contains("FER+", regex=False).any()
    assert table.passed.all()


def test_constant_pictures_leave_training_only(clean):
    faces = _changed(clean, "images", 20, 255)
    faces = _changed(faces, "images", 150, 128)
    result = validate(faces, ValidationSettings())
    assert result.quarantined.row.tolist() == [1020]
    line = result.quarantined.iloc[0]
    assert line.reason == "one grey level throughout"
    assert line.split == "Training"
    assert line.sha256 == faces.picture_hashes()[20]
    assert 1020 not in result.faces.row
    assert 1150 in result.faces.row
    assert result.faces.in_split("PublicTest").sum() == 35
    assert _failed(result) == {
        ("one grey level throughout", "Training"): 1,
        ("one grey level throughout", "PrivateTest"): 1,
    }
    kept = validate(faces, ValidationSettings(constant="keep"))
    assert kept.quarantined.empty
    assert len(kept.faces) == len(faces)


@pytest.fixture(scope="module")
def with_copies(clean: FaceDataset) -> FaceDataset:
    """Equal are rows 1000, 1007, 1014; 1001 and 1141 (PublicTest); 1142 and 1177 (PrivateTest); 1003 and 1009."""
    faces = clean
    for copy, of in ((7, 0), (14, 0), (141, 1), (177, 142), (9, 3)):
        faces = _changed(faces, "images", copy, clean.images[of])
    return faces


def test_copies_are_kept_and_counted_by_default(with_copies):
    result = validate(with_copies, ValidationSettings())
    assert len(result.faces) == len(with_copies)
    assert result.quarantined.empty
    copy = "exact copy in another split"
    assert _failed(result) == {
        ("exact copy of an earlier picture of the split", "Training"): 3,
        (copy, "Training"): 1,
        (copy, "PrivateTest"): 3,
        ("exact copy with another label", "Training"): 2,
    }


@pytest.mark.parametrize(
    ("setting", "rows"),
    [
        # The first of equal pictures stays.
        ("copies_in_training", [1007, 1009, 1014]),
        ("copies_across_splits", [1001]),
        # Nobody knows which label is right: both go.
        ("conflicting_labels", [1003, 1009]),
    ],
)
def test_copies_can_be_put_aside(with_copies, setting, rows):
    result = validate(with_copies, ValidationSettings(**{setting: "quarantine"}))
    assert result.quarantined.row.tolist() == rows
    assert set(with_copies.row) - set(result.faces.row) == set(rows)
    assert result.faces.votes.shape == (len(result.faces), len(FERPLUS_VOTES))


def test_a_row_with_two_reasons_has_two_lines_and_goes_once(with_copies):
    result = validate(with_copies, ValidationSettings(copies_in_training="quarantine", conflicting_labels="quarantine"))
    reasons = result.quarantined[result.quarantined.row == 1009].reason.tolist()
    assert reasons == ["exact copy of an earlier picture of the split", "exact copy with another label"]
    assert len(result.faces) == len(with_copies) - 4


def test_quarantine_that_takes_too_much_stops_the_run(clean):
    disgust = FER_EMOTIONS.index("disgust")
    of_class = np.flatnonzero((clean.label == disgust) & (clean.split == _TRAINING))
    faces = _changed(clean, "images", of_class, 9)
    lines = _problems(faces, maximum_constant=0.5, maximum_copies=0.5, minimum_training=130)
    assert lines == [
        "Training pictures after quarantine: 120, expected at least 130.",
        "disgust Training pictures after quarantine: 0, expected at least 2.",
    ]


def test_too_many_copies(with_copies):
    lines = _problems(with_copies, maximum_copies=0.02)
    assert [line.split(":")[0] for line in lines] == ["pictures with a copy in their split"]
    assert "5 of 210 (rows 1000, 1003, 1007, 1009, 1014), expected at most 2.0% of all" in lines[0]


def test_the_page_needs_no_network_and_says_what_came_of_it(with_copies):
    page = validate(_changed(with_copies, "images", 20, 0), ValidationSettings()).data_docs
    assert page.count("</html>") == 1
    assert "<script" not in page.lower()
    assert "<link" not in page.lower()
    assert not re.search(r"https?://", page)
    assert all(target.startswith("#") for target in re.findall(r'(?:href|src)="([^"]*)"', page))
    summary = re.search(r'<p class="summary">(.*?)</p>', page).group(1)
    assert summary.startswith("Fit to train on: 0 of 23 fatal expectations failed, 1 pictures were put aside, ")
    assert "Training pictures: at least 100; if not, the run stops" in page
    assert "1007" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_training": 0},
        {"maximum_constant": 1.5},
        {"minimum_agreement": -0.1},
        {"constant": "drop"},
        {"minimum_trainng": 3},
    ],
)
def test_settings_are_strict(wrong):
    with pytest.raises(ValidationError):
        ValidationSettings(**wrong)


def test_the_flaws_of_synthetic_faces_are_found():
    drawn = generate(SyntheticSettings(count=400, seed=3))
    faces = drawn.faces
    result = validate(faces, ValidationSettings(copies_in_training="quarantine"))
    constant = faces.images.reshape(len(faces), -1).std(axis=1) == 0
    training = faces.in_split("Training")
    by_reason = result.quarantined.groupby("reason").row.apply(set).to_dict()
    assert by_reason["one grey level throughout"] == set(faces.row[constant & training])
    # A Training picture's first copy is an earlier Training picture: Training comes first.
    assert by_reason["exact copy of an earlier picture of the split"] == set(
        faces.row[(drawn.duplicate_of >= 0) & training]
    )
    assert len(by_reason["exact copy of an earlier picture of the split"]) > 0


@pytest.mark.skipif(
    not os.environ.get("FERKIT_TEST_DATA"), reason="FERKIT_TEST_DATA names no folder with a FER-2013 sample"
)
def test_real_faces_pass_and_shifted_votes_do_not():
    faces = load_fer2013(Fer2013Settings(path=Path(os.environ["FERKIT_TEST_DATA"]), ferplus="required"))
    result = validate(faces, ValidationSettings())
    assert set(result.quarantined.split) <= {"Training"}
    assert result.faces.in_split("PrivateTest").sum() == faces.in_split("PrivateTest").sum()
    (line,) = _problems(replace(faces, votes=np.roll(faces.votes, 1, axis=0)))
    assert "not in the order" in line
    assert SPLITS[0] not in line
