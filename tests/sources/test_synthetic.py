"""Drawn faces: what the generator says of them has to be true of the pictures."""

import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS, FERPLUS_TO_FER, FERPLUS_VOTES, votes_to_labels
from ferkit.sources.synthetic.action_units import ACTION_UNITS, EXPRESSION_ACTION_UNITS, draw_intensities
from ferkit.sources.synthetic.drawing import draw_face
from ferkit.sources.synthetic.generate import SyntheticFaces, SyntheticSettings, _draw, generate
from ferkit.sources.synthetic.non_faces import NON_FACE_KINDS, draw_non_face
from ferkit.sources.synthetic.plan import make_plan

COUNT = 400


@pytest.fixture(scope="module")
def drawn() -> SyntheticFaces:
    return generate(SyntheticSettings(count=COUNT, duplicates=0.08))


@pytest.fixture(scope="module")
def flawless() -> SyntheticFaces:
    return generate(SyntheticSettings(count=700, label_noise=0, duplicates=0, non_faces=0))


def test_a_seed_gives_the_same_bytes_and_another_seed_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of other tests, a process keeps what it drew.
    monkeypatch.setattr("ferkit.sources.synthetic.generate._draw", _draw.__wrapped__)  # type: ignore[attr-defined]
    first, again, other = (generate(SyntheticSettings(count=200, seed=seed)) for seed in (3, 3, 4))
    assert first.faces.content_hash() == again.faces.content_hash()
    assert (first.action_units == again.action_units).all()
    assert len(np.intersect1d(first.faces.picture_hashes(), other.faces.picture_hashes())) <= 2  # black frames


def test_rows_and_splits_are_those_of_a_fer2013_file(drawn: SyntheticFaces) -> None:
    assert drawn.faces.row.tolist() == list(range(COUNT))
    assert drawn.faces.split.tolist() == [0] * 320 + [1] * 40 + [2] * 40


def test_classes_are_as_imbalanced_as_fer2013() -> None:
    plan = make_plan(2400, label_noise=0.1, duplicates=0.03, non_faces=0.01, rng=np.random.default_rng(0))
    counts = np.bincount(plan.label[plan.split == 0])
    by_count = [FER_EMOTIONS[index] for index in np.argsort(-counts)]
    assert by_count == ["happy", "neutral", "sad", "fear", "angry", "surprise", "disgust"]
    fer = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965])
    assert counts / counts.sum() == pytest.approx(fer / fer.sum(), abs=0.001)


@pytest.mark.parametrize("count", [200, 201, 207, 999])
def test_every_split_keeps_two_rightly_labelled_faces_of_every_class(count: int) -> None:
    plan = make_plan(count, label_noise=0.3, duplicates=0.3, non_faces=0.3, rng=np.random.default_rng(1))
    right = (plan.expression >= 0) & (FERPLUS_TO_FER[plan.expression] == plan.label) & (plan.copy_of < 0)
    for split in range(3):
        assert np.bincount(plan.label[right & (plan.split == split)], minlength=7).min() >= 2


def test_a_duplicate_has_the_bytes_of_an_earlier_picture_and_no_other_has(drawn: SyntheticFaces) -> None:
    copies = np.flatnonzero(drawn.duplicate_of >= 0)
    assert len(copies) >= 0.07 * COUNT
    assert (drawn.faces.images[copies] == drawn.faces.images[drawn.duplicate_of[copies]]).all()
    assert (drawn.duplicate_of[copies] < copies).all()
    assert len(np.unique(drawn.faces.picture_hashes())) == COUNT - len(copies)
    assert (drawn.expression[copies] == drawn.expression[drawn.duplicate_of[copies]]).all()


def test_duplicates_lie_within_training_and_across_splits_and_some_conflict() -> None:
    drawn = generate(SyntheticSettings(count=500, duplicates=0.1))
    copies = np.flatnonzero((drawn.duplicate_of >= 0) & drawn.is_face)
    splits, origin = drawn.faces.split[copies], drawn.faces.split[drawn.duplicate_of[copies]]
    assert (origin == 0).all()
    assert np.bincount(splits, minlength=3).min() >= 1
    labels = drawn.faces.label
    conflicts = (labels[copies] != labels[drawn.duplicate_of[copies]]).mean()
    assert 0 < conflicts < 0.4


def test_wrong_labels_differ_from_the_expression_and_right_ones_do_not(drawn: SyntheticFaces) -> None:
    said = FERPLUS_TO_FER[drawn.expression]
    has_label = drawn.is_face & (said >= 0)
    assert (drawn.label_is_wrong == (has_label & (said != drawn.faces.label))).all()
    assert drawn.label_is_wrong.mean() == pytest.approx(0.1, abs=0.03)


def test_nothing_is_wrong_where_nothing_was_asked_for(flawless: SyntheticFaces) -> None:
    assert not flawless.label_is_wrong.any()
    assert flawless.is_face.all()
    assert (flawless.duplicate_of == -1).all()


