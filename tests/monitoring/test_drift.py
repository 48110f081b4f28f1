"""Drift: a batch that is like the training data raises no alarm, one that is not does, and says in what."""

import numpy as np
import pytest

from ferkit.data.labels import FER_EMOTIONS
from ferkit.monitoring.drift import Baseline, Change, DriftSettings, _judged, drift
from tests.inference.test_resumable_table import classify
from tests.monitoring.batches import by_name, moved, table


@pytest.mark.parametrize("size", [40, 400])
def test_what_is_alike_raises_no_alarm(faces, size):
    alarms, tests = 0, 0
    rng = np.random.default_rng(1)
    whole = Baseline.of_table(table(faces[:2000]))
    for _ in range(20):
        changes = drift(table(faces[3000 + rng.permutation(1000)[:size]]), whole)
        alarms += bool(moved(changes))
        tests += sum(bool(change.measure) for change in changes)
    # With alpha at 0.01, two or more of twenty would come in 2 % of all cases even if nothing but alpha held them back.
    assert alarms <= 1
    assert tests == 20 * (3 + 2 + 2 + 1 + 1 + 7)


def test_p_values_hold_without_the_least_sizes(faces):
    """The tests alone, of pairs of samples: significant as often as alpha says, or less."""
    settings = DriftSettings(alpha=0.1, least_ks=0, least_psi=0, least_h=0)
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(40):
        chosen = rng.permutation(4000)
        before, now = table(faces[chosen[:500]]), table(faces[chosen[500:700]])
        alarms += bool(moved(drift(now, Baseline.of_table(before), settings)))
    # 4 are expected at most; 10 or more would come in 0.5 % of all cases.
    assert alarms <= 9


def test_dark_pictures_are_dark(faces):
    dark = (faces[3000:3400] * 0.5).astype(np.uint8)
    changes = by_name(drift(table(dark), Baseline.of_table(table(faces[:3000]))))
    assert changes["brightness"].verdict == changes["contrast"].verdict == "moved"
    assert changes["sharpness"].verdict != "moved"
    low, high = (np.median(images.mean(axis=(1, 2))) for images in (dark, faces[:3000]))
    assert float(changes["brightness"].batch.split()[0]) == pytest.approx(low, abs=1)
    assert float(changes["brightness"].training.split()[0]) == pytest.approx(high, abs=1)


def test_blurred_pictures_are_blurred(faces):
    coarse = faces[3000:3400].reshape(400, 16, 3, 16, 3).mean(axis=(2, 4)).repeat(3, axis=1).repeat(3, axis=2)
    smooth = np.stack([np.apply_along_axis(np.convolve, 1, face, np.ones(3) / 3, mode="same") for face in coarse])
    changes = by_name(drift(table(smooth.astype(np.uint8)), Baseline.of_table(table(faces[:3000]))))
    assert changes["sharpness"].verdict == "moved"
    assert changes["brightness"].verdict != "moved"


def test_only_happy_pictures(faces):
    images = faces[:2000]
    probabilities = classify(images) ** 8
    happy = probabilities[:, :].copy()
    happy[:, FER_EMOTIONS.index("happy")] += 1
    changes = by_name(
        drift(table(images, probabilities=happy), Baseline.of_table(table(images, probabilities=probabilities)))
    )
    assert changes["emotions together"].verdict == changes["happy"].verdict == "moved"
    assert (changes["happy"].batch, changes["emotions together"].batch) == ("100.0 %", "2,000 faces")
    assert not {"brightness", "contrast", "sharpness"} & moved(changes.values())


def test_a_trifle_in_many_faces_is_no_alarm(faces):
    images = np.concatenate([faces] * 3)
    brighter = np.clip(images.astype(int) + 3, 0, 255).astype(np.uint8)
    changes = by_name(drift(table(brighter), Baseline.of_table(table(images))))
    assert changes["brightness"].verdict == "slightly"
    assert changes["brightness"].p < 0.01
    assert 0 < changes["brightness"].distance < 0.1


def test_a_difference_that_may_be_chance_is_unclear(faces):
    few = by_name(drift(table(faces[3000:3006] // 2), Baseline.of_table(table(faces[:3000]))))
    assert few["brightness"].verdict in ("unclear", "moved")
    assert {change.verdict for change in few.values() if change.measure} >= {"unclear"}


def test_sizes_and_pictures_without_a_face_are_held_against_a_table(faces):
    before = Baseline.of_table(table(faces[:400], boxes=[100 + index % 50 for index in range(400)], faceless=20))
    now = table(faces[:400], boxes=[40 + index % 50 for index in range(400)], faceless=200)
    changes = by_name(drift(now, before))
    assert moved(changes.values()) == {"face size", "pictures without a face"}
    assert (changes["pictures without a face"].training, changes["pictures without a face"].batch) == (
        "4.8 %",
        "33.3 %",
    )
    assert changes["face size"].distance == 1


def test_corrected_p_values_are_holms():
    changes = [Change(str(p), "", "", "h", 1.0, p) for p in (0.01, 0.04, 0.03)] + [Change("none", "", "")]
    judged = _judged(changes, DriftSettings(alpha=0.05))
    assert [change.p for change in judged] == pytest.approx([0.03, 0.06, 0.06, 1.0])
    assert [change.verdict for change in judged] == ["moved", "unclear", "unclear", ""]
