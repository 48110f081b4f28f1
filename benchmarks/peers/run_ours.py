"""The reference of this project: variant ``ensemble``, or ``single``, the one network distilled from it."""

import sys
from typing import Any

from measure import measure

from ferkit.reference_model import load_reference

single = sys.argv[3] == "single"
reference = load_reference()
card = reference.card
votes = card.students["fer"] if single else card.targets["fer"]


def predict(pictures: Any) -> Any:
    return reference.predict(pictures, "fer", single=single)


weights = [reference.folder / card.networks[name].file for name in votes.weights]
measure(reference.classes("fer"), weights, predict, batches=True)
