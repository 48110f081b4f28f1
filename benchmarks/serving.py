"""How quickly `ferkit serve` answers, as its clients see it; and peers behind a server of the same kind beside it.

    python benchmarks/serving.py [--seconds 15] [--rounds 3] [--bundle FOLDER] [--peers fer,deepface] [--url URL]

A closed loop on loopback: each client asks again as soon as it has its answer, over a connection that stays open. The
clients are a process of their own, on the same cores as the server. Milliseconds are medians and 95th percentiles
over all answers of all rounds; anything but 200 is an error. Processor time is that of all threads of the server for an
answer: what is left of a measurement on a machine that does other things, too. The face is drawn by ferkit's source
`synthetic`: a crop of 48x48 pixels, and the same face in a picture of 640x480, as JPEG. Goals on two cores: 60 ms for
the picture, 8 ms for a crop by the tiny network, 100 crops a second with 16 clients.

A peer runs in an environment of its own below `--cache` (see benchmarks/peers/compare.py), behind the standard
library's HTTP server: what it does with the same pictures is its own code, its own way of finding the face included.
One that cannot be installed with its weights is a line that says why. The table is Markdown, as in
docs/guides/serving.md.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray
from peers.compare import ROOT, RUNNERS, Peer, PeerError, command
from PIL import Image

from ferkit.sources.synthetic.action_units import ACTION_UNITS, draw_intensities
from ferkit.sources.synthetic.drawing import draw_face

# Seconds of each measurement that are not counted: caches, and threads that start.
WARM = 2.0


@dataclass(frozen=True)
class Load:
    """What is asked, by how many at a time."""

    name: str
    path: str
    picture: str
    clients: int


OURS = (
    Load("a crop, tiny network", "/api/v1/predict?detect=false&model=tiny", "crop", 1),
    Load("a crop, ensemble", "/api/v1/predict?detect=false", "crop", 1),
    Load("a picture, tiny network", "/api/v1/predict?model=tiny", "picture", 1),
    Load("a picture, ensemble", "/api/v1/predict", "picture", 1),
    Load("crops, tiny network", "/api/v1/predict?detect=false&model=tiny", "crop", 16),
    Load("crops, ensemble", "/api/v1/predict?detect=false", "crop", 16),
    Load("pictures, tiny network", "/api/v1/predict?model=tiny", "picture", 16),
)
THEIRS = (
    Load("a crop", "/crop", "crop", 1),
    Load("a picture", "/picture", "picture", 1),
    Load("crops", "/crop", "crop", 16),
    Load("pictures", "/picture", "picture", 16),
)
_COMMON = ("opencv-python-headless==4.13.0.92", "pandas==3.1.1", "requests==2.34.2", "tqdm==4.70.1", "pillow==13.0.0")
PEERS = {
    "fer": Peer(
        "fer 25.10.3",
        "serve_fer.py",
        ("tensorflow==2.21.0", "setuptools==80.9.0", *_COMMON),
        alone=("fer==25.10.3",),
    ),
    "deepface": Peer(
        "deepface 0.0.103",
        "serve_deepface.py",
        ("tensorflow==2.21.0", "tf-keras==2.21.0", "deepface==0.0.103", "werkzeug==3.1.9", *_COMMON[:1]),
    ),
}


@dataclass
class Seen:
    """What the clients of one load saw."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    elapsed: float = 0.0
    processor: float = 0.0

    def cells(self) -> tuple[str, ...]:
        """Median, 95th percentile, answers a second, processor time, errors."""
        if len(self.seconds) < 2:
            return "-", "-", "-", "-", str(self.errors)
        tail = statistics.quantiles(self.seconds, n=20)[-1]
        middle = statistics.median(self.seconds)
        processor = f"{1e3 * self.processor / len(self.seconds):.1f}" if self.processor else "-"
        speed = f"{len(self.seconds) / self.elapsed:.0f}"
        return f"{1e3 * middle:.1f}", f"{1e3 * tail:.1f}", speed, processor, str(self.errors)


