"""The shipped models of this project: variant ``vote``, ``default`` or ``tiny``."""

import sys
from typing import Any

from measure import measure

from ferkit.bundles.bundle import load_bundle
from ferkit.bundles.card import ModelName

model: ModelName = sys.argv[3]  # type: ignore[assignment]
bundle = load_bundle()
vote = bundle.card.targets["fer"].models.get(model)
if vote is None:
    sys.exit(f"error: the shipped models have no {model} for fer")


def predict(pictures: Any) -> Any:
    return bundle.predict(pictures, "fer", model=model)


weights = [bundle.folder / bundle.card.networks[name].file for name in vote.weights]
measure(bundle.classes("fer"), weights, predict, batches=True)
