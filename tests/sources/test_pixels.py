"""Pixels from text: the fast way and the slow one say the same of any text."""

import numpy as np
import pytest

from ferkit.sources.pixels import PixelError, _parse_all, _parse_one, parse_pixels
from tests.sources.fer2013_files import pixel_text


def test_the_fast_and_the_slow_way_agree():
    rng = np.random.default_rng(0)
    for count in (1, 2, 9, 400):
        values = rng.choice([0, 1, 9, 10, 11, 99, 100, 101, 199, 200, 249, 254, 255], size=(5, count))
        texts = [pixel_text(row).encode() for row in values]
        fast = _parse_all(texts, count)
        assert fast is not None, "plain text takes the fast way"
        assert (fast.reshape(values.shape) == values).all()
        assert [_parse_one(0, text, count) for text in texts] == values.tolist()


def test_every_number_is_read_at_every_place():
    values = np.array([np.roll(np.arange(256), shift) for shift in range(256)])
    texts = [pixel_text(row).encode() for row in values]
    fast = _parse_all(texts, 256)
    assert fast is not None
    assert (fast.reshape(values.shape) == values).all()


_ALPHABET = [b"0", b"7", b"42", b"255", *b"256,300,1000,01,007,0007,, ,\t,-1,x,1.5".split(b",")]


def test_whatever_the_text_the_fast_way_never_says_otherwise_than_the_slow_one():
    rng = np.random.default_rng(1)
    accepted = refused = 0
    for _ in range(4000):
        count = int(rng.integers(1, 4))
        # Mostly plain numbers, so that a good share of the texts is right.
        weights = np.where(np.arange(len(_ALPHABET)) < 4, 20.0, 1.0)
        texts = [
            b" ".join(_ALPHABET[at] for at in rng.choice(len(_ALPHABET), size=words, p=weights / weights.sum()))
            for words in rng.choice([count, count + 1, count + 2], size=int(rng.integers(1, 4)), p=[0.9, 0.05, 0.05])
        ]
        try:
            slow, wrong = [_parse_one(index, text, count) for index, text in enumerate(texts)], -1
        except PixelError as error:
            slow, wrong = [], error.index
        if wrong < 0:
            accepted += 1
            assert parse_pixels(texts, count).tolist() == slow
        else:
            refused += 1
            with pytest.raises(PixelError) as caught:
                parse_pixels(texts, count)
            assert caught.value.index == wrong
    assert min(accepted, refused) > 500