def pictures() -> dict[str, bytes]:
    """A crop as PNG, and a picture with the same face as JPEG."""
    rng = np.random.default_rng(0)
    strengths = dict(zip(ACTION_UNITS, draw_intensities("happiness", rng).tolist(), strict=True))
    face = draw_face(strengths, one_sided=False, rng=rng)
    noise = rng.uniform(60, 200, (3, 4, 3)).astype(np.float32)
    scene: NDArray[np.float32] = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_LINEAR)
    large = cv2.resize(face, (240, 240), interpolation=cv2.INTER_CUBIC)[..., None].astype(np.float32)
    # Its border fades, so that the detector sees no frame.
    fade = np.minimum(1, 6 * np.minimum(*np.meshgrid(*[0.5 - np.abs(np.linspace(-0.5, 0.5, 240))] * 2)))[..., None]
    window = scene[120:360, 200:440]
    window += fade * (large - window)
    return {"crop": encoded(face, "PNG"), "picture": encoded(np.clip(scene, 0, 255).astype(np.uint8), "JPEG")}


def encoded(pixels: NDArray[np.uint8], kind: str) -> bytes:
    content = BytesIO()
    Image.fromarray(pixels).save(content, kind, quality=92)
    return content.getvalue()


def send(connection: http.client.HTTPConnection, load: Load, content: bytes) -> tuple[int, bytes]:
    headers = {"Content-Type": "image/png" if load.picture == "crop" else "image/jpeg"}
    connection.request("POST", load.path, content, headers)
    response = connection.getresponse()
    return response.status, response.read()


