"""How often Python looks for unreachable objects in a process that holds ZenML, MLflow and TensorFlow."""

import gc

__all__ = ["collect_seldom"]

# New objects until the youngest are looked through; how often that is done until those that stayed are; and how often
# that until all are. Python's own are 700, 10 and 10.
_THRESHOLDS = (20_000, 10, 3)


def collect_seldom() -> None:
    """Look for circles of objects after so many new ones that importing libraries takes one such look at most.

    They are more than half a million objects that stay: with Python's own thresholds a fifth of the processor time of
    importing them, and a tenth of that of an experiment, went into looking them through. What a training leaves behind
    is still found, some hundred thousand objects later.
    """
    gc.set_threshold(*_THRESHOLDS)
