"""The reference of this project: variant ``ensemble``, or ``single``, the one network that an ensemble taught."""

import sys
from typing import Any

from measure import measure

from ferkit.bundles.bundle import load_reference

single = sys.argv[3] == "single"
reference = load_reference()
vote = reference.card.targets["fer"].vote(single=single)
if vote is None:
    sys.exit("error: the reference has no single network for fer")


def predict(pictures: Any) -> Any:
    return reference.predict(pictures, "fer", single=single)


weights = [reference.folder / reference.card.networks[name].file for name in vote.weights]
measure(reference.classes("fer"), weights, predict, batches=True)
