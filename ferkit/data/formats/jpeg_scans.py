"""How many scans a JPEG has."""

import re

__all__ = ["count_scans"]

# A marker (ITU-T T.81, B.1.1.2) that is neither part of a scan nor without parameters.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_END, _SCAN = 0xD9, 0xDA


def count_scans(content: bytes, most: int) -> int:
    """The scans of the first picture of a JPEG, which are not decoded; `most` + 1 stands for more than `most`.

    A progressive JPEG sends its pixels in several scans, each of which goes through all of them: one of 200 kB can have
    1,200.
    """
    count = position = 0
    while count <= most and (found := _MARKER.search(content, position)):
        marker, start = content[found.start() + 1], found.end()
        if marker == _END:
            break
        count += marker == _SCAN
        # Of its parameters, two bytes are their own length; what is left of a scan is looked through.
        position = start + max(2, int.from_bytes(content[start : start + 2]))
    return count
