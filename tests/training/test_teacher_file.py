"""A teacher's answers in a file: written once, found by the pictures."""

from dataclasses import replace

import numpy as np
import pytest

from ferkit.data.training_set import TrainingSet
from ferkit.errors import DataError
from ferkit.training.teacher_file import read_teacher_file, write_teacher_file


@pytest.fixture(scope="module")
def training_set():
    """Six pictures of the rows 10 to 15, and two that balancing made."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (8, 48, 48)).astype(np.uint8)
    labels = np.eye(7, dtype=np.float32)[generator.integers(0, 7, 8)]
    return TrainingSet(images, labels, np.array([*range(10, 16), -1, -1]), np.arange(8))


@pytest.fixture(scope="module")
def answers():
    generator = np.random.default_rng(1)
    return {"fer": generator.dirichlet(np.ones(7), 9), "ferplus": generator.dirichlet(np.ones(8), 9)}


@pytest.fixture(scope="module")
def file(training_set, answers, tmp_path_factory):
    """The six pictures backwards, one of them twice, and two that nobody asks for."""
    path = tmp_path_factory.mktemp("teacher") / "answers.npz"
    others = np.zeros((2, 48, 48), np.uint8) + np.array([1, 2], np.uint8)[:, None, None]
    images = np.concatenate([training_set.images[5::-1], others, training_set.images[3:4]])
    write_teacher_file(path, images, {**answers, "fer": np.concatenate([answers["fer"][:8], answers["fer"][2:3]])})
    return path


def test_answers_are_found_by_the_pixels_whatever_the_rows(file, training_set, answers):
    found = read_teacher_file(file).predict(training_set, "fer")
    assert (found.target, found.split) == ("fer", "Training")
    np.testing.assert_array_equal(found.row, np.arange(10, 16))
    np.testing.assert_allclose(found.probabilities, answers["fer"][5::-1], atol=1e-3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    shuffled = replace(training_set, images=training_set.images[[3, 0, 1]], targets=training_set.targets[:3],
                       row=np.array([7, -1, 9]), indices=np.arange(3))  # fmt: skip
    again = read_teacher_file(file).predict(shuffled, "fer")
    np.testing.assert_array_equal(again.row, [7, 9])
    np.testing.assert_allclose(again.probabilities, found.probabilities[[3, 1]])


def test_a_picture_or_a_target_that_the_file_lacks_is_named(file, training_set):
    images = training_set.images.copy()
    images[4] = 7
    with pytest.raises(DataError, match=r"1 of 6 training pictures are not in the file, such as row 14: .*other data"):
        read_teacher_file(file).predict(replace(training_set, images=images), "fer")
    write_teacher_file(file.with_name("fer.npz"), images, {"fer": np.full((8, 7), 1 / 7)})
    with pytest.raises(DataError, match="no answers for target ferplus, the file answers for fer"):
        read_teacher_file(file.with_name("fer.npz")).predict(training_set, "ferplus")


DIGESTS = np.zeros((2, 32), np.uint8)


@pytest.mark.parametrize(
    "arrays", [{"other": np.zeros(3)}, {"picture": DIGESTS}, {"picture": DIGESTS, "fer": np.ones((3, 7), np.float16)}]
)
def test_another_file_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(DataError, match=r"other\.npz: not a file of a teacher's answers"):
        read_teacher_file(tmp_path / "other.npz")


def test_a_damaged_or_missing_file_is_refused(file, tmp_path):
    (tmp_path / "cut.npz").write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cut\.npz: not a file of a teacher's answers"):
        read_teacher_file(tmp_path / "cut.npz")
    with pytest.raises(DataError, match=r"gone\.npz: no such file"):
        read_teacher_file(tmp_path / "gone.npz")
