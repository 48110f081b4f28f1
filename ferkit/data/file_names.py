"""Names of files as text that can be written anywhere."""

__all__ = ["readable"]


def readable(name: str) -> str:
    r"""A name, or a message with one, with the bytes that are no UTF-8 as ``\xe9``; Python has them as surrogates.

    Examples
    --------
    >>> readable(b"caf\xe9.jpg".decode(errors="surrogateescape"))
    'caf\\xe9.jpg'
    """
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