def clients(address: str, load: Load, content: bytes, seconds: float) -> Seen:
    """Run the clients of `load`, in threads of this process."""
    seen, lock = Seen(), threading.Lock()
    start = time.perf_counter() + WARM
    end = start + seconds

    def run() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        mine, errors = [], 0
        while (began := time.perf_counter()) < end:
            try:
                status, _ = send(connection, load, content)
            except OSError:
                connection.close()
                status = 0
            if began >= start:
                if status == 200:
                    mine.append(time.perf_counter() - began)
                else:
                    errors += 1
        with lock:
            seen.seconds += mine
            seen.errors += errors

    threads = [threading.Thread(target=run) for _ in range(load.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.elapsed = time.perf_counter() - start
    return seen


def checked(address: str, load: Load, content: bytes) -> None:
    """Fail unless the answer names one face: an empty one would be quick."""
    connection = http.client.HTTPConnection(address, timeout=120)
    status, body = send(connection, load, content)
    if status != 200:
        raise PeerError(f"{load.path}: {status} {body[:300].decode(errors='replace')}")
    response = json.loads(body)
    faces = response["pictures"][0]["faces"] if "pictures" in response else response["faces"]
    if len(faces) != 1:
        raise PeerError(f"{load.path}: {len(faces)} faces, expected one")


def processor_seconds(pid: int) -> float:
    """What a process and all that it started, those that decode included, have used so far."""
    # After the name, which may have spaces in it: user and system time are the 14th and 15th field.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    # Each thread has the children that it started.
    started = [each for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]
    return own + sum(processor_seconds(int(each)) for each in started)


def measured(
    address: str, loads: tuple[Load, ...], seconds: float, rounds: int, server: int | None = None
) -> list[Seen]:
    """What the clients of each load saw, in rounds, each of which has every load in turn.

    `server` is its process, None if that is not ours to look at.
    """
    contents = pictures()
    for load in loads:
        checked(address, load, contents[load.picture])
    total = [Seen() for _ in loads]
    for _ in range(rounds):
        for load, sum_of in zip(loads, total, strict=True):
            line = [sys.executable, __file__, "--clients", address, str(loads.index(load)), str(seconds)]
            line += ["--theirs"] if loads is THEIRS else []
            before = processor_seconds(server) if server else 0.0
            load_result = json.loads(subprocess.run(line, capture_output=True, text=True, check=True, env=own()).stdout)
            sum_of.seconds += load_result["seconds"]
            sum_of.errors += load_result["errors"]
            sum_of.elapsed += load_result["elapsed"]
            # The answers that are not counted cost as much as the others.
            share = load_result["elapsed"] / (load_result["elapsed"] + WARM)
            sum_of.processor += share * (processor_seconds(server) - before) if server else 0.0
    return total


def own() -> dict[str, str]:
    """The environment of a process of ours."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(line: list[str], address: str, path: str, environment: dict[str, str], folder: Path) -> Iterator[int]:
    """The process of a server, once it answers 200 at `path`."""
    with (folder / "server.log").open("w+") as log:
        process = subprocess.Popen(line, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            begin = time.perf_counter()
            while True:
                if process.poll() is not None or time.perf_counter() - begin > 300:
                    log.seek(0)
                    lines = [each for each in log.read().splitlines() if each.strip()] or ["it said nothing"]
                    raise PeerError(f"does not start: {lines[-1].strip()}")
                connection = http.client.HTTPConnection(address, timeout=5)
                try:
                    connection.request("GET", path)
                    if connection.getresponse().status == 200:
                        break
                except OSError:
                    pass
                time.sleep(0.1)
            print(f"{Path(line[-1]).name}: ready after {time.perf_counter() - begin:.1f} s", file=sys.stderr)
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=60)


def ours(bundle: Path | None, seconds: float, rounds: int) -> list[Seen]:
    """`ferkit serve`, as gunicorn runs it."""
    port = free_port()
    line = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:ferkit.serving.server.gunicorn_config",
        "ferkit.serving.server.wsgi:app",
    ]
    with tempfile.TemporaryDirectory() as place:
        environment = own() | {
            "FERKIT_SERVE_PORT": str(port),
            "FERKIT_SERVE_BUNDLE": str(bundle.resolve() if bundle else ""),
        }
        # Without a registry the shipped models answer.
        environment.pop("MLFLOW_TRACKING_URI", None)
        with started(line, f"127.0.0.1:{port}", "/readyz", environment, Path(place)) as process:
            return measured(f"127.0.0.1:{port}", OURS, seconds, rounds, process)


def theirs(peer: Peer, cache: Path, seconds: float, rounds: int) -> list[Seen]:
    """A peer, behind the server of its runner."""
    port = free_port()
    line, _ = command(peer, cache)
    environment = {**os.environ, "PYTHONPATH": str(RUNNERS), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (
        tempfile.TemporaryDirectory() as place,
        started([*line, str(port)], f"127.0.0.1:{port}", "/", environment, Path(place)) as process,
    ):
        return measured(f"127.0.0.1:{port}", THEIRS, seconds, rounds, process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="times that each is made")
    parser.add_argument("--bundle", type=Path, help="serve the model in this folder instead of the shipped ones")
    parser.add_argument("--peers", default="fer,deepface", help="which; empty for none")
    parser.add_argument("--url", help="measure this server of ours instead of starting one")
    parser.add_argument("--cache", type=Path, default=ROOT / ".ferkit" / "peers", help="where peers are installed")
    parser.add_argument("--clients", nargs=3, metavar=("ADDRESS", "LOAD", "SECONDS"), help=argparse.SUPPRESS)
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.clients:
        address, number, seconds = arguments.clients
        load = (THEIRS if arguments.theirs else OURS)[int(number)]
        seen = clients(address, load, pictures()[load.picture], float(seconds))
        print(json.dumps({"seconds": seen.seconds, "errors": seen.errors, "elapsed": seen.elapsed}))
        return
    print(
        "| | clients | median, ms | 95 %, ms | a second | processor, ms | errors |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    if arguments.url:
        seen = measured(urlsplit(arguments.url).netloc, OURS, arguments.seconds, arguments.rounds)
    else:
        seen = ours(arguments.bundle, arguments.seconds, arguments.rounds)
    table("ferkit", OURS, seen)
    cache = arguments.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    for name in filter(None, arguments.peers.split(",")):
        try:
            table(PEERS[name].name, THEIRS, theirs(PEERS[name], cache, arguments.seconds, arguments.rounds))
        except PeerError as error:
            print(f"| {PEERS[name].name}: {error} | | | | | | |", flush=True)


def table(name: str, loads: tuple[Load, ...], seen: list[Seen]) -> None:
    for load, each in zip(loads, seen, strict=True):
        print(f"| {name}: {load.name} | {load.clients} | " + " | ".join(each.cells()) + " |", flush=True)


if __name__ == "__main__":
    main()
