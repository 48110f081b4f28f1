"""A shipped network as LiteRT in each precision: its size, its speed, and what is left of its answers.

    python benchmarks/litert_precisions.py DATA [--network NAME] [--limit N]

DATA is a folder with fer2013.csv and fer2013new.csv. Each file answers the pictures of PublicTest that occur in no
other split, one view of each, beside the Keras network; all are timed in turns, one thread, in milliseconds of
processor time a face.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from ferkit.bundles.bundle import load_bundle
from ferkit.bundles.parity import Precision, compare
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import labelled
from ferkit.export import LiteRTNetwork, litert_graph, write_litert
from ferkit.export.latency import measure_latency
from ferkit.models.face_model import predict_targets
from ferkit.models.selection import NO_DUPLICATES, selection_pictures
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "mixed_weights", "int8_weights", "int8_dynamic")


def measured(faces: FaceDataset, name: str | None = None, limit: int | None = None) -> list[str]:
    """The lines of the table, in Markdown."""
    bundle = load_bundle()
    name = name or min(bundle.card.networks_of("default"))
    network, heads = bundle.network(name), bundle.card.networks[name].heads
    pictures = selection_pictures(faces, NO_DUPLICATES)
    pictures = pictures.take(np.arange(len(pictures))[:limit])
    labels = {}
    for target in heads:
        known, distribution = labelled(pictures, bundle.card.targets[target].settings)
        labels[target] = np.full(len(pictures), -1)
        labels[target][np.isin(pictures.row, known.row)] = distribution.argmax(axis=1)
    expected = predict_targets(network, pictures.images, heads)
    with tempfile.TemporaryDirectory() as place:
        graph, files = litert_graph(network, Path(place) / "graph"), {}
        for precision in PRECISIONS:
            write_litert(network, Path(place) / f"{precision}.tflite", precision, graph=graph)
            files[precision] = LiteRTNetwork(Path(place) / f"{precision}.tflite")
        latencies = measure_latency(files, pictures.images[:32])
        lines = [_header(tuple(heads))]
        for precision, file in files.items():
            agreements = compare(expected, file(pictures.images), labels)
            one, many = (each.processor for each in latencies[precision])
            cells = [
                f"{each.agreement:.2%} | {each.keras_accuracy:.2%}, {each.accuracy:.2%}" for each in agreements.values()
            ]
            size = file.file.stat().st_size / 1e6
            lines.append(f"| {precision} | {size:.2f} | {' | '.join(cells)} | {one:.1f} | {many:.1f} |")
    return lines


def _header(targets: tuple[Target, ...]) -> str:
    columns = " | ".join(f"{target}: same class | accuracy, Keras and file" for target in targets)
    return f"| | MB | {columns} | ms, one face | ms, of 32 |\n|---|---:|{'---:|' * (2 * len(targets) + 2)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", help="name of a network of the bundle, the default one if empty")
    parser.add_argument("--limit", type=int, help="pictures, all if empty")
    arguments = parser.parse_args()
    faces = load_fer2013(Fer2013Settings(path=arguments.data, ferplus="required"))
    print("\n".join(measured(faces, arguments.network, arguments.limit)))


if __name__ == "__main__":
    main()