def test_votes_sum_to_ten_and_say_what_is_drawn(drawn: SyntheticFaces) -> None:
    votes = drawn.faces.votes
    assert votes is not None
    assert (votes.sum(axis=1) == 10).all()
    not_a_face = votes[:, FERPLUS_VOTES.index("NF")]
    assert set(not_a_face[~drawn.is_face]) <= {8, 9, 10}
    assert not_a_face[drawn.is_face].max() == 0
    labels = votes_to_labels(votes, "argmax")
    agrees = labels.label[drawn.is_face] == drawn.expression[drawn.is_face]
    assert 0.9 < agrees.mean() <= 1


def test_contempt_is_drawn_and_has_a_label_of_fer(drawn: SyntheticFaces) -> None:
    contempt = drawn.expression == FERPLUS_EMOTIONS.index("contempt")
    assert contempt.sum() >= 4
    assert not drawn.label_is_wrong[contempt].any()


def test_non_faces_are_of_every_kind_and_no_two_kinds_look_alike() -> None:
    plan = make_plan(600, label_noise=0.1, duplicates=0.03, non_faces=0.01, rng=np.random.default_rng(0))
    kinds, counts = np.unique(plan.kind[plan.kind != ""], return_counts=True)
    assert set(kinds) == set(NON_FACE_KINDS)
    assert counts.min() >= 4
    pictures = {kind: [draw_non_face(kind, np.random.default_rng(seed)) for seed in range(6)] for kind in kinds}
    assert max(picture.max() for picture in pictures["black"]) < 8
    assert max(picture.std() for picture in pictures["flat"]) < 10
    for kind in ("text", "icon", "placeholder", "stripes"):
        assert min(picture.std() for picture in pictures[kind]) > 12


ISSUE = {
    "happiness": {6, 12},
    "sadness": {1, 4, 15},
    "surprise": {1, 2, 5, 26},
    "fear": {1, 2, 4, 5, 20, 26},
    "anger": {4, 5, 7, 23},
    "disgust": {9, 15, 16},
    "contempt": {12, 14},
    "neutral": set(),
}


def test_expressions_are_the_action_units_that_facs_names(drawn: SyntheticFaces) -> None:
    assert {name: set(units) for name, units in EXPRESSION_ACTION_UNITS.items()} == ISSUE
    for row in np.flatnonzero(drawn.is_face):
        active = {unit for unit, value in zip(ACTION_UNITS, drawn.action_units[row], strict=True) if value > 0}
        assert active == ISSUE[FERPLUS_EMOTIONS[drawn.expression[row]]]
    assert drawn.action_units.max() <= 1
    assert not drawn.action_units[~drawn.is_face].any()


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_every_action_unit_changes_the_picture(unit: int) -> None:
    neutral = dict.fromkeys(ACTION_UNITS, 0.0)
    apart = [
        np.abs(
            draw_face(neutral | {unit: 1.0}, one_sided=False, rng=np.random.default_rng(seed)).astype(int)
            - draw_face(neutral, one_sided=False, rng=np.random.default_rng(seed))
        )
        for seed in range(6)
    ]
    assert np.mean([(each > 10).sum() for each in apart]) >= 8


def test_contempt_shows_on_one_side_and_happiness_on_both() -> None:
    def change(expression: str, seed: int) -> float:
        """Share of the change against neutral that lies in the half that changes more, in the mouth's part."""
        one_sided = expression == "contempt"
        intensities = draw_intensities(expression, np.random.default_rng(seed)).tolist()
        none = dict.fromkeys(ACTION_UNITS, 0.0)
        shown = draw_face(
            dict(zip(ACTION_UNITS, intensities, strict=True)), one_sided=one_sided, rng=np.random.default_rng(seed)
        )
        apart = np.abs(shown.astype(int) - draw_face(none, one_sided=one_sided, rng=np.random.default_rng(seed)))[26:]
        halves = apart[:, :24].sum(), apart[:, 24:].sum()
        return float(max(halves) / sum(halves))

    contempt = np.median([change("contempt", seed) for seed in range(12)])
    happiness = np.median([change("happiness", seed) for seed in range(12)])
    assert contempt > happiness + 0.15


def test_pixels_tell_expressions_apart(flawless: SyntheticFaces) -> None:
    from sklearn.linear_model import LogisticRegression

    flat = flawless.faces.images.reshape(len(flawless.faces), -1).astype(np.float32)
    flat = (flat - flat.mean(axis=1, keepdims=True)) / (flat.std(axis=1, keepdims=True) + 1)
    train = flawless.faces.in_split("Training")
    model = LogisticRegression(C=0.01, tol=0.01, max_iter=1000).fit(flat[train], flawless.faces.label[train])
    guess = model.predict(flat[~train])
    truth = flawless.faces.label[~train]
    commonest = np.bincount(truth).max() / len(truth)
    assert (guess == truth).mean() > commonest + 0.12


@pytest.mark.parametrize("wrong", [{"count": 199}, {"label_noise": 0.5}, {"duplicates": -0.1}, {"faces": 3}])
def test_settings_that_cannot_be_drawn_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SyntheticSettings(**wrong)  # type: ignore[arg-type]
