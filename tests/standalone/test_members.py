"""What decides whether a member is trained again, and which pictures one learns from."""

import numpy as np
import pytest

from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.environment import Environment
from ferkit.errors import WeightsError
from ferkit.preparation.quarantine import without_quarantined
from ferkit.preparation.validation import validate
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.members import RunMembers
from ferkit.standalone.run_data import RunData


def test_quarantine_is_that_of_the_validation():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    split = np.repeat(np.array([0, 1, 2], dtype=np.int8), 20)
    label = np.tile(np.arange(7, dtype=np.int8), 9)[:60]
    images[3] = 90
    images[7], images[25] = images[6], images[5]
    faces = FaceDataset(images, label, split, np.arange(60, dtype=np.int64) * 3)
    loose = {"minimum_training": 1, "minimum_evaluation": 1, "minimum_class": 1, "maximum_copies": 1.0}
    for setting in ("constant", "copies_in_training", "copies_across_splits", "conflicting_labels"):
        choice = {"constant": "keep", setting: "quarantine", "maximum_constant": 1.0}
        settings = ValidationSettings.model_validate({**loose, **choice})
        left = without_quarantined(faces, settings)
        assert len(left) < len(faces), setting
        np.testing.assert_array_equal(left.row, validate(faces, settings).faces.row)


def test_another_content_of_a_weights_file_is_another_network(tmp_path):
    file, other = tmp_path / "mine.weights.h5", tmp_path / "other.weights.h5"
    file.write_bytes(b"one")
    networks = [
        {"name": "fernet", "alias": "a", "width": 4, "weights": str(file)},
        {"name": "fernet", "alias": "b", "width": 4},
    ]
    config = RunConfig.model_validate({"name": "tiny", "data": {"source": "synthetic"}, "backbones": networks})
    generator = np.random.default_rng(0)
    faces = FaceDataset(
        generator.integers(0, 256, (40, 48, 48), dtype=np.uint8),
        np.arange(40, dtype=np.int8) % 7,
        np.repeat(np.array([0, 1], dtype=np.int8), 20),
        np.arange(40, dtype=np.int64),
    )

    def keys():
        environment = Environment(backend="tensorflow", device="CPU", versions={})
        members = RunMembers(config, RunData("", faces, faces), RunFolder(tmp_path / "out"), environment)
        return {each.label: members._key(each) for each in config.trained()}

    before = keys()
    file.write_bytes(b"two")
    after = keys()
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]
    file.rename(other)
    with pytest.raises(WeightsError, match=r"mine.weights.h5: the weights of a cannot be read"):
        keys()
