"""The content of a run's report: noise for pictures, two targets, a network and an ensemble of known skill."""

import numpy as np
import pandas as pd

from ferkit.data.dataset import FaceDataset
from ferkit.data.targets import TargetSettings, labelled
from ferkit.evaluation.evaluate import Evaluation, evaluate
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.reporting.content import ReportContent

SETTINGS = EvaluationSettings(bootstrap=200, grid=8)


def make_faces() -> FaceDataset:
    generator = np.random.default_rng(0)
    count = 240
    votes = generator.multinomial(10, [0.08] * 8 + [0.18] * 2, size=count).astype(np.uint8)
    votes[np.arange(count), generator.integers(0, 8, count)] += 10
    return FaceDataset(
        generator.integers(0, 256, (count, 48, 48)).astype(np.uint8),
        (np.arange(count) % 7).astype(np.int8),
        np.repeat([0, 1, 2], 80).astype(np.int8),
        np.arange(count) + 100,
        votes,
    )


def judged(faces: FaceDataset, target: TargetSettings, model: str, skill: float) -> Evaluation:
    generator = np.random.default_rng(len(model))
    predictions = []
    for split in ("PublicTest", "PrivateTest"):
        kept, labels = labelled(faces.of_split(split), target)
        odds = np.exp(generator.normal(0, 1, labels.shape) + skill * labels)
        probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        predictions.append(Predictions(target.name, split, kept.row, probabilities, target.class_names(faces.classes)))
    return evaluate(model, predictions, faces, target, SETTINGS, seed=0)


def make_content(**changes: object) -> ReportContent:
    faces = make_faces()
    targets = [TargetSettings(), TargetSettings(name="ferplus")]
    history = pd.DataFrame(
        {
            "epoch": [0, 1],
            "phase": ["head", "network"],
            "loss": [2.0, 1.0],
            "accuracy": [0.2, 0.4],
            "val_loss": [2.0, 1.5],
            "val_accuracy": [0.2, 0.3],
            "learning_rate": [1e-3, 1e-4],
        }
    )
    fields: dict[str, object] = {
        "config": 'name: study\nnote: "``` <script>alert(1)</script>"\n',
        "seed": 42,
        "data_hash": faces.content_hash(),
        "commit": "0123abc",
        "versions": {"keras": "3.15.1"},
        "stages": {"as read": faces, "cleaned": faces.take(np.arange(3, 240))},
        "expectations": pd.DataFrame({"expectation": ["2,304 pixels | row"], "passed": [True]}),
        "quarantined": pd.DataFrame({"row": np.arange(25), "reason": "constant picture"}),
        "manifest": pd.DataFrame(
            {
                "row": [100, 101, 200],
                "split": ["Training", "Training", "PublicTest"],
                "score": [0.91, 0.62, 0.97],
                "reason": ["flat", "text", "flat"],
                "dropped": [True, True, False],
            }
        ),
        "training_sets": {
            target.name: oversample(
                faces, target, BalancingSettings(method="smote", neighbours=1, class_weight=True), 0
            )
            for target in targets
        },
        "histories": {(target.name, "fernet"): history for target in targets},
        "ensembles": {
            target.name: Ensemble(target.name, "weighted", ("fernet", "b"), (0.7, 0.3)) for target in targets
        },
        "evaluations": [
            judged(faces, target, model, skill)
            for target in targets
            for model, skill in (("fernet", 1.5), ("ensemble", 2.5))
        ],
        "settings": SETTINGS,
    }
    return ReportContent(**{**fields, **changes})  # type: ignore[arg-type]
