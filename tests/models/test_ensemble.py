import numpy as np
import pytest
from numpy.typing import NDArray

from ferkit.data.labels import Split
from ferkit.errors import ConfigError, DataError
from ferkit.models.ensemble import Ensemble, EnsembleSettings, combine, fit_ensemble
from ferkit.models.predictions import Predictions

COUNT, CLASSES = 1500, 7
GENERATOR = np.random.default_rng(0)
TRUTH = GENERATOR.integers(0, CLASSES, COUNT)
LABELS = np.eye(CLASSES, dtype=np.float32)[TRUTH]


def member(skill: float, split: Split = "PublicTest", noise: float = 1.0) -> Predictions:
    logits = GENERATOR.normal(0, noise, (COUNT, CLASSES)) + skill * LABELS
    odds = np.exp(logits)
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions("fer", split, np.arange(COUNT), probabilities)


def accuracy(predictions: Predictions) -> float:
    return float((predictions.label == TRUTH).mean())


def log_loss(predictions: Predictions) -> float:
    return float(-np.log(predictions.probabilities[np.arange(COUNT), TRUTH]).mean())


MEMBERS = {"noise": member(0.0, noise=3), "good": member(3.0), "weak": member(0.8), "other": member(2.0)}


def test_the_mean_weighs_all_alike() -> None:
    ensemble = fit_ensemble(MEMBERS, LABELS, EnsembleSettings(method="mean"))
    assert ensemble.weights == pytest.approx((0.25,) * 4)
    mean = np.mean([each.probabilities for each in MEMBERS.values()], axis=0)
    np.testing.assert_allclose(combine(MEMBERS, ensemble).probabilities, mean, atol=1e-6)


@pytest.mark.parametrize("objective", ["accuracy", "log_loss"])
def test_weights_favour_the_planted_good_member_and_ignore_noise(objective: str) -> None:
    ensemble = fit_ensemble(MEMBERS, LABELS, EnsembleSettings.model_validate({"objective": objective}))
    weights = dict(zip(ensemble.members, ensemble.weights, strict=True))
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights, key=weights.__getitem__) == "good"
    # Greedy selection hands out hundredths to whatever breaks a tie.
    assert weights["noise"] < (0.1 if objective == "accuracy" else 0.001)
    mean = fit_ensemble(MEMBERS, LABELS, EnsembleSettings(method="mean"))
    assert accuracy(combine(MEMBERS, ensemble)) > accuracy(combine(MEMBERS, mean)) + 0.02


def test_greedy_selection_mixes_members_that_know_different_things() -> None:
    members = {"noise": MEMBERS["noise"], "one": member(2.0), "two": member(2.0), "three": member(2.0)}
    mixed = accuracy(combine(members, fit_ensemble(members, LABELS, EnsembleSettings())))
    mean = accuracy(combine(members, fit_ensemble(members, LABELS, EnsembleSettings(method="mean"))))
    assert mixed > mean + 0.02
    assert mixed > max(accuracy(each) for each in members.values()) + 0.05


