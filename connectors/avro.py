"""Avro object container files: every record, read strictly and within bounds.

Source of the form: the Apache Avro 1.12 specification, object container files. Logical
types are read as what they are stored as; recursive types are refused.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from connectors.errors import MalformedInput
from connectors.parsing import parse_json, well_formed

MOST_BLOCK_BYTES = 256 * 1024**2
"""Of one block, once it is unpacked."""
_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_DEEPEST = 32
_CRC_BYTES = 4


class _Bytes:
    """A position in bytes."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise ValueError("it ends within a value")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def long(self) -> int:
        """A variable-length zig-zag number."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def count(self) -> int:
        """How many items follow; never more than bytes are left."""
        number = self.long()
        if number < 0:
            number = -number
            self.long()
        if number > len(self.data) - self.at:
            raise ValueError("there are fewer items than it says")
        return number


_Decoder = Callable[[_Bytes], Any]


def avro_records(data: bytes, what: str) -> Iterator[dict[str, Any]]:
    """The records of a container file.

    Raises:
        MalformedInput: it is none, or is cut off.
    """
    with well_formed(what):
        source = _Bytes(data)
        if source.take(len(_MAGIC)) != _MAGIC:
            raise MalformedInput(f"{what} is no Avro file")
        meta = _map(_bytes)(source)
        decode = _compiled(
            parse_json(meta["avro.schema"], f"the schema of {what}"), {}, 0
        )
        codec = meta.get("avro.codec", b"null").decode()
        sync = source.take(_SYNC_BYTES)
        while source.at < len(data):
            count = source.long()
            block = _Bytes(_unpacked(codec, source.take(source.long())))
            if not 0 <= count <= len(block.data):
                raise MalformedInput(f"{what} has a block of {count} records")
            for _ in range(count):
                yield decode(block)
            if block.at != len(block.data) or source.take(_SYNC_BYTES) != sync:
                raise MalformedInput(f"{what} has a damaged block")


def _unpacked(codec: str, block: bytes) -> bytes:
    if codec == "null":
        return block
    if codec == "deflate":
        return _inflated(block)
    if codec in ("snappy", "zstandard"):
        return _by_arrow(codec, block)
    raise MalformedInput(f"Avro packed with {codec!r:.40} is not read here")


def _inflated(block: bytes) -> bytes:
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = unpacking.decompress(block, MOST_BLOCK_BYTES)
    except zlib.error as cause:
        raise MalformedInput("an Avro block is damaged") from cause
    if not unpacking.eof:
        raise MalformedInput("an Avro block is cut off, or too large once unpacked")
    return data


def _by_arrow(codec: str, block: bytes) -> bytes:
    import pyarrow as pa

    try:
        if codec == "snappy":
            return _unsnapped(block)
        with pa.CompressedInputStream(pa.BufferReader(block), "zstd") as stream:
            data = bytes(stream.read(MOST_BLOCK_BYTES + 1))
    except (pa.ArrowException, OSError) as cause:
        raise MalformedInput("an Avro block is damaged") from cause
    if len(data) > MOST_BLOCK_BYTES:
        raise MalformedInput("an Avro block is too large once unpacked")
    return data


def _unsnapped(block: bytes) -> bytes:
    import pyarrow as pa

    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > MOST_BLOCK_BYTES:
        raise MalformedInput("an Avro block is too large once unpacked")
    data = bytes(pa.decompress(block[:-_CRC_BYTES], size, codec="snappy", asbytes=True))
    if zlib.crc32(data).to_bytes(_CRC_BYTES, "big") != block[-_CRC_BYTES:]:
        raise MalformedInput("an Avro block is damaged")
    return data


def _compiled(schema: Any, named: dict[str, _Decoder | None], depth: int) -> _Decoder:
    """What reads a value of a schema."""
    if depth > _DEEPEST:
        raise MalformedInput("an Avro schema is nested too deeply")
    if isinstance(schema, list):
        return _union([_compiled(branch, named, depth + 1) for branch in schema])
    if isinstance(schema, str):
        found = _PRIMITIVES.get(schema) or named.get(schema)
        if found is None:
            raise MalformedInput(f"an Avro schema names {schema!r:.80}")
        return found
    kind = schema["type"]
    if not isinstance(kind, str):
        return _compiled(kind, named, depth + 1)
    if kind == "array":
        return _array(_compiled(schema["items"], named, depth + 1))
    if kind == "map":
        return _map(_compiled(schema["values"], named, depth + 1))
    if kind in ("record", "fixed", "enum"):
        decoder = _named(kind, schema, named, depth)
        named[schema["name"]] = decoder
        if space := schema.get("namespace"):
            named[f"{space}.{schema['name']}"] = decoder
        return decoder
    return _compiled(kind, named, depth + 1)


def _named(
    kind: str, schema: Any, named: dict[str, _Decoder | None], depth: int
) -> _Decoder:
    if kind == "fixed":
        size = int(schema["size"])
        return lambda source: source.take(size)
    if kind == "enum":
        symbols = tuple(schema["symbols"])
        return lambda source: symbols[_index(source, len(symbols))]
    fields = [
        (str(field["name"]), _compiled(field["type"], named, depth + 1))
        for field in schema["fields"]
    ]
    return lambda source: {name: decode(source) for name, decode in fields}


def _index(source: _Bytes, count: int) -> int:
    index = source.long()
    if not 0 <= index < count:
        raise ValueError("a choice is out of range")
    return index


def _union(branches: list[_Decoder]) -> _Decoder:
    return lambda source: branches[_index(source, len(branches))](source)


def _array(item: _Decoder) -> _Decoder:
    def read(source: _Bytes) -> list[Any]:
        values: list[Any] = []
        while count := source.count():
            values.extend(item(source) for _ in range(count))
        return values

    return read


def _map(value: _Decoder) -> _Decoder:
    def read(source: _Bytes) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while count := source.count():
            for _ in range(count):
                name = _text(source)
                values[name] = value(source)
        return values

    return read


def _bytes(source: _Bytes) -> bytes:
    return source.take(source.long())


def _text(source: _Bytes) -> str:
    return source.take(source.long()).decode()


def _boolean(source: _Bytes) -> bool:
    return source.take(1) == b"\x01"


def _float(source: _Bytes) -> float:
    return float(struct.unpack("<f", source.take(4))[0])


def _double(source: _Bytes) -> float:
    return float(struct.unpack("<d", source.take(8))[0])


def _nothing(source: _Bytes) -> None:
    return None


_PRIMITIVES: dict[str, _Decoder] = {
    "null": _nothing,
    "boolean": _boolean,
    "int": _Bytes.long,
    "long": _Bytes.long,
    "float": _float,
    "double": _double,
    "bytes": _bytes,
    "string": _text,
}
