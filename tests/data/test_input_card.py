"""The pictures that a network takes, made of others."""

import numpy as np
import pytest

from ferkit.data.input_card import InputCard

GREY = np.arange(48, dtype=np.uint8).repeat(48).reshape(1, 48, 48) * 5


@pytest.mark.parametrize(
    "taken", [InputCard(size=96, colour=True), InputCard(size=32), InputCard(size=20, colour=True)]
)
def test_pictures_are_enlarged_or_reduced_and_keep_what_they_show(taken):
    fitted = taken.fit(GREY)
    taken.require(fitted)
    back = InputCard().fit(fitted)
    assert np.abs(back.astype(int) - GREY).mean() < 5


def test_what_fits_stays_as_it_is():
    assert InputCard().fit(GREY) is GREY
    assert str(InputCard(size=96, colour=True)) == "96x96 RGB"
