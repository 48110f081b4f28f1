"""Names of classes: the order that a data set has them in, and which mean the same."""

import pytest

from ferkit.data.class_names import class_table
from ferkit.data.labels import FER_EMOTIONS


@pytest.mark.parametrize(
    ("names", "classes", "index"),
    [
        (["happy", "Sadness"], FER_EMOTIONS, [3, 4]),
        (["1_Surprise", "2_Fear"], FER_EMOTIONS, [5, 2]),
        (["contempt", "Happy"], ("contempt", "Happy"), [0, 1]),
        (["happy", "Happiness", "contempt"], ("contempt", "happy"), [1, 1, 0]),
        (["10", "9", "0"], ("0", "9", "10"), [2, 1, 0]),
        (["10_late", "2_early"], ("2_early", "10_late"), [1, 0]),
        (["2 years", "3 years"], ("2 years", "3 years"), [0, 1]),
        (["b", "A"], ("A", "b"), [1, 0]),
    ],
)
def test_classes_and_the_place_of_each_name(names, classes, index):
    assert class_table(names) == (classes, dict(zip(names, index, strict=True)))
