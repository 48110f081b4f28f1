"""How fast each backbone trains and predicts, beside the same network in a plain Keras loop.

    python benchmarks/training_speed.py [--backbone NAME ...] [--quick]

KERAS_BACKEND chooses TensorFlow, JAX or PyTorch. Each loop is a process of its own (training_loops.py) that trains some
steps in turn with the other, after one such round that is not counted: compare the ratio, which is the median of the
pairs, and not seconds of different runs. The ratio of processor time is steadier on a machine that does other things,
too. Pictures and weights are random; nothing is downloaded.

The yardstick is what people write: ImageDataGenerator with the same augmentation on the host (resized to the network's
input there, .png files unless the input is 48x48 grey), float32, `compile` and `fit` with their defaults.

Operations are counted from the layers, see floating_point.py; a training step is three forward passes. The peak is the
fastest of square matrix products in the precision of training, measured in each round: a share is the median over the
rounds of what was done against the peak of the same minute, once by the clock and once for a second of processor time.
On a machine that does other things, too, only the second says much. The yardstick's is of the peak in float32.
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

from floating_point import TRAINING, Peak
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


def measure(loop: Loop, rounds: int, *, with_yardstick: bool, with_profile: bool) -> dict[str, Any]:
    """Numbers of one backbone."""
    trained, plain, peaks, held = [], [], [], None
    with Process(loop) as ours:
        with Process(replace(loop, kind="yardstick")) if with_yardstick else nullcontext() as other:
            for _ in range(rounds):
                trained.append(ours.rate("train"))
                peaks.append({dtype: Peak(*peak) for dtype, peak in ours.request("peak").items()})
                if other:
                    plain.append(other.rate("train"))
            if other:
                held = other.request("memory")["gigabytes"]
        memory = ours.request("memory")
        predicted = [ours.rate("predict") for _ in range(rounds)]
        parts = ours.request("parts") if with_profile else None
    pairs = list(zip(trained, plain, strict=True)) if plain else []
    work = TRAINING * ours.about["operations"]
    own = "float32" if ours.about["precision"] == "float32" else "bfloat16"
    return {
        **ours.about,
        "trained": statistics.median(rate for rate, _ in trained),
        "plain": statistics.median(rate for rate, _ in plain) if plain else None,
        "ratio": statistics.median(ours[0] / other[0] for ours, other in pairs) if pairs else None,
        "processor_ratio": statistics.median(ours[1] / other[1] for ours, other in pairs) if pairs else None,
        "predicted": statistics.median(rate for rate, _ in predicted),
        "done": work * statistics.median(rate for rate, _ in trained),
        "share": share(work, trained, [peak[own] for peak in peaks]),
        "plain_share": share(work, plain, [peak["float32"] for peak in peaks]) if plain else None,
        "peaks": {dtype: max(peak[dtype].clock for peak in peaks) for dtype in peaks[0]},
        "memory": memory["gigabytes"],
        "memory_of": memory["of"],
        "plain_memory": held,
        "profile": profile(loop, work, trained, [peak[own] for peak in peaks], parts) if parts else None,
    }


def profile(loop: Loop, work: int, trained: list[tuple[float, float]], peaks: list[Peak], parts: dict[str, Any]) -> str:
    """What a step is made of, by the clock / of processor time, and a table of its operations."""
    whole = [loop.batch_size / statistics.median(column) for column in zip(*trained, strict=True)]
    peak = [max(column) for column in zip(*peaks, strict=True)]
    shares = {
        "convolutions and dense layers": [part / step for part, step in zip(parts["products"], whole, strict=True)],
        "the network with its optimizer": [part / step for part, step in zip(parts["network"], whole, strict=True)],
    }
    told = [f"{name} {' / '.join(f'{each:.0%}' for each in share)}" for name, share in shares.items()]
    reached = (loop.batch_size * work / part / most for part, most in zip(parts["products"], peak, strict=True))
    return "\n".join(
        [
            f"{loop.backbone}: of a step take, each by itself, {', '.join(told)}; the first alone reach "
            f"{' / '.join(f'{each:.0%}' for each in reached)} of the peak.",
            "",
            f"| operations of {loop.backbone} | of their time |",
            "|---|---:|",
            *(f"| {kind} | {each:.1%} |" for kind, each in parts["operations"].items()),
        ]
    )


def share(work: int, rates: list[tuple[float, float]], peaks: list[Peak]) -> Peak:
    """What `rates` of pictures, each of which takes `work` operations, are of the peaks of their rounds."""
    each = [
        (work * rate[0] / peak.clock, work * rate[1] / peak.processor) for rate, peak in zip(rates, peaks, strict=True)
    ]
    return Peak(*(statistics.median(column) for column in zip(*each, strict=True)))


def cell(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def percentages(value: Peak | None, *, accelerated: bool) -> str:
    """By the clock / for a second of processor time, which says nothing of a GPU."""
    if value is None:
        return "-"
    return f"{value.clock:.0%}" if accelerated else f"{value.clock:.0%} / {value.processor:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", action="append", choices=names(), help="again for another; all if not given")
    parser.add_argument("--input-size", type=int, help="pixels, instead of each backbone's own")
    parser.add_argument("--width", type=int, help="of a backbone that has one")
    parser.add_argument("--depth", type=int, help="stages of a backbone, where they are a setting")
    precisions = ExecutionSettings.model_fields["precision"].annotation.__args__
    parser.add_argument("--precision", choices=precisions, default="auto")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20, help="steps of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements, ours and the yardstick in turn")
    parser.add_argument("--quick", action="store_true", help="batches of 16, 4 steps, 3 rounds")
    parser.add_argument("--no-yardstick", action="store_true")
    parser.add_argument("--profile", action="store_true", help="what a step is made of; under TensorFlow")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch_size, arguments.steps, arguments.rounds = 16, 4, 3
    loops = [
        Loop(
            "ours", name, arguments.input_size, arguments.width, arguments.depth, arguments.precision,
            arguments.batch_size, arguments.steps,
        )
        for name in arguments.backbone or names()
    ]  # fmt: skip
    try:
        settings = [loop.settings for loop in loops]
    except ValueError as error:
        parser.error(str(error))
    print(
        "| backbone | input | precision | Mflop a picture | training/s | yardstick/s | ratio | of processor time "
        "| inference/s | Gflop/s | of the peak | yardstick, of the peak | epoch, s | memory, GB | yardstick, GB |"
    )
    print("|---|" + "---:|" * 14)
    peaks: dict[str, float] = {}
    profiles: list[str] = []
    for loop, backbone in zip(loops, settings, strict=True):
        found = measure(
            loop, arguments.rounds, with_yardstick=not arguments.no_yardstick, with_profile=arguments.profile
        )
        accelerated = found["memory_of"] == "device"
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
            cell(found["done"] / 1e9),
            percentages(found["share"], accelerated=accelerated),
            percentages(found["plain_share"], accelerated=accelerated),
            cell(EPOCH / found["trained"], 1),
            cell(found["memory"], 2),
            cell(found["plain_memory"], 2),
        )
        print("| " + " | ".join(cells) + " |", flush=True)
        profiles += [found["profile"]] if found["profile"] else []
        peaks |= {dtype: max(rate, peaks.get(dtype, 0)) for dtype, rate in found["peaks"].items()}
    fastest = ", ".join(f"{rate / 1e9:,.0f} Gflop/s in {dtype}" for dtype, rate in peaks.items())
    print(
        f"\n{found['backend']} on {found['device']}, batches of {arguments.batch_size}, {arguments.rounds} rounds of "
        f"{arguments.steps} steps; matrix products: {fastest}. An epoch has {EPOCH:,} pictures. Operations are those "
        f"of a forward pass. Shares of the peak are by the clock / of processor time. Memory is the most that the "
        f"{found['memory_of']} held."
    )
    for line in profiles:
        print(f"\n{line}")


if __name__ == "__main__":
    main()
