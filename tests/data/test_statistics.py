"""What is measured of the pictures of faces."""

import numpy as np
import pytest
from PIL import Image

from ferkit.data.statistics import face_statistics
from tests.detection.test_detection import drawn_faces


def test_statistics_tell_light_contrast_and_blur_apart():
    sharp = drawn_faces()
    dark = (sharp * 0.5).astype(np.uint8)
    blurred = np.stack([np.asarray(Image.fromarray(face).resize((16, 16)).resize((48, 48))) for face in sharp])
    of_sharp, of_dark, of_blurred = (face_statistics(images) for images in (sharp, dark, blurred))
    assert of_dark["brightness"] == pytest.approx(of_sharp["brightness"] / 2, abs=1)
    assert of_dark["contrast"] == pytest.approx(of_sharp["contrast"] / 2, abs=1)
    assert of_dark["sharpness"] == pytest.approx(of_sharp["sharpness"], rel=0.1)
    assert (of_blurred["sharpness"] < 0.7 * of_sharp["sharpness"]).all()
    flat = face_statistics(np.full((1, 48, 48), 7, np.uint8))
    assert {name: value.tolist() for name, value in flat.items()} == {
        "brightness": [7], "contrast": [0], "sharpness": [0]
    }  # fmt: skip
    assert all(len(value) == 0 for value in face_statistics(sharp[:0]).values())
