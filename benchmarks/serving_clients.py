"""Clients that ask a server for the faces of pictures in a closed loop, and what they and its processes saw of it.

Run as ``serving_clients.py ADDRESS LOAD SECONDS``, the load as JSON, it makes one measurement and prints it as JSON.
`measured` starts it, so that the clients are a process of their own.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from peers.compare import ROOT, PeerError
from PIL import Image

from ferkit.sources.synthetic.action_units import ACTION_UNITS, draw_intensities
from ferkit.sources.synthetic.drawing import draw_face

# Seconds of each measurement that are not counted: caches, and threads that start.
WARM = 2.0


@dataclass(frozen=True)
class Load:
    """What is asked, by how many at a time.

    Attributes
    ----------
    name
        In the table.
    path
        That is asked, with its query.
    picture
        Which of `pictures` is sent.
    clients
        How many ask.
    """

    name: str
    path: str
    picture: str
    clients: int


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


def measured(address: str, loads: Sequence[Load], seconds: float, rounds: int, server: int | None = None) -> list[Seen]:
    """What the clients of each load saw, in rounds, each of which has every load in turn.

    `server` is its process, None if that is not ours to look at.
    """
    contents = pictures()
    for load in loads:
        checked(address, load, contents[load.picture])
    total = [Seen() for _ in loads]
    for _ in range(rounds):
        for load, sum_of in zip(loads, total, strict=True):
            line = [sys.executable, __file__, address, json.dumps(asdict(load)), str(seconds)]
            before = processor_seconds(server) if server else 0.0
            done = subprocess.run(line, capture_output=True, text=True, check=True, env=own())
            seen = Seen(**json.loads(done.stdout))
            sum_of.seconds += seen.seconds
            sum_of.errors += seen.errors
            sum_of.elapsed += seen.elapsed
            # The answers that are not counted cost as much as the others.
            share = seen.elapsed / (seen.elapsed + WARM)
            sum_of.processor += share * (processor_seconds(server) - before) if server else 0.0
    return total


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


def own() -> dict[str, str]:
    """The environment of a process of ours."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


if __name__ == "__main__":
    address, given, seconds = sys.argv[1:]
    load = Load(**json.loads(given))
    print(json.dumps(asdict(clients(address, load, pictures()[load.picture], float(seconds)))))
