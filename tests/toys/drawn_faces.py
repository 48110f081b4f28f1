"""Synthetic faces that a process of pytest's draws once: drawing the same again took half of what many tests took."""

from dataclasses import fields
from functools import wraps

from ferkit.sources.synthetic import generate


def draw_once() -> None:
    """From now on faces are drawn once in this process, whoever asks for them, and are copies after that.

    Processes that it starts draw as ever. ``generate._draw.__wrapped__`` draws always.
    """
    kept = {}

    @wraps(generate._draw)
    def draw(plan, seed):
        key = seed, *(getattr(plan, field.name).tobytes() for field in fields(plan))
        if key not in kept:
            kept[key] = draw.__wrapped__(plan, seed)
        return tuple(each.copy() for each in kept[key])

    generate._draw = draw
