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


networks = [bundle.card.networks[name] for name in vote.weights]
# A single network answers from its LiteRT file where it has one.
files = [each.litert.file if each.litert and model != "vote" else each.file for each in networks]
weights = [bundle.folder / file for file in files]
measure(bundle.classes("fer"), weights, predict, batches=True)
