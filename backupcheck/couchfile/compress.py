"""Compressed terms: snappy, deflate or neither; a bomb is refused before it is unpacked.

The first byte tells: 1 = a raw snappy block of a term; 131, 80 = zlib, after the uncompressed size in four
bytes; 131 = a plain term. Any file may mix them. Source: `couch_compress.erl` of CouchDB 3.5.0.
"""

from __future__ import annotations

import struct
import zlib

import cramjam

from .errors import Code, CouchFileError
from .limits import DEFAULT, Limits
from .terms import VERSION

# A copy of 64 bytes takes three bytes, and nothing in the format does better.
SNAPPY_MOST = 22


def expand(data: bytes, limits: Limits = DEFAULT) -> bytes:
    """The plain term (it starts with 131) within `data`.

    Raises CouchFileError: `record-too-large` beyond `limits.term_bytes`, else `compression-broken`.
    """
    first = data[:1]
    if first == b"\x01":
        return _snappy(data[1:], limits)
    if first == b"\x83":
        return _zlib(data, limits) if data[1:2] == b"\x50" else data
    raise _broken(f"a term starts with byte {data[0]}" if data else "an empty record")


def _snappy(block: bytes, limits: Limits) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(block)
        _bounded(size, limits)
        if size > SNAPPY_MOST * len(block):
            raise _broken(f"a snappy block of {len(block)} bytes claims {size}")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise _broken(str(error)) from None


def _zlib(data: bytes, limits: Limits) -> bytes:
    try:
        (size,) = struct.unpack_from(">I", data, 2)
        _bounded(size, limits)
        stream = zlib.decompressobj()
        plain = stream.decompress(data[6:], size + 1)
    except (struct.error, zlib.error) as error:
        raise _broken(f"deflate: {error}") from None
    if len(plain) != size or not stream.eof or stream.unused_data:
        raise _broken(f"deflate: {size} bytes expected, {len(plain)} found, or the stream ends elsewhere")
    return bytes((VERSION,)) + plain


def _bounded(size: int, limits: Limits) -> None:
    if size > limits.term_bytes:
        raise CouchFileError(Code.RECORD_TOO_LARGE, f"a term of {size} bytes, more than {limits.term_bytes}")


def _broken(message: str) -> CouchFileError:
    return CouchFileError(Code.COMPRESSION_BROKEN, message)
