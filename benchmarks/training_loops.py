"""One training loop in a process of its own, driven by training_speed.py through its standard input.

    python benchmarks/training_loops.py JSON

It builds and warms up, then answers each line it reads with a line of JSON: ``train`` trains some steps, ``predict``
predicts, ``memory`` says how much it has held, ``peak`` how fast the device multiplies matrices, ``parts`` what parts
of a step take by themselves. ``ours`` is `ferkit.training` as a run does it. ``yardstick`` is the same network in a
plain Keras loop: `ImageDataGenerator` on the host, in float32, `compile` and `fit` as they come.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferkit.backbones import BackboneSettings, Preprocessing
from ferkit.backbones.network import BACKBONE
from ferkit.training.execution import accelerated

CLASSES = 7
SIDE = 48
# Side of the matrices, off and on an accelerator: what fills the device and takes it less than a second.
MATRIX = {False: 1024, True: 8192}


@dataclass(frozen=True)
class Loop:
    """What to run."""

    kind: str
    backbone: str
    input_size: int | None
    width: int | None
    depth: int | None
    precision: str
    batch_size: int
    steps: int

    @property
    def settings(self) -> BackboneSettings:
        """The backbone, weights random."""
        return BackboneSettings(
            name=self.backbone, input_size=self.input_size, width=self.width, depth=self.depth, weights="none"
        )

    @property
    def pictures(self) -> int:
        """Pictures of one measurement."""
        return self.batch_size * self.steps

    def to_json(self) -> str:
        """What `main` takes."""
        return json.dumps(asdict(self))


def examples(loop: Loop) -> tuple[Any, Any]:
    """Noise of the shape of FER-2013: (N, 48, 48) uint8 and (N,) labels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (loop.pictures, SIDE, SIDE), dtype=np.uint8)
    # Every class occurs: flow_from_directory counts them by their folders.
    return images, np.arange(loop.pictures) % CLASSES


def ours(loop: Loop, _folder: Path) -> tuple[Callable[[], float], Callable[[], float], Any]:
    """Seconds of an epoch, seconds of predicting as many pictures, and the network."""
    from ferkit.backbones import build_network, set_trainable
    from ferkit.models.face_model import predict
    from ferkit.training.checkpoint import Progress
    from ferkit.training.epochs import Epochs
    from ferkit.training.examples import Examples, SelectionExamples
    from ferkit.training.execution import precision_of, use_precision
    from ferkit.training.settings import TrainingSettings

    images, label = examples(loop)
    targets = np.eye(CLASSES, dtype=np.float32)[label]
    settings = TrainingSettings.model_validate(
        {"network": {"epochs": 1_000_000}, "batch_size": loop.batch_size, "execution": {"precision": loop.precision}}
    )
    training_examples = Examples(images, {"fer": targets}, np.arange(len(images)))
    with use_precision(precision_of(settings.execution, loop.settings.card)):
        network = build_network(loop.settings, training_examples.heads, seed=0)
        set_trainable(network, "all", batch_norm=settings.batch_norm)
        epochs = Epochs(
            network, training_examples, SelectionExamples(images[:1], {"fer": targets[:1]}), settings, 0, loop.backbone
        )
        epochs.compile(settings.network)
    progress = Progress()
    # Made only when it is asked for, so that the memory of training is that of training.
    plain: list[Any] = []

    def train() -> float:
        record, _ = epochs.run("network", settings.network, progress)
        return float(len(images) / record["pictures_per_second"])

    def infer() -> float:
        if not plain:
            with use_precision("float32"):
                plain.append(build_network(loop.settings, training_examples.heads, seed=0))
            predict(plain[0], images, "fer")
        start = time.perf_counter()
        predict(plain[0], images, "fer")
        return time.perf_counter() - start

    return train, infer, network


