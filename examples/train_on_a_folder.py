"""Train on pictures in folders, one an emotion, and judge the network: no ZenML, no MLflow.

python examples/train_on_a_folder.py --pictures FOLDER

FOLDER holds train/<emotion>/* and test/<emotion>/*; where it is not there yet, drawn faces are put into it.
"""

import argparse
from pathlib import Path

from PIL import Image

from ferkit.config.run_config import RunConfig
from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import read_data


def draw_faces(folder: Path, count: int) -> None:
    """Write drawn faces to train/<emotion>/, validation/<emotion>/ and test/<emotion>/ of `folder`."""
    names = dict(zip(SPLITS, ("train", "validation", "test"), strict=True))
    faces = generate(SyntheticSettings(count=count, non_faces=0)).faces
    for image, label, split, row in zip(faces.images, faces.label, faces.split, faces.row, strict=True):
        place = folder / names[SPLITS[split]] / FER_EMOTIONS[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{row}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=Path("pictures"))
    parser.add_argument("--out", type=Path, default=Path("runs/folder"), help="networks, scores and curves")
    parser.add_argument("--count", type=int, default=2400, help="faces to draw where there are none")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--width", type=int, default=12, help="filters of the first layer of the network")
    parser.add_argument("--depth", type=int, help="its blocks of layers; four if not given")
    arguments = parser.parse_args()
    if not arguments.pictures.exists():
        draw_faces(arguments.pictures, arguments.count)
    config = RunConfig.model_validate(
        {
            "name": "folder",
            "data": {"source": "folder", "path": arguments.pictures},
            "backbones": [{"name": "fernet", "width": arguments.width, "depth": arguments.depth}],
            "training": {"network": {"epochs": arguments.epochs, "learning_rate": 0.002}},
        }
    )
    scores = train_run(config, read_data(config), arguments.out)
    print(scores[["model", "subset", "pictures", "accuracy", "accuracy_low", "accuracy_high", "macro_f1"]].to_string())


if __name__ == "__main__":
    main()
