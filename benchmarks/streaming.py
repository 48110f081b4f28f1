"""Whether memory stays the same and training as fast, however many pictures a streamed source has.

    python benchmarks/streaming.py [--counts 2000,20000,200000] [--side 224] [--colour rgb] [--trained 6400]

For each count a process of its own reads tar shards of JPEG files, drawn faces enlarged to the side, and prints:
pictures a second, and in brackets those of a second of one processor, of the ingest, which decodes each once; of the
batches alone, without a network; of fine-tuning on `--trained` of them, drawn from all; and the peak memory after each.
On a machine that does other things, too, the number in brackets is the one to compare. "Memory" trains on the first
count's pictures in an array, which is what streaming is held against. The shards are written first, to a temporary
folder: 200,000 pictures of 224x224 take 2 GB of disk. A few thousand different files are repeated, which no reader
notices.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ferkit.environment import TENSORFLOW

ROOT = Path(__file__).resolve().parents[1]
# Different pictures, and the fewest that the generator draws.
DRAWN, FEWEST = 2000, 200
A_SHARD = 10_000
BATCH = 64
SPLITS = ("train", "validation", "test")


def main() -> None:
    """Parse the command line; measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="2000,20000,200000")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--colour", choices=("grey", "rgb"), default="rgb")
    parser.add_argument("--trained", type=int, default=6400, help="pictures of an epoch; two epochs are trained")
    parser.add_argument("--measure", metavar="SHARDS", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments)))
        return
    head = ("pictures", "ingest/s", "batches/s", "training/s", "start MB", "ingested MB", "batches MB", "trained MB")
    print(" ".join(f"{name:>15}" for name in head))
    counts = [int(count) for count in arguments.counts.split(",")]
    with tempfile.TemporaryDirectory(prefix="ferkit-streaming-") as folder:
        encoded = drawn_files(min(DRAWN, max(FEWEST, *counts)), arguments.side, arguments.colour)
        for count in counts:
            shards = Path(folder) / str(count)
            write_shards(shards, encoded, count)
            show(f"{count:,}", in_process(shards, arguments))
            if count == counts[0]:
                show("Memory", in_process(shards, arguments, "--memory"))


def drawn_files(count: int, side: int, colour: str) -> list[tuple[bytes, int]]:
    """JPEG files and labels of drawn faces."""
    from PIL import Image

    from ferkit.sources.synthetic.generate import SyntheticSettings, generate

    faces = generate(SyntheticSettings(count=count)).faces
    files = []
    for pixels, label in zip(np.asarray(faces.images), faces.label, strict=True):
        picture = Image.fromarray(pixels).resize((side, side)).convert("RGB" if colour == "rgb" else "L")
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=90)
        files.append((buffer.getvalue(), int(label)))
    return files


def write_shards(folder: Path, files: list[tuple[bytes, int]], count: int) -> None:
    """`count` pictures, 90 % of them for training."""
    folder.mkdir()
    for start in range(0, count, A_SHARD):
        with tarfile.open(folder / f"part-{start:09d}.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            for index in range(start, min(start + A_SHARD, count)):
                content, label = files[index % len(files)]
                split = SPLITS[max(0, index % 20 - 17)]
                about = json.dumps({"emotion": label, "split": split, "row": index}).encode()
                for suffix, data in (("jpg", content), ("json", about)):
                    member = tarfile.TarInfo(f"{index:09d}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))


def in_process(shards: Path, arguments: argparse.Namespace, *more: str) -> dict[str, float]:
    """What a process of its own measures."""
    command = [sys.executable, __file__, "--measure", str(shards), "--side", str(arguments.side), *more]
    command += ["--colour", arguments.colour, "--trained", str(arguments.trained)]
    environment = {**TENSORFLOW, **os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(ran.stderr)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Rates in pictures a second, peaks in MB."""
    import keras  # noqa: F401

    from ferkit.backbones import BackboneSettings
    from ferkit.data.targets import TargetSettings
    from ferkit.preparation.balancing import BalancingSettings, oversample
    from ferkit.sources import ShardSettings, load
    from ferkit.training.examples import Examples, SelectionExamples, join
    from ferkit.training.fine_tune import fine_tune
    from ferkit.training.settings import NetworkPhaseSettings, TrainingSettings
    from ferkit.training.streamed_batches import StreamedBatches

    found = {"start": peak()}
    begin = now()
    faces = load(ShardSettings(path=arguments.measure, side=arguments.side, colour=arguments.colour))
    found |= {**rates("ingest", len(faces), begin), "ingested": peak()}
    training = join({"fer": oversample(faces, TargetSettings(), BalancingSettings(method="weighted_sampling"), 0)})
    some = np.random.default_rng(0).permutation(training.indices)[: arguments.trained]
    images: Any = np.asarray(training.images) if arguments.memory else training.images
    if not arguments.memory:
        begin = now()
        with StreamedBatches(images, some.astype(np.int32), BATCH) as batches:
            for _ in batches:
                pass
        found |= {**rates("batches", len(some), begin), "read": peak()}
    examples = Examples(images, training.labels, some)
    public = faces.of_split("PublicTest")
    judging = SelectionExamples.of(public.take(np.arange(min(200, len(public)))), [TargetSettings()])
    backbone = BackboneSettings(name="fernet", width=8, input_size=48)
    ends = []
    settings = TrainingSettings(network=NetworkPhaseSettings(epochs=2), batch_size=BATCH)
    fine_tune(examples, judging, backbone, settings, 0, on_epoch=lambda _record: ends.append(now()))
    # The first epoch compiles.
    found |= {**rates("training", len(some), *ends), "trained": peak()}
    return found


def now() -> tuple[float, float]:
    """Seconds by the clock, and of processors."""
    return time.perf_counter(), time.process_time()


def rates(
    name: str, pictures: int, begin: tuple[float, float], end: tuple[float, float] | None = None
) -> dict[str, float]:
    """Pictures a second by the clock, and of one processor."""
    seconds, busy = (until - since for until, since in zip(end or now(), begin, strict=True))
    return {name: pictures / seconds, f"{name} busy": pictures / busy}


def peak() -> float:
    """Largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(name: str, found: dict[str, float]) -> None:
    """A line of the table."""
    columns = ("ingest", "batches", "training", "start", "ingested", "read", "trained")
    texts = [f"{found[column]:,.0f}" if column in found else "" for column in columns]
    texts = [
        f"{text} ({found[f'{column} busy']:,.0f})" if f"{column} busy" in found else text
        for text, column in zip(texts, columns, strict=True)
    ]
    print(" ".join(f"{text:>15}" for text in (name, *texts)), flush=True)


if __name__ == "__main__":
    main()
