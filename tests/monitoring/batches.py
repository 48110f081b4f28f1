"""Batches of faces as `ferkit predict` writes them, and what drift says of them."""

import numpy as np

from ferkit.data.labels import FER_EMOTIONS
from ferkit.inference.predictor import FacePrediction
from ferkit.inference.results import FaceTable, Finding, table_of, table_schema
from tests.inference.test_resumable_table import classify

MADE_WITH = {"model": "a" * 64, "target": "fer", "answers_by": "vote"}


def table(images, made_with=MADE_WITH, boxes=None, faceless=0, probabilities=None):
    """The table that `ferkit predict --no-detect` would write of these pictures."""
    if probabilities is None:
        probabilities = classify(images) ** 4 if len(images) else np.zeros((0, 7))
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    sides = boxes if boxes is not None else [48] * len(probabilities)
    findings = [
        Finding(
            f"{index}.png", (640, 480),
            [FacePrediction((0, 0, side, side), 1.0, FER_EMOTIONS[int(row.argmax())], row)], images[index : index + 1],
        )
        for index, (row, side) in enumerate(zip(probabilities, sides, strict=True))
    ]  # fmt: skip
    findings += [Finding(f"none {index}.png", (640, 480), [], images[:0]) for index in range(faceless)]
    rows = table_of(findings, table_schema(FER_EMOTIONS, made_with)).to_pandas()
    return FaceTable("batch.parquet", rows, FER_EMOTIONS, made_with)


def moved(changes):
    return {change.statistic for change in changes if change.verdict == "moved"}


def by_name(changes):
    return {change.statistic: change for change in changes}
