"""What MLflow accepts as the name of a metric, which the name of a class may be part of."""

import re

__all__ = ["accepted_name"]

# Beside letters and digits of any alphabet.
_REFUSED = re.compile(r"[^\w.\- :/]")


def accepted_name(name: str) -> str:
    """The name with an underscore for each character that MLflow refuses.

    Examples
    --------
    >>> accepted_name("fer/recall_happy (wide)")
    'fer/recall_happy _wide_'
    """
    return _REFUSED.sub("_", name)
