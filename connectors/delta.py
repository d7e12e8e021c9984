"""Delta tables: the log of commits in `_delta_log`, replayed by its published protocol.

Source: the Delta transaction log protocol, reader versions 1 to 3. A table that needs a
feature whose meaning for its content is not known here is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from connectors.data_files import DataFiles, read_whole, steps_of
from connectors.data_opening import DELTA_LOG
from connectors.data_tables import MOST_VERSIONS, TableFile, TableVersion
from connectors.errors import MalformedInput
from connectors.parsing import parse_json, well_formed

MOST_TABLE_FILES = 1_000_000
MOST_COMMIT_BYTES = 256 * 1024**2
MOST_UNPACKED_BYTES = 2 * 1024**3
_NEWEST_READER = 3
_KNOWN_FEATURES = frozenset(
    {
        "appendOnly",
        "columnMapping",
        "deletionVectors",
        "timestampNtz",
        "typeWidening",
        "typeWidening-preview",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
        "v2Checkpoint",
    }
)
_COMMIT = re.compile(r"([0-9]{20})\.json")
_CHECKPOINT = re.compile(
    r"([0-9]{20})\.checkpoint(?:\.([0-9]{10})\.([0-9]{10}))?\.parquet"
)
_PERCENT_CHECKED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/")


@dataclass(slots=True)
class _State:
    """The table after some commits."""

    files: dict[tuple[str, str], TableFile] = field(default_factory=dict)
    schema: str = ""
    made: datetime | None = None


class DeltaTable:
    """The history of a Delta table."""

    form = "delta"

    def __init__(self, files: DataFiles) -> None:
        self._files = files

    def versions(self) -> Iterator[TableVersion]:
        """See Table.versions."""
        names = self._files.names(DELTA_LOG)
        commits = sorted(int(m[1]) for n in names if (m := _COMMIT.fullmatch(n)))
        if not commits:
            raise MalformedInput("the table's log holds no commit")
        begin, state = self._beginning(commits, names)
        last = commits[-1]
        if begin > 0 and begin - 1 >= last - MOST_VERSIONS + 1:
            yield _version(begin - 1, state)
        for number in range(begin, last + 1):
            self._apply(number, state)
            if number > last - MOST_VERSIONS:
                yield _version(number, state)

    def _beginning(self, commits: list[int], names: list[str]) -> tuple[int, _State]:
        """The first commit to replay, and the table before it."""
        first, last = _run_to_the_end(commits)
        checkpoints = _checkpoints(names)
        wanted = max(first - 1, last - MOST_VERSIONS)
        if first == 0 and last < MOST_VERSIONS:
            return 0, _State()
        usable = [at for at in checkpoints if first - 1 <= at <= last]
        early = [at for at in usable if at <= wanted]
        if not early and first == 0:
            return 0, _State()
        if not usable:
            raise MalformedInput(
                f"the log begins at version {first} and no checkpoint before it can "
                "be read",
                hint="Checkpoints in one or several Parquet parts are read.",
            )
        chosen = max(early) if early else min(usable)
        return chosen + 1, self._checkpoint(checkpoints[chosen])

    def _apply(self, number: int, state: _State) -> None:
        path = f"{DELTA_LOG}/{number:020}.json"
        data = read_whole(self._files, path, at_most=MOST_COMMIT_BYTES)
        state.made = None
        lines = (line for line in data.splitlines() if line.strip())
        with well_formed(path):
            _take(state, [parse_json(line, path) for line in lines])

    def _checkpoint(self, parts: list[str]) -> _State:
        import pyarrow as pa
        import pyarrow.parquet as pq

        state = _State()
        for part in parts:
            path = f"{DELTA_LOG}/{part}"
            with self._files.opened(path) as opened, well_formed(path):
                try:
                    file = pq.ParquetFile(opened.stream)
                    _check_size(path, file)
                    present = set(file.schema_arrow.names)
                    wanted = [
                        c for c in ("protocol", "metaData", "add") if c in present
                    ]
                    for batch in file.iter_batches(columns=wanted, batch_size=4_096):
                        _take(state, [_without_absent(r) for r in batch.to_pylist()])
                except (pa.ArrowException, OSError) as cause:
                    raise MalformedInput(f"{path} is no checkpoint") from cause
        return state


def _run_to_the_end(commits: list[int]) -> tuple[int, int]:
    """First and last of the unbroken run of commits that ends the log."""
    first = last = commits[-1]
    for number in reversed(commits[:-1]):
        if number != first - 1:
            break
        first = number
    return first, last


def _checkpoints(names: Iterable[str]) -> dict[int, list[str]]:
    """Complete checkpoints by version, each with its parts."""
    found: dict[int, list[str]] = {}
    parts: dict[tuple[int, int], list[str]] = {}
    for name in sorted(names):
        match = _CHECKPOINT.fullmatch(name)
        if match is None:
            continue
        if match[3] is None:
            found[int(match[1])] = [name]
        else:
            parts.setdefault((int(match[1]), int(match[3])), []).append(name)
    for (version, count), several in parts.items():
        if len(several) == count:
            found.setdefault(version, several)
    return found


def _check_size(path: str, file: Any) -> None:
    told = file.metadata
    unpacked = sum(
        told.row_group(g).total_byte_size for g in range(told.num_row_groups)
    )
    if told.num_rows > MOST_TABLE_FILES or unpacked > MOST_UNPACKED_BYTES:
        raise MalformedInput(f"{path} is larger than can be read")


def _without_absent(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _take(state: _State, actions: list[dict[str, Any]]) -> None:
    """Apply the actions of one commit: what it removes, then what it adds."""
    for action in actions:
        if not isinstance(action, dict):
            raise MalformedInput(f"{action!r:.80} is no action of a log")
        if "protocol" in action:
            _check_protocol(action["protocol"])
        if "metaData" in action:
            state.schema = _schema(action["metaData"]["schemaString"])
        if "commitInfo" in action:
            state.made = _moment(action["commitInfo"])
        if "remove" in action:
            state.files.pop(_key(action["remove"]), None)
    for action in actions:
        if "add" in action:
            state.files[_key(action["add"])] = _file(action["add"])
    if len(state.files) > MOST_TABLE_FILES:
        raise MalformedInput(f"the table has more than {MOST_TABLE_FILES} files")


def _check_protocol(protocol: dict[str, Any]) -> None:
    features = set(protocol.get("readerFeatures") or ())
    unknown = sorted(str(name) for name in features - _KNOWN_FEATURES)
    if int(protocol["minReaderVersion"]) > _NEWEST_READER or unknown:
        needs = ", ".join(unknown) or f"reader version {protocol['minReaderVersion']}"
        raise MalformedInput(
            f"the table needs what is not read here: {needs:.200}",
            hint="Import its files as Parquet, or a copy written without that feature.",
        )


def _key(action: dict[str, Any]) -> tuple[str, str]:
    return str(action["path"]), _vector(action.get("deletionVector"))


def _vector(vector: dict[str, Any] | None) -> str:
    """What says which rows of a file are gone."""
    if vector is None:
        return ""
    parts = (vector["storageType"], vector["pathOrInlineDv"], vector.get("offset"))
    return json.dumps(parts, separators=(",", ":"))


def _file(add: dict[str, Any]) -> TableFile:
    vector = add.get("deletionVector")
    values = add.get("partitionValues") or {}
    partition = sorted(
        (str(k), None if v is None else str(v)) for k, v in dict(values).items()
    )
    stats = parse_json(add["stats"].encode(), "statistics") if add.get("stats") else {}
    rows = stats.get("numRecords")
    said = json.dumps([partition, _vector(vector)], ensure_ascii=False)
    return TableFile(
        path=_path(str(add["path"])),
        size=int(add["size"]),
        rows=None if rows is None else int(rows),
        removes=0 if vector is None else int(vector["cardinality"]),
        said=said if partition or vector else "",
        is_readable=vector is None or vector["storageType"] == "i",
    )


def _path(given: str) -> str:
    """A path in the log, percent-encoded there, as one below the table."""
    if _PERCENT_CHECKED.match(given):
        raise MalformedInput(
            f"{given!r:.200} is a file outside of the table",
            hint="Shallow clones are not read; import the table they were made of.",
        )
    return "/".join(steps_of(unquote(given, errors="surrogateescape")))


def _schema(text: str) -> str:
    fields = parse_json(text.encode(), "the schema")["fields"]
    return json.dumps(
        [{"name": str(f["name"]), "type": _type(f["type"])} for f in fields]
    )


def _type(kind: object) -> str:
    return kind if isinstance(kind, str) else json.dumps(kind, sort_keys=True)


def _moment(commit: dict[str, Any]) -> datetime | None:
    """When a commit says it was made; a claim."""
    told = commit.get("inCommitTimestamp", commit.get("timestamp"))
    if told is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(told))


def _version(number: int, state: _State) -> TableVersion:
    if not state.schema:
        raise MalformedInput(f"version {number} of the table has no schema")
    parent = str(number - 1) if number else ""
    files = tuple(state.files.values())
    return TableVersion(str(number), parent, state.made, state.schema, files)