def test_log_loss_weights_are_the_optimum_on_the_simplex() -> None:
    from scipy.optimize import minimize

    ensemble = fit_ensemble(MEMBERS, LABELS, EnsembleSettings(objective="log_loss"))
    right = np.stack([each.probabilities[np.arange(COUNT), TRUTH] for each in MEMBERS.values()]).astype(float)
    best = minimize(
        lambda weights: -np.log(weights @ right).mean(),
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        tol=1e-12,
    )
    np.testing.assert_allclose(ensemble.weights, best.x, atol=2e-3)
    assert log_loss(combine(MEMBERS, ensemble)) <= best.fun + 1e-5


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 33, 85, 202])
def test_never_worse_than_the_mean_or_than_the_best_member_on_public_test(seed: int) -> None:
    generator = np.random.default_rng(seed)
    few = 10
    labels = np.eye(CLASSES, dtype=np.float32)[generator.integers(0, CLASSES, few)]
    members = {}
    for name in "abcde":
        odds = np.exp(generator.normal(0, 1, (few, CLASSES)) + generator.uniform(0, 2) * labels)
        members[name] = Predictions(
            "fer", "PublicTest", np.arange(few), (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        )
    truth = labels.argmax(axis=1)

    def judge(settings: EnsembleSettings) -> tuple[float, float]:
        mixed = combine(members, fit_ensemble(members, labels, settings))
        return float((mixed.label == truth).mean()), float(-np.log(mixed.probabilities[labels > 0]).mean())

    mean = judge(EnsembleSettings(method="mean"))
    alone = max(float((each.label == truth).mean()) for each in members.values())
    assert judge(EnsembleSettings(objective="accuracy"))[0] >= max(mean[0], alone)
    assert judge(EnsembleSettings(objective="log_loss"))[1] <= mean[1] + 1e-6


def test_soft_labels_are_fitted_too() -> None:
    """A mixture of two models that is itself the label distribution is found again."""
    labels = 0.7 * MEMBERS["good"].probabilities + 0.3 * MEMBERS["other"].probabilities
    ensemble = fit_ensemble(MEMBERS, labels, EnsembleSettings(objective="log_loss"))
    assert dict(zip(ensemble.members, ensemble.weights, strict=True)) == pytest.approx(
        {"good": 0.7, "other": 0.3, "noise": 0.0, "weak": 0.0}, abs=0.01
    )


def test_members_name_a_subset_in_any_order() -> None:
    ensemble = fit_ensemble(MEMBERS, LABELS, EnsembleSettings(members=("weak", "good")))
    assert ensemble.members == ("weak", "good")
    assert combine(MEMBERS, ensemble).row.tolist() == list(range(COUNT))
    with pytest.raises(ConfigError, match=r"\['vggface'\] were not trained; models of this run: noise, good"):
        fit_ensemble(MEMBERS, LABELS, EnsembleSettings(members=("good", "vggface")))


def test_a_single_member_is_its_own_ensemble() -> None:
    ensemble = fit_ensemble({"good": MEMBERS["good"]}, LABELS, EnsembleSettings())
    assert ensemble.weights == (1.0,)
    np.testing.assert_allclose(combine(MEMBERS, ensemble).probabilities, MEMBERS["good"].probabilities, atol=1e-6)


@pytest.mark.parametrize("method", ["mean", "weighted"])
@pytest.mark.parametrize("split", ["PrivateTest", "Training"])
def test_weights_come_from_public_test_only(split: Split, method: str) -> None:
    members = {"a": member(1.0, split), "b": member(2.0, split)}
    with pytest.raises(DataError, match=f"'a' predicts {split}; weights may be found on PublicTest only"):
        fit_ensemble(members, LABELS, EnsembleSettings.model_validate({"method": method}))


def test_weights_of_public_test_combine_private_test() -> None:
    ensemble = Ensemble("fer", "weighted", ("a", "b"), (0.25, 0.75))
    members = {"a": member(1.0, "PrivateTest"), "b": member(2.0, "PrivateTest")}
    mixed = combine(members, ensemble)
    assert mixed.split == "PrivateTest"
    expected = 0.25 * members["a"].probabilities + 0.75 * members["b"].probabilities
    np.testing.assert_allclose(mixed.probabilities, expected, atol=1e-6)


def test_other_pictures_or_another_order_are_refused() -> None:
    good = MEMBERS["good"]
    shuffled = Predictions("fer", "PublicTest", good.row[::-1].copy(), good.probabilities)
    with pytest.raises(DataError, match="expected the same pictures in the same order"):
        fit_ensemble({"good": good, "shuffled": shuffled}, LABELS, EnsembleSettings())
    with pytest.raises(DataError, match=r"no predictions of its members \['b'\]"):
        combine({"a": good}, Ensemble("fer", "mean", ("a", "b"), (0.5, 0.5)))
    with pytest.raises(DataError, match=r"labels of shape \(1499, 7\), expected \(1500, 7\)"):
        fit_ensemble(MEMBERS, LABELS[1:], EnsembleSettings())


def test_json_round_trip() -> None:
    ensemble = fit_ensemble(MEMBERS, LABELS, EnsembleSettings())
    assert Ensemble.from_json(ensemble.to_json()) == ensemble
    with pytest.raises(DataError, match="not the JSON that ferkit writes"):
        Ensemble.from_json('{"members": ["a"]}')
    with pytest.raises(DataError, match="sum to 1"):
        Ensemble("fer", "mean", ("a", "b"), (0.5, 0.6))
    with pytest.raises(DataError, match="one weight for each"):
        Ensemble("fer", "mean", ("a", "b"), (1.0,))


def with_probabilities(change: NDArray[np.float32]) -> Predictions:
    return Predictions("fer", "PublicTest", np.array([4, 7]), change)


def test_predictions_are_checked() -> None:
    fine = np.full((2, CLASSES), 1 / CLASSES, dtype=np.float32)
    assert len(with_probabilities(fine)) == 2
    logits = fine.copy()
    logits[1] = [3, -1, 0, 0, 0, 0, -1]
    with pytest.raises(DataError, match=r"row 7.*softmax"):
        with_probabilities(logits)
    lost = fine.copy()
    lost[0] = np.nan
    with pytest.raises(DataError, match=r"row 4.*NaN"):
        with_probabilities(lost)
    with pytest.raises(DataError, match=r"float32 \(2, 8\), expected float32 \(2, 7\)"):
        with_probabilities(np.full((2, 8), 1 / 8, dtype=np.float32))
    with pytest.raises(DataError, match="a row occurs twice"):
        Predictions("fer", "PublicTest", np.array([4, 4]), fine)
    with pytest.raises(DataError, match="split 'test'"):
        Predictions("fer", "test", np.array([4, 7]), fine)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="read-only"):
        with_probabilities(fine).probabilities[0] = 0


def test_predictions_hash_their_content() -> None:
    good = MEMBERS["good"]
    same = Predictions("fer", "PublicTest", good.row.copy(), good.probabilities.copy())
    assert same.content_hash() == good.content_hash()
    assert Predictions("fer", "PrivateTest", good.row, good.probabilities).content_hash() != good.content_hash()
    assert MEMBERS["other"].content_hash() != good.content_hash()
