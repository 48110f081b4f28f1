"""Train the networks of `ferkit.preparation.non_face_score`.

    python benchmarks/non_faces/train.py DATA              write ferkit/preparation/nonface_model.npz
    python benchmarks/non_faces/train.py DATA --folds 3    cross-validate: write non_faces_held_out.csv

DATA is a folder with fer2013.csv. `non_faces.csv` beside this script says which of its pictures are not a face; all
others are faces. Drawn pictures that are not a face and ferkit's synthetic faces are added. With --folds each picture
is judged by networks that saw neither it nor an exact duplicate nor a piece of it; the file lists the pictures
that are not a face and every face whose score comes near the threshold, and the logit at which the
share of faces that is dropped is ALLOWED becomes the model's offset (score 0.5).
"""

import argparse
import os
import sys
import time
from functools import cache
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd
from generated import generate_non_faces
from numpy.typing import NDArray

from ferkit.preparation.non_face_score import MODEL_PATH, network_input, picture_statistics, scaled_statistics
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

HERE = Path(__file__).resolve().parent
LABELS = HERE / "non_faces.csv"
HELD_OUT = HERE / "non_faces_held_out.csv"

ALLOWED = 0.002  # share of faces that the offset lets the held-out networks drop; the project's goal is 0.003
NEAR = 0.1  # held-out scores from which a face is listed
MEMBERS = 4
EPOCHS = 8
BATCH = 128
DRAWN = 10_000
PIECES = 4_000  # made from the training faces
SYNTHETIC = 3_000
REPEATS = 20  # times that each of the few real pictures that are not a face is shown in an epoch

Pictures = NDArray[np.uint8]


def examples(images: Pictures, is_face: NDArray[np.bool_], seed: int) -> tuple[Pictures, NDArray[np.float32]]:
    """What one training sees, and 1 for what is not a face."""
    faces, others = images[is_face], images[~is_face].repeat(REPEATS, axis=0)
    drawn_faces, drawn = drawn_once(seed % 100)
    pieces, _ = generate_non_faces(PIECES, seed, faces)
    pictures = np.concatenate([faces, drawn_faces, others, drawn, pieces])
    label = np.zeros(len(pictures), dtype=np.float32)
    label[len(faces) + len(drawn_faces) :] = 1
    return pictures, label


@cache
def drawn_once(seed: int) -> tuple[Pictures, Pictures]:
    """Drawn faces, and drawn pictures that are not a face: the same in each fold."""
    synthetic = generate(SyntheticSettings(count=SYNTHETIC, seed=1000 + seed))
    return synthetic.faces.images[synthetic.is_face], generate_non_faces(DRAWN, seed)[0]


def statistics_of(images: Pictures) -> NDArray[np.float32]:
    return np.concatenate([picture_statistics(images[at : at + 1024]) for at in range(0, len(images), 1024)])


def build(statistics: int):
    import keras
    from keras import layers

    picture, numbers = layers.Input((24, 24, 1)), layers.Input((statistics,))
    x = layers.Conv2D(16, 5, strides=2, padding="same", activation="relu", name="conv1")(picture)
    x = layers.Conv2D(24, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(40, 3, padding="same", activation="relu", name="conv3")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(layers.MaxPooling2D()(x)))
    x = layers.Dense(32, activation="relu", name="hidden")(layers.Concatenate()([x, numbers]))
    return keras.Model([picture, numbers], layers.Dense(1, name="logit")(layers.Dropout(0.2)(x)))


def fit(pictures: Pictures, label: NDArray[np.float32], mean, scale, seed: int):
    """One network; each epoch mirrors half of the pictures."""
    import keras

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    inputs = network_input(pictures)
    statistics = scaled_statistics(statistics_of(pictures), mean, scale)
    network = build(statistics.shape[1])
    steps = EPOCHS * -(-len(pictures) // BATCH)
    network.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=1e-3),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    for _ in range(EPOCHS):
        mirrored = rng.random(len(inputs)) < 0.5
        shown = np.where(mirrored[:, None, None, None], inputs[:, :, ::-1], inputs)
        network.fit([shown, statistics], label, batch_size=BATCH, epochs=1, verbose=0)
    return network


def fit_members(images: Pictures, is_face: NDArray[np.bool_], seed: int) -> dict[str, NDArray[np.float32]]:
    """The arrays of a model without its offset."""
    faces = statistics_of(images[is_face])
    mean, scale = faces.mean(axis=0), faces.std(axis=0) + 0.02
    model = {"statistics_mean": mean, "statistics_scale": scale, "members": np.int32(MEMBERS), "offset": np.float32(0)}
    for member in range(MEMBERS):
        network = fit(*examples(images, is_face, seed + member), mean, scale, seed + member)
        for layer in ("conv1", "conv2", "conv3", "hidden", "logit"):
            kernel, bias = network.get_layer(layer).get_weights()
            model |= {f"{member}/{layer}/kernel": kernel.astype(np.float16), f"{member}/{layer}/bias": bias}
    return model


def cross_validate(images: Pictures, is_face: NDArray[np.bool_], hashes: NDArray[np.str_], folds: int):
    """(N,) logit of each picture by networks that did not see it."""
    from ferkit.preparation.non_face_score import logits

    groups = np.unique(hashes, return_inverse=True)[1]
    fold = np.random.default_rng(0).integers(folds, size=groups.max() + 1)[groups]
    held_out = np.empty(len(images), dtype=np.float32)
    for at in range(folds):
        started = time.perf_counter()
        inside = fold != at
        model = fit_members(images[inside], is_face[inside], seed=100 * (at + 1))
        held_out[~inside] = logits(images[~inside], {name: np.float32(array) for name, array in model.items()})
        print(f"fold {at + 1} of {folds}: {time.perf_counter() - started:.0f} s", flush=True)
    return held_out


def offset_of(logit_of_faces, faces: int) -> float:
    """The logit that the share ALLOWED of `faces` reaches; their largest logits are enough to know it."""
    return float(np.sort(logit_of_faces)[-int(ALLOWED * faces)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with fer2013.csv")
    parser.add_argument("--folds", type=int, help="cross-validate instead of writing the model")
    args = parser.parse_args()

    data = load_fer2013(Fer2013Settings(path=args.data, ferplus="off"))
    hashes = data.picture_hashes()
    is_face = ~np.isin(hashes, pd.read_csv(LABELS)["sha256"])
    if args.folds:
        logit = cross_validate(data.images, is_face, hashes, args.folds)
        offset = offset_of(logit[is_face], int(is_face.sum()))
        score = 1 / (1 + np.exp(offset - logit))
        listed = np.flatnonzero(~is_face | (score >= NEAR))
        table = pd.DataFrame({"row": data.row[listed], "sha256": hashes[listed], "logit": logit[listed]})
        table["score"], table["is_face"] = score[listed], is_face[listed]
        table.to_csv(HELD_OUT, index=False, float_format="%.4f")
        print(f"offset {offset:.3f}, {HELD_OUT}")
        return
    held_out = pd.read_csv(HELD_OUT)
    model = fit_members(data.images, is_face, seed=0)
    model["offset"] = np.float32(offset_of(held_out["logit"][held_out["is_face"]], int(is_face.sum())))
    np.savez_compressed(MODEL_PATH, **model)
    print(f"{MODEL_PATH}: {MODEL_PATH.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
