"""The shipped models of this project: variant ``ensemble``, or ``single``, the one network that an ensemble taught."""

import sys
from typing import Any

from measure import measure

from ferkit.bundles.bundle import load_bundle

single = sys.argv[3] == "single"
bundle = load_bundle()
vote = bundle.card.targets["fer"].vote(single=single)
if vote is None:
    sys.exit("error: the shipped models have no single network for fer")


def predict(pictures: Any) -> Any:
    return bundle.predict(pictures, "fer", single=single)


weights = [bundle.folder / bundle.card.networks[name].file for name in vote.weights]
measure(bundle.classes("fer"), weights, predict, batches=True)
