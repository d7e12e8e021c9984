"""Avro files are read as written, and damaged ones end in one kind of error."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from connectors import avro
from connectors.avro import avro_records
from connectors.errors import MalformedInput

MANIFESTS = sorted(
    (Path(__file__).parents[2] / "tables" / "iceberg").rglob("*.avro"),
    key=lambda path: path.stat().st_size,
)
SYNC = b"0123456789abcdef"
SCHEMA = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "map", "values": "int"}},
        {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["a", "b"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "h", "size": 2}},
        {"name": "share", "type": "double"},
    ],
}
ROW = b"\x03" + b"\x02\x04hi" + b"\x02\x02x\x0e\x00" + b"\x02" + b"\x01\x02"
ROW += b"\x00" * 6 + b"\xf0\x3f"
TOLD = {
    "id": -2,
    "note": "hi",
    "tags": {"x": 7},
    "kind": "b",
    "hash": b"\x01\x02",
    "share": 1.0,
}


def number(value: int) -> bytes:
    value, data = (value << 1) ^ (value >> 63), b""
    while value > 0x7F:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def container(
    block: bytes, *, count: int = 1, codec: str = "null", schema: object = SCHEMA
) -> bytes:
    told = json.dumps(schema).encode()
    meta = {b"avro.schema": told, b"avro.codec": codec.encode()}
    head = number(len(meta)) + b"".join(
        number(len(k)) + k + number(len(v)) + v for k, v in meta.items()
    )
    body = number(count) + number(len(block)) + block
    return b"Obj\x01" + head + b"\x00" + SYNC + body + SYNC


def packed(codec: str, data: bytes) -> bytes:
    if codec == "deflate":
        packing = zlib.compressobj(wbits=-15)
        return packing.compress(data) + packing.flush()
    if codec == "snappy":
        whole = bytes(pa.compress(data, codec="snappy", asbytes=True))
        return whole + zlib.crc32(data).to_bytes(4, "big")
    if codec == "zstandard":
        return bytes(pa.compress(data, codec="zstd", asbytes=True))
    return data


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard"])
def test_records_are_read_however_they_are_packed(codec: str) -> None:
    data = container(packed(codec, ROW * 3), count=3, codec=codec)
    assert list(avro_records(data, "rows")) == [TOLD] * 3


@pytest.mark.parametrize("codec", ["deflate", "snappy", "zstandard"])
def test_block_that_unpacks_without_end_is_left(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avro, "MOST_BLOCK_BYTES", 10_000)
    data = container(packed(codec, b"\x00" * 1_000_000), codec=codec)
    with pytest.raises(MalformedInput, match="too large"):
        list(avro_records(data, "rows"))


@pytest.mark.parametrize(
    "schema",
    [
        "nothing-known",
        {"type": "record", "name": "a", "fields": [{"name": "b", "type": "a"}]},
        {"type": "record", "name": "a"},
        {"type": 7},
        {},
        [],
        {"type": "array", "items": "null"},
    ],
)
def test_odd_schemas_are_refused(schema: object) -> None:
    block = number(2**60) + b"\x00" * 10
    with pytest.raises(MalformedInput):
        list(avro_records(container(block, schema=schema), "rows"))


def test_schema_nested_without_end_is_refused() -> None:
    schema: object = "int"
    for _ in range(200):
        schema = {"type": "array", "items": schema}
    with pytest.raises(MalformedInput, match="nested"):
        list(avro_records(container(b"\x00", schema=schema), "rows"))


@pytest.mark.parametrize("count", [-1, 2**62, 100])
def test_more_records_than_bytes_are_refused(count: int) -> None:
    with pytest.raises(MalformedInput):
        list(avro_records(container(ROW, count=count), "rows"))


def test_any_damage_is_malformed_or_other_records() -> None:
    chance = random.Random(7)  # noqa: S311 - chooses damage, no secret
    data = MANIFESTS[0].read_bytes()
    for _ in range(1_500):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        try:
            list(avro_records(bytes(damaged[: chance.randint(1, len(data))]), "it"))
        except MalformedInput:
            continue


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name[:6])
def test_manifests_of_a_real_table_are_read_whole(path: Path) -> None:
    records = list(avro_records(path.read_bytes(), path.name))
    assert records
    assert {"manifest_path", "data_file"} & set(records[0])
