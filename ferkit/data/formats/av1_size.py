"""How large the pictures within an AVIF are, by what their coding says and not by what the file around them says.

An AVIF is boxes (ISO/IEC 14496-12) that name coded items; each begins with a sequence header (AV1 Bitstream &
Decoding Process Specification, 5.5), by which a decoder allocates its frames. Only afterwards are they made as small as
the boxes say.
"""

from collections.abc import Iterator

__all__ = ["coded_sizes"]

_CODED = b"av01"
_SEQUENCE_HEADER = 1
# How often a file's bytes are looked through: items do not overlap, and tracks are taken to go on to the end.
_TIMES = 4


def coded_sizes(content: bytes) -> list[tuple[int, int]]:
    """Width and height in pixels of each sequence that an AVIF holds: pictures, their opacity, tiles, thumbnails.

    What cannot be understood is passed over: the decoder will say what is wrong with it. A frame that overrides the
    size of its sequence is not looked for.
    """
    found, left = [], _TIMES * len(content)
    for data in _coded(content):
        try:
            found += list(_sizes(data))
        except IndexError:
            continue
        finally:
            left -= len(data)
        # Others may name the same bytes without end.
        if left < 0:
            break
    return found


def _coded(content: bytes) -> Iterator[bytes]:
    """The coded data of items, and what begins where a track does."""
    try:
        for kind, body in _boxes(content):
            if kind == b"meta":
                yield from _items(dict(_boxes(body[4:])), content)
            elif kind == b"moov":
                yield from (content[offset:] for offset in _track_offsets(body))
    except IndexError:
        return


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each box in `data`."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield data[at + 4 : at + 8], data[at + head : at + size]
        at += size


class _Reader:
    """Numbers of any count of bits, the highest bit first; `IndexError` behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bits(self, count: int) -> int:
        first, self._at = self._at, self._at + count
        end = (self._at + 7) // 8
        if end > len(self._data):
            raise IndexError
        return int.from_bytes(self._data[first // 8 : end]) >> (end * 8 - self._at) & ((1 << count) - 1)

    def bytes(self, count: int) -> int:
        return self.bits(8 * count)


def _items(meta: dict[bytes, bytes], content: bytes) -> Iterator[bytes]:
    """The data of the items that are coded in AV1: ISO/IEC 14496-12, 8.11.3 and 8.11.6."""
    info, location = meta.get(b"iinf", b""), meta.get(b"iloc", b"")
    coded = set()
    for kind, body in _boxes(info[6 if info[:1] == b"\0" else 8 :]):
        wide = body[:1] == b"\3"
        if kind == b"infe" and body[8 + 2 * wide : 12 + 2 * wide] == _CODED:
            coded.add(int.from_bytes(body[4 : 6 + 2 * wide]))
    read = _Reader(location)
    version = read.bytes(4) >> 24
    offset_size, length_size, base_size, index_size = (read.bits(4) for _ in range(4))
    for _ in range(read.bytes(4 if version == 2 else 2)):
        item = read.bytes(4 if version == 2 else 2)
        where = read.bytes(2) & 15 if version else 0
        read.bytes(2)
        base = read.bytes(base_size)
        source, data = (meta.get(b"idat", b"") if where == 1 else content), b""
        for _ in range(read.bytes(2)):
            read.bytes(index_size if version else 0)
            start, length = base + read.bytes(offset_size), read.bytes(length_size)
            if item in coded and len(data) < len(content):
                data += source[start : start + length if length else None]
        yield data


def _track_offsets(moov: bytes) -> Iterator[int]:
    """Where the first sample of each track begins: ISO/IEC 14496-12, 8.7.5."""
    for kind, body in _boxes(moov):
        if kind in (b"trak", b"mdia", b"minf", b"stbl"):
            yield from _track_offsets(body)
        elif kind in (b"stco", b"co64"):
            yield int.from_bytes(body[8 : 12 if kind == b"stco" else 16])


def _sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Of every sequence header among the units of `data`: 5.3 of the specification."""
    at = 0
    while at < len(data):
        head = data[at]
        # The first and the last bit are reserved: with one of them it is something else.
        if head & 0x81:
            return
        at += 2 if head & 4 else 1
        size = len(data) - at
        if head & 2:
            size, at = _leb128(data, at)
        if head >> 3 == _SEQUENCE_HEADER:
            yield _largest_frame(_Reader(data[at : at + size]))
        at += size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number in 7 bits a byte, the lowest first, and where it ends."""
    value = 0
    for index in range(8):
        value |= (data[at + index] & 0x7F) << 7 * index
        if not data[at + index] & 0x80:
            return value, at + index + 1
    raise IndexError


def _largest_frame(read: _Reader) -> tuple[int, int]:
    """The size in a sequence header: 5.5.1 of the specification."""
    read.bits(4)
    if read.bits(1):
        read.bits(5)
    else:
        _skip_operating_points(read)
    width, height = read.bits(4) + 1, read.bits(4) + 1
    return read.bits(width) + 1, read.bits(height) + 1


def _skip_operating_points(read: _Reader) -> None:
    delay_length = 0
    if read.bits(1):
        read.bits(64)
        if read.bits(1):
            zeros = 0
            while not read.bits(1):
                zeros += 1
            read.bits(zeros)
        if read.bits(1):
            delay_length = read.bits(5) + 1
            read.bits(42)
    has_display_delay = read.bits(1)
    for _ in range(read.bits(5) + 1):
        read.bits(12)
        if read.bits(5) > 7:
            read.bits(1)
        if delay_length and read.bits(1):
            read.bits(2 * delay_length + 1)
        if has_display_delay and read.bits(1):
            read.bits(4)
