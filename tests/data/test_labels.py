import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS, FERPLUS_TO_FER, FERPLUS_VOTES, votes_to_labels
from ferkit.errors import DataError

#             neu hap sur sad ang dis fea con unk NF
ONE_SIDED = [9, 0, 0, 1, 0, 0, 0, 0, 0, 0]
SPLIT = [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]
CONTEMPT = [0, 1, 0, 0, 0, 0, 0, 8, 1, 0]
NOT_A_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 9]
HALF_UNKNOWN = [5, 0, 0, 0, 0, 0, 0, 0, 5, 0]
SINGLES = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def labels(row, protocol):
    made = votes_to_labels(np.array([row], dtype=np.uint8), protocol)
    return bool(made.keep[0]), made.distribution[0]


def test_every_protocol_keeps_a_clear_face_and_drops_what_is_none():
    for protocol in ("majority", "majority_7", "probability", "multi_target", "argmax"):
        keep, distribution = labels(ONE_SIDED, protocol)
        assert keep
        assert distribution.argmax() == 0
        assert distribution.sum() == pytest.approx(1)
        assert not labels(NOT_A_FACE, protocol)[0]


def test_majority_needs_more_than_half_of_what_is_left_after_single_votes():
    assert not labels(SPLIT, "majority")[0]
    # 4 of 8 after the single vote is gone is not more than half; 5 of 9 is.
    keep, distribution = labels([5, 0, 0, 1, 2, 2, 0, 0, 0, 0], "majority")
    assert keep
    assert distribution.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_majority_7_leaves_contempt_out():
    assert labels(CONTEMPT, "majority")[0]
    assert not labels(CONTEMPT, "majority_7")[0]


def test_probability_is_the_distribution_of_the_votes_without_single_ones():
    keep, distribution = labels(SPLIT, "probability")
    assert keep
    # 4 + 3 of 9 votes are 78 %: enough, so that the 2 votes for disgust are left out.
    np.testing.assert_allclose(distribution, [4 / 7, 0, 0, 0, 3 / 7, 0, 0, 0], rtol=1e-6)


def test_an_unknown_that_ties_ends_the_distribution_before_it():
    keep, distribution = labels(HALF_UNKNOWN, "probability")
    assert not keep
    assert distribution.sum() == 0


def test_multi_target_takes_all_with_three_tenths():
    keep, distribution = labels([4, 0, 0, 0, 4, 2, 0, 0, 0, 0], "multi_target")
    assert keep
    np.testing.assert_allclose(distribution[[0, 4, 5]], [0.5, 0.5, 0])


def test_single_votes_alone_are_no_label():
    for protocol in ("majority", "probability", "multi_target"):
        assert not labels(SINGLES, protocol)[0]


def test_label_of_a_left_out_picture_is_minus_one():
    made = votes_to_labels(np.array([ONE_SIDED, NOT_A_FACE], dtype=np.uint8), "majority")
    assert made.label.tolist() == [0, -1]


def test_votes_of_another_length_are_refused():
    with pytest.raises(DataError, match=r"\(2, 8\), expected \(rows, 10\)"):
        votes_to_labels(np.zeros((2, 8), dtype=np.uint8), "majority")


def test_ferplus_maps_to_fer_by_meaning():
    pairs = {FERPLUS_EMOTIONS[i]: FER_EMOTIONS[fer] for i, fer in enumerate(FERPLUS_TO_FER) if fer >= 0}
    assert pairs == {
        "neutral": "neutral",
        "happiness": "happy",
        "surprise": "surprise",
        "sadness": "sad",
        "anger": "angry",
        "disgust": "disgust",
        "fear": "fear",
    }


def authors_reader(votes, mode):
    """The rules of FER+'s published reader for one row, as its authors state them."""
    raw = [0.0 if vote <= 1 else float(vote) for vote in votes]
    total, out = sum(raw), [0.0] * 10
    unknown = [0.0] * 8 + [1.0, 0.0]
    if mode == "majority":
        if max(raw) <= 0.5 * total:
            return unknown
        out[int(np.argmax(raw))] = max(raw)
        return out
    if mode == "multi_target":
        out = [vote if vote >= 0.3 * total else 0.0 for vote in raw]
        return unknown if sum(out) <= 0.5 * total else out
    taken, count, valid = 0.0, 0, True
    while taken < 0.75 * total and count < 3 and valid:
        largest = max(raw)
        for index in range(10):
            if raw[index] != largest:
                continue
            out[index], raw[index] = largest, 0.0
            taken += largest
            count += 1
            if index >= 8:
                valid = False
                if sum(out) > largest:
                    out[index] = 0.0
                    count -= 1
                break
    return unknown if sum(out) <= 0.5 * total or count > 3 else out


@pytest.mark.parametrize("protocol", ["majority", "probability", "multi_target"])
def test_protocols_agree_with_the_authors_reader_on_random_votes(protocol):
    generator = np.random.default_rng(0)
    votes = np.stack([generator.multinomial(10, generator.dirichlet(np.full(10, 0.4))) for _ in range(3000)])
    made = votes_to_labels(votes.astype(np.uint8), protocol)
    expected = np.array([authors_reader(row, protocol) for row in votes])
    keep = (expected.sum(axis=1) > 0) & (expected.argmax(axis=1) < 8)
    np.testing.assert_array_equal(made.keep, keep)
    emotions = expected[keep][:, :8]
    np.testing.assert_allclose(made.distribution[keep], emotions / emotions.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.skipif(
    not os.environ.get("FERKIT_TEST_DATA"), reason="FERKIT_TEST_DATA names no folder with a FER-2013 sample"
)
def test_real_votes_keep_about_the_published_share():
    table = pd.read_csv(Path(os.environ["FERKIT_TEST_DATA"]) / "fer2013new.csv")
    votes = table[list(FERPLUS_VOTES)].to_numpy(np.uint8)
    share = {
        protocol: votes_to_labels(votes, protocol).keep.mean() for protocol in ("majority", "probability", "argmax")
    }
    # 31,412, 34,966 and 35,488 of 35,887.
    assert share == pytest.approx({"majority": 0.875, "probability": 0.974, "argmax": 0.989}, abs=0.03)
