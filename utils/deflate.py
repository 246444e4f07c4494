"""Deflating one picture in parts on all cores: each part ends at a byte, so that the parts put together are one stream.

The ways to deflate, both for rows that PNG's filters have been over:

- near: literals and short runs only. Photographs have no other repeats, and flat artwork few after the right filter.
- wide: a short search over 32 KB, for text and patterns, and for grey pictures in RGB.

isal's fastest level with a window of 2 bytes is what makes photographs small and quick. It deflates in one call only,
which ends the stream, so here a part is cut into blocks and the end is taken off each (RFC 1951): the first bit of a
block says that it is the last one, and after its last code an empty stored block goes on to the next byte.

The same pixels should give the same bytes, as what is repeated under an Idempotency-Key is compared. isal's start of a
stream does not keep to that: it takes the hash at the third byte from a register that holds an address (igzip's
`write_first_byte`, in which tmp2 was never set), and notes the place 2 under it in place of 0. In a window of 2 bytes
the two mean the same; of 4, one picture in some dozens differed. What is left is that address meeting the hash of a
stream's first bytes: once in some thousand pictures that are packed again by another process.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

try:
    igzip_lib: Any = import_module("isal.igzip_lib")
    isal_zlib: Any = import_module("isal.isal_zlib")
except ImportError:  # optional: without it photographs take about four times as long
    igzip_lib = isal_zlib = None

Data = NDArray[np.uint8]
Deflate = Callable[[Data], bytes]

ZLIB_HEADER = b"\x78\x01"
END = b"\x03\x00"  # an empty block that is the last one
ADLER_BASE = 65521
BLOCK_BYTES = 120_000  # isal's largest table holds 128 K literals or runs: one block, whatever is in it
NEAR_BITS, SMALLEST_BITS = 1, 9  # windows; isal's packer in steps takes none below 512 bytes
LAST_DYNAMIC = 0b101  # a block's first three bits: it is the last one, and brings its own codes
HEADER_BYTES = 600  # more than the description of all codes can take
END_OF_BLOCK = 256
CODE_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
RUNS = {16: (3, 2), 17: (3, 3), 18: (11, 7)}  # of a code length: the least, and the bits that add to it

REVERSED_7 = [int(f"{value:07b}"[::-1], 2) for value in range(128)]


class DeflatedPart(NamedTuple):
    """A deflated part; `size` and `adler` are of the bytes that went in."""

    data: bytes
    size: int
    adler: int


def crc32(data: bytes, checksum: int) -> int:
    """Return the CRC-32 of what came so far and more data."""
    found: int = (isal_zlib or zlib).crc32(data, checksum)
    return found


def deflate_part(data: Data, deflate: Deflate) -> DeflatedPart:
    """Return contiguous data deflated by one of the ways below, to be joined with its neighbours."""
    return DeflatedPart(deflate(data), data.size, (isal_zlib or zlib).adler32(data))


def joined(parts: Iterable[DeflatedPart]) -> list[bytes]:
    """Return the pieces of one zlib stream over all parts."""
    pieces, adler = [ZLIB_HEADER], 1
    for part in parts:
        pieces.append(part.data)
        # the Adler-32 of both, from those of what came so far and of the part (RFC 1950)
        low, high = adler & 0xFFFF, adler >> 16
        part_low, part_high = part.adler & 0xFFFF, part.adler >> 16
        both_low = (low + part_low - 1) % ADLER_BASE
        adler = (high + part_high + part.size * (low - 1)) % ADLER_BASE << 16 | both_low
    return [*pieces, END, adler.to_bytes(4, "big")]


def near(data: Data) -> bytes:
    """Pack literals and short runs, with a window of 2 bytes: longer windows find four-byte repeats by chance, and
    those cost more bits than the literals."""
    if igzip_lib is None:
        return _in_steps(zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE), data)
    rest, size, blocks = data.reshape(-1), BLOCK_BYTES, []
    while rest.size:
        memory = igzip_lib.MEM_LEVEL_EXTRA_LARGE
        block = open_block(igzip_lib.compress(rest[:size], 1, igzip_lib.COMP_DEFLATE, memory, NEAR_BITS))
        if block is None and size > BLOCK_BYTES:
            size = BLOCK_BYTES
            continue
        if block is None:
            block = _in_steps(isal_zlib.compressobj(1, zlib.DEFLATED, -SMALLEST_BITS), rest[:size])
        blocks.append(block)
        # a literal or run takes a bit at least: where they are that few, one block may hold all that is left
        is_flat = len(blocks[-1]) * 8 * rest.size < size * BLOCK_BYTES // 2
        rest = rest[size:]
        size = max(rest.size, BLOCK_BYTES) if is_flat else BLOCK_BYTES
    return b"".join(blocks)


def wide(data: Data) -> bytes:
    """Pack with the shortest search for repeats up to 32 KB back."""
    return _in_steps((isal_zlib or zlib).compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS), data)


def _in_steps(packer: Any, data: Data) -> bytes:
    packed: bytes = packer.compress(data.data)
    flushed: bytes = packer.flush(zlib.Z_SYNC_FLUSH)
    return packed + flushed


def open_block(stream: bytes) -> bytes | None:
    """Return a deflate stream of one block so that another can follow, ended at a byte; None if its end is not plain.

    What follows the last code are zeros up to the byte, which look the same as a code that ends in zeros: the place
    is taken only where no other one fits.
    """
    if stream[0] & 0b111 != LAST_DYNAMIC or len(stream) < 4:
        return None
    lengths = _code_lengths(int.from_bytes(stream[:HEADER_BYTES], "little") >> 3)
    size, end = lengths[END_OF_BLOCK], int.from_bytes(stream[-4:], "little")
    code = _code(lengths, END_OF_BLOCK)
    fitting = [n for n in range(8) if end >> 32 - n == 0 and end >> 32 - n - size & (1 << size) - 1 == code]
    if len(fitting) != 1:
        return None
    aligned = b"" if fitting[0] >= 3 else b"\0"  # the stored block's own three bits fit before the byte's end or not
    return bytes((stream[0] & 0b11111110,)) + stream[1:] + aligned + b"\0\0\xff\xff"


def _code_lengths(bits: int) -> bytes:
    """Return the lengths of a block's literal and length codes from its header's bits (RFC 1951, 3.2.7)."""
    count, described = 257 + (bits & 31), 4 + (bits >> 10 & 15)
    bits >>= 14
    own = bytearray(len(CODE_ORDER))
    for symbol in CODE_ORDER[:described]:
        own[symbol] = bits & 7
        bits >>= 3
    filled: list[tuple[int, int]] = []  # of the next 7 bits short codes fill more (RFC 1951, 3.2.2)
    for length, meant in sorted((length, meant) for meant, length in enumerate(bytes(own)) if length):
        filled += [(length, meant)] * (128 >> length)
    table = [filled[at] for at in REVERSED_7] if len(filled) == 128 else [(7, 0)] * 128
    lengths = bytearray()
    while len(lengths) < count:
        size, symbol = table[bits & 127]
        bits >>= size
        if symbol < 16:
            lengths.append(symbol)
        else:
            least, width = RUNS[symbol]
            lengths += (lengths[-1:] if symbol == 16 else b"\0") * (least + (bits & (1 << width) - 1))
            bits >>= width
    return bytes(lengths)


def _code(lengths: bytes, symbol: int) -> int:
    """Return a symbol's code, as it lies in the stream, from the lengths of all codes (RFC 1951, 3.2.2)."""
    size, code = lengths[symbol], 0
    for shorter in range(1, size):
        code = code + lengths.count(shorter) << 1
    code += lengths.count(size, 0, symbol)
    return int(f"{code:0{size}b}"[::-1], 2)  # its first bit is the lowest