def generator(preprocessing: Preprocessing, *, still: bool = False) -> Any:
    """What prepares pictures on the host: the default of `AugmentationSettings`, unless `still`, and normalisation."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    mean = np.array(preprocessing.mean, dtype=np.float32)
    changes: dict[str, Any] = {
        "rotation_range": 10,
        "width_shift_range": 0.1,
        "height_shift_range": 0.1,
        "zoom_range": 0.1,
        "horizontal_flip": True,
        "fill_mode": "reflect",
    }
    return ImageDataGenerator(
        **({} if still else changes), preprocessing_function=lambda face: (face - mean) * preprocessing.scale
    )


def yardstick(loop: Loop, folder: Path) -> tuple[Callable[[], float], Callable[[], float], Any]:
    """The same in a plain Keras loop."""
    import keras

    from ferkit.backbones import build_network

    images, label = examples(loop)
    card, size = loop.settings.card, loop.settings.size
    channels = card.preprocessing.channels
    full_network = build_network(loop.settings, {"fer": CLASSES}, seed=0)
    # What comes before the backbone is what the host does here.
    picture = x = keras.Input((size, size, channels))
    names = [layer.name for layer in full_network.layers]
    for layer in full_network.layers[names.index(BACKBONE) :]:
        x = layer(x)
    network = keras.Model(picture, x)
    network.compile(keras.optimizers.AdamW(1e-4), loss="categorical_crossentropy", metrics=["accuracy"])
    host = generator(card.preprocessing)
    if (size, channels) == (SIDE, 1):
        one_hot = np.eye(CLASSES, dtype=np.float32)[label]
        flow = host.flow(images[..., None], one_hot, batch_size=loop.batch_size)
    else:
        flow = host.flow_from_directory(
            _as_files(images, label, folder), target_size=(size, size), batch_size=loop.batch_size,
            color_mode="rgb" if channels == 3 else "grayscale", interpolation="bilinear",
        )  # fmt: skip

    def train() -> float:
        start = time.perf_counter()
        network.fit(flow, steps_per_epoch=loop.steps, epochs=1, verbose=0)
        return time.perf_counter() - start

    def infer() -> float:
        start = time.perf_counter()
        network.predict(flow, steps=loop.steps, verbose=0)
        return time.perf_counter() - start

    return train, infer, network


def _as_files(images: Any, label: Any, folder: Path) -> Path:
    """Write a .png file for each picture into a folder for each class, as FER-2013 is often unpacked."""
    from PIL import Image

    for number, (picture, of) in enumerate(zip(images, label, strict=True)):
        place = folder / str(of)
        place.mkdir(exist_ok=True)
        Image.fromarray(picture).save(place / f"{number}.png")
    return folder


def device() -> dict[str, Any]:
    """Keras' backend and what it computes on."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    else:
        name = keras.distribution.list_devices()[0]
    return {"backend": keras.backend.backend(), "device": f"{name} ({os.cpu_count()} processors)"}


def memory() -> tuple[float, str]:
    """Most GB held at once, and of what."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        held = jax.local_devices()[0].memory_stats()
        if held:
            return held["peak_bytes_in_use"] / 1e9, "device"
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated() / 1e9, "device"
    elif backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_logical_devices("GPU"):
            return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9, "device"
    # Kilobytes on Linux.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, "process"


def main() -> None:
    # What libraries print must not come between the answers.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def respond(**content: Any) -> None:
        print(json.dumps(content), file=channel, flush=True)

    from floating_point import forward_operations, matrix_peak

    loop = Loop(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        train, infer, network = {"ours": ours, "yardstick": yardstick}[loop.kind](loop, Path(folder))
        train()
        respond(
            operations=forward_operations(network), precision=network.get_layer(BACKBONE).dtype_policy.name, **device()
        )
        for line in sys.stdin:
            command = line.strip()
            if command == "memory":
                held, of = memory()
                respond(gigabytes=held, of=of)
            elif command == "peak":
                respond(**{dtype: matrix_peak(dtype, MATRIX[accelerated()]) for dtype in ("float32", "bfloat16")})
            elif command == "parts":
                from operation_profile import operation_shares
                from step_profile import network_seconds, product_seconds

                respond(
                    operations=operation_shares(train),
                    products=product_seconds(network, loop.batch_size),
                    network=network_seconds(network, loop.batch_size),
                )
            else:
                before = time.process_time()
                seconds = {"train": train, "predict": infer}[command]()
                respond(seconds=seconds, processor=time.process_time() - before)


if __name__ == "__main__":
    main()
