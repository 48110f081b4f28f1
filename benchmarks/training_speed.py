"""How fast each backbone trains and predicts, beside the same network in a plain Keras loop.

    python benchmarks/training_speed.py [--backbone NAME ...] [--quick]

KERAS_BACKEND chooses TensorFlow, JAX or PyTorch. Each loop is a process of its own (training_loops.py) that trains some
steps in turn with the other, after one such round that is not counted: compare the ratio, which is the median of the
pairs, and not seconds of different runs. Pictures and weights are random; nothing is downloaded.

The yardstick is what people write: ImageDataGenerator with the same augmentation on the host (resized to the network's
input there, .png files unless the input is 48x48 grey), float32, `compile` and `fit` with their defaults.

Operations are counted from the layers, see floating_point.py; a training step is three forward passes. The peak is that
of square matrix products in the precision of training, measured before in a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from training_loops import Loop

from ferkit.backbones import BackboneSettings, names
from ferkit.training.execution import ExecutionSettings

ROOT = Path(__file__).resolve().parents[1]
# Pictures of FER-2013's Training.
EPOCH = 28_709
# A device that answers within a second or two is busy with this; on a CPU it would take minutes.
SIDES = {"cpu": 1024, "accelerator": 8192}

PEAK = """
import json, sys
from floating_point import matrix_peak
from ferkit.training.execution import accelerated
side = json.loads(sys.argv[1])["accelerator" if accelerated() else "cpu"]
peaks = {dtype: matrix_peak(dtype, side) for dtype in ("float32", "bfloat16")}
import keras
print(json.dumps({"peaks": peaks, "accelerated": accelerated(), "backend": keras.backend.backend(), "side": side}))
"""


def environment() -> dict[str, str]:
    """Of a process that measures: it takes only the device memory that it needs, and says little."""
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


class Process:
    """A loop that waits for what to do next."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.running = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("training_loops.py")), loop.to_json()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True,
        )  # fmt: skip
        self.about = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.stdin.close()
        self.running.stdout.close()
        self.running.wait()

    def ask(self, what: str) -> dict[str, Any]:
        """The answer to ``train``, ``predict`` or ``memory``."""
        self.running.stdin.write(what + "\n")
        self.running.stdin.flush()
        return self._read()

    def rate(self, what: str) -> float:
        """Pictures a second."""
        return float(self.loop.pictures / self.ask(what)["seconds"])

    def _read(self) -> dict[str, Any]:
        said = self.running.stdout.readline()
        if not said:
            sys.exit(f"{self.loop.kind}, {self.loop.backbone}: the process ended with {self.running.wait()}.")
        return dict(json.loads(said))


def measure(loop: Loop, rounds: int, *, with_yardstick: bool) -> dict[str, Any]:
    """Numbers of one backbone."""
    with Process(loop) as ours:
        if with_yardstick:
            with Process(replace(loop, kind="yardstick")) as plain:
                pairs = [(ours.rate("train"), plain.rate("train")) for _ in range(rounds)]
                held = plain.ask("memory")["gigabytes"]
        else:
            pairs, held = [(ours.rate("train"), None) for _ in range(rounds)], None
        memory = ours.ask("memory")
        predicted = [ours.rate("predict") for _ in range(rounds)]
    return {
        **ours.about,
        "trained": statistics.median(pair[0] for pair in pairs),
        "plain": statistics.median(pair[1] for pair in pairs) if with_yardstick else None,
        "ratio": statistics.median(pair[0] / pair[1] for pair in pairs) if with_yardstick else None,
        "predicted": statistics.median(predicted),
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
    for loop in loops:
        # Says at once what a backbone cannot take.
        BackboneSettings.model_validate(loop.settings.model_dump())
    said = subprocess.run(
        [sys.executable, "-c", PEAK, json.dumps(SIDES)], env=environment(), stdout=subprocess.PIPE, check=True
    ).stdout
    machine = json.loads(said.splitlines()[-1])
    precision = arguments.precision
    if precision == "auto":
        precision = "mixed_bfloat16" if machine["accelerated"] else "float32"
    peaks = machine["peaks"]
    peak = peaks["float32" if precision == "float32" else "bfloat16"]
    print(
        f"{machine['backend']}, {precision}, batches of {arguments.batch_size}, {arguments.steps} steps a measurement; "
        f"matrix products of side {machine['side']}: {peaks['float32'] / 1e12:.3g} Tflop/s in float32, "
        f"{peaks['bfloat16'] / 1e12:.3g} in bfloat16\n"
    )
    print(
        "| backbone | input | Mflop/picture, forward | training/s | yardstick/s | ratio | inference/s | Gflop/s "
        "| of the peak | epoch, s | memory, GB | yardstick, GB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for loop in loops:
        found = measure(loop, arguments.rounds, with_yardstick=not arguments.no_yardstick)
        done = TRAINING * found["operations"] * found["trained"]
        cells = (
            loop.backbone, str(loop.settings.size), cell(found["operations"] / 1e6), cell(found["trained"]),
            cell(found["plain"]), cell(found["ratio"], 2), cell(found["predicted"]), cell(done / 1e9),
            f"{done / peak:.0%}", cell(EPOCH / found["trained"], 1), cell(found["memory"], 2),
            cell(found["plain_memory"], 2),
        )  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\nMemory is the most that the {found['memory_of']} held.")


if __name__ == "__main__":
    main()
