"""A script that knows nothing of this checkout, and prints what the champion of a registry answers as JSON."""

import json
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

assert not any("work" in path and path.endswith("main") for path in sys.path)
model = mlflow.pyfunc.load_model("models:/ferkit@champion")
# Which one is the question: the code that is kept with the model.
import ferkit  # noqa: E402

pixels = np.load("pixels.npz")
grey, colour, encoded = pixels["grey"], pixels["colour"], Path("face.png").read_bytes()


def ask(pictures, **params):
    return model.predict(pd.DataFrame({"picture": pictures}), params=params).to_dict("records")


refused = {}
for name, cell, params in (
    ("text", "no base64!", {}),
    ("file", b"no picture", {}),
    ("float", np.ones((4, 4)), {}),
    ("target", grey[0], {"target": "valence"}),
):
    try:
        ask([cell], **params)
    except mlflow.exceptions.MlflowException as error:
        refused[name] = str(error)
answers = {
    "home": ferkit.__file__,
    "lines": ask([*grey]),
    "tensor": model.predict({"picture": grey}).to_dict("records"),
    "kinds": ask([encoded, colour, colour.tolist(), colour[..., :1]]),
    "ferplus": ask([*grey], target="ferplus", model="tiny"),
    "nobody": ask([np.full((48, 48), 90, np.uint8)], detect=True),
    "refused": refused,
}
print(json.dumps(answers))  # noqa: T201
