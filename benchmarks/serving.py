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
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from peers.compare import ROOT, RUNNERS, Peer, PeerError, command
from serving_clients import Load, Seen, measured, own

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
    arguments = parser.parse_args()
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
