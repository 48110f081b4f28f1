"""Read every tenth frame of a video with the small network that ferkit ships.

python examples/read_a_video.py [VIDEO]

Without a VIDEO, one is made of the drawn faces: the camera goes over them from left to right.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import cv2

from ferkit.bundles.bundle import load_bundle
from ferkit.data.picture_files import read_picture
from ferkit.detection.loading import load_detector
from ferkit.inference.predictor import Predictor
from ferkit.inference.video import frames_of_video

FACES = Path(__file__).parents[1] / "docs" / "images" / "faces.png"
SIDE = 320


def film(path: Path, frames: int) -> None:
    """Write a video of 10 frames a second that shows `FACES` piece by piece."""
    picture = read_picture(FACES)[:SIDE]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (SIDE, SIDE))
    for frame in range(frames):
        left = frame * (picture.shape[1] - SIDE) // frames
        writer.write(cv2.cvtColor(picture[:, left : left + SIDE], cv2.COLOR_RGB2BGR))
    writer.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--bundle", type=Path, help="folder with models of your own")
    parser.add_argument("--frames", type=int, default=60, help="of the video that is made")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.bundle)
    # bundle.predict alone asks the whole vote: more accurate, many times slower.
    classify = partial(bundle.predict, model="tiny" if "tiny" in bundle.card.models else "default")
    predictor = Predictor(classify, bundle.classes(), load_detector("blazeface"), bundle.input)
    with tempfile.TemporaryDirectory() as folder:
        video = arguments.video or Path(folder) / "drawn.avi"
        if not arguments.video:
            film(video, arguments.frames)
        for frame in frames_of_video(video, every=10):
            faces = predictor.predict(frame.picture)
            shown = ", ".join(f"{face.emotion} {face.probabilities.max():.2f} at {face.box[:2]}" for face in faces)
            print(f"{frame.seconds:6.1f} s  {shown or 'no face'}")


if __name__ == "__main__":
    main()
