"""How fast each backbone trains and predicts, beside the same network in a plain Keras loop.

    python benchmarks/training_speed.py [--backbone NAME ...] [--quick]

KERAS_BACKEND chooses TensorFlow, JAX or PyTorch. Each loop is a process of its own (training_loops.py) that trains some
steps in turn with the other, after one such round that is not counted: compare the ratio, which is the median of the
pairs, and not seconds of different runs. The ratio of processor time is steadier on a machine that does other things,
too. Pictures and weights are random; nothing is downloaded.

The yardstick is what people write: ImageDataGenerator with the same augmentation on the host (resized to the network's
input there, .png files unless the input is 48x48 grey), float32, `compile` and `fit` with their defaults.

Operations are counted from the layers, see floating_point.py; a training step is three forward passes. The peak is the
fastest of square matrix products in the precision of training, measured between the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from training_loops import Loop

from ferkit.backbones import names
from ferkit.environment import TENSORFLOW
from ferkit.training.execution import ExecutionSettings

ROOT = Path(__file__).resolve().parents[1]
# Pictures of FER-2013's Training.
EPOCH = 28_709


def environment(kind: str) -> dict[str, str]:
    """Of a process that measures: it takes only the device memory that it needs, and says little.

    The yardstick runs under TensorFlow as it comes, ours as ferkit sets it.
    """
    ours = TENSORFLOW if kind == "ours" else {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return {
        **ours,
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


class Process:
    """A loop that waits for what to do next."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.running = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("training_loops.py")), loop.to_json()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(loop.kind), text=True,
        )  # fmt: skip
        self.about = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.stdin.close()
        self.running.stdout.close()
        self.running.wait()

    def request(self, what: str) -> dict[str, Any]:
        """The answer to a word that training_loops.py knows."""
        self.running.stdin.write(what + "\n")
        self.running.stdin.flush()
        return self._read()

    def rate(self, what: str) -> tuple[float, float]:
        """Pictures a second, and pictures a second of processor time."""
        response = self.request(what)
        return self.loop.pictures / response["seconds"], self.loop.pictures / response["processor"]

    def _read(self) -> dict[str, Any]:
        response = self.running.stdout.readline()
        if not response:
            sys.exit(f"{self.loop.kind}, {self.loop.backbone}: the process ended with {self.running.wait()}.")
        return dict(json.loads(response))


def measure(loop: Loop, rounds: int, *, with_yardstick: bool) -> dict[str, Any]:
    """Numbers of one backbone."""
    trained, plain, peaks, held = [], [], [], None
    with Process(loop) as ours:
        with Process(replace(loop, kind="yardstick")) if with_yardstick else nullcontext() as other:
            for _ in range(rounds):
                trained.append(ours.rate("train"))
                if other:
                    plain.append(other.rate("train"))
                peaks.append(ours.request("peak"))
            if other:
                held = other.request("memory")["gigabytes"]
        memory = ours.request("memory")
        predicted = [ours.rate("predict") for _ in range(rounds)]
    pairs = list(zip(trained, plain, strict=True)) if plain else []
    return {
        **ours.about,
        "trained": statistics.median(rate for rate, _ in trained),
        "plain": statistics.median(rate for rate, _ in plain) if plain else None,
        "ratio": statistics.median(ours[0] / other[0] for ours, other in pairs) if pairs else None,
        "processor_ratio": statistics.median(ours[1] / other[1] for ours, other in pairs) if pairs else None,
        "predicted": statistics.median(rate for rate, _ in predicted),
        "peaks": {dtype: max(peak[dtype] for peak in peaks) for dtype in peaks[0]},
        "memory": memory["gigabytes"],
        "memory_of": memory["of"],
        "plain_memory": held,
    }


def cell(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def main() -> None:
    from floating_point import TRAINING

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", action="append", choices=names(), help="again for another; all if not given")
    parser.add_argument("--input-size", type=int, help="pixels, instead of each backbone's own")
    parser.add_argument("--width", type=int, help="of a backbone that has one")
    precisions = ExecutionSettings.model_fields["precision"].annotation.__args__
    parser.add_argument("--precision", choices=precisions, default="auto")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20, help="steps of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements, ours and the yardstick in turn")
    parser.add_argument("--quick", action="store_true", help="batches of 16, 4 steps, 3 rounds")
    parser.add_argument("--no-yardstick", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch_size, arguments.steps, arguments.rounds = 16, 4, 3
    loops = [
        Loop(
            "ours", name, arguments.input_size, arguments.width, arguments.precision, arguments.batch_size,
            arguments.steps,
        )
        for name in arguments.backbone or names()
    ]  # fmt: skip
    try:
        settings = [loop.settings for loop in loops]
    except ValueError as error:
        parser.error(str(error))
    print(
        "| backbone | input | precision | Mflop a picture | training/s | yardstick/s | ratio | of processor time "
        "| inference/s | Gflop/s | of the peak | epoch, s | memory, GB | yardstick, GB |"
    )
    print("|---|" + "---:|" * 13)
    peaks: dict[str, float] = {}
    for loop, backbone in zip(loops, settings, strict=True):
        found = measure(loop, arguments.rounds, with_yardstick=not arguments.no_yardstick)
        done = TRAINING * found["operations"] * found["trained"]
        peak = found["peaks"]["float32" if found["precision"] == "float32" else "bfloat16"]
        cells = (
            backbone.name,
            str(backbone.size),
            found["precision"],
            cell(found["operations"] / 1e6),
            cell(found["trained"]),
            cell(found["plain"]),
            cell(found["ratio"], 2),
            cell(found["processor_ratio"], 2),
            cell(found["predicted"]),
            cell(done / 1e9),
            f"{done / peak:.0%}",
            cell(EPOCH / found["trained"], 1),
            cell(found["memory"], 2),
            cell(found["plain_memory"], 2),
        )
        print("| " + " | ".join(cells) + " |", flush=True)
        peaks |= {dtype: max(rate, peaks.get(dtype, 0)) for dtype, rate in found["peaks"].items()}
    fastest = ", ".join(f"{rate / 1e9:,.0f} Gflop/s in {dtype}" for dtype, rate in peaks.items())
    print(
        f"\n{found['backend']} on {found['device']}, batches of {arguments.batch_size}, {arguments.rounds} rounds of "
        f"{arguments.steps} steps; matrix products: {fastest}. An epoch has {EPOCH:,} pictures. Operations are those "
        f"of a forward pass. Memory is the most that the {found['memory_of']} held."
    )


if __name__ == "__main__":
    main()
