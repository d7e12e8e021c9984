"""Croissant descriptors: a data set's name, its licence, and its files' digests.

Source: the Croissant format of MLCommons, versions 1.x (JSON-LD over schema.org). No
address in a descriptor is ever fetched; a file that lies beside it is hashed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.data_files import DataFiles, FileMissing, read_whole, steps_of
from connectors.data_formats import SUFFIXES as DATA_SUFFIXES
from connectors.data_formats import stem_of
from connectors.data_opening import CROISSANT_MARK
from connectors.errors import MalformedInput
from connectors.named_source import NamedSource
from connectors.parsing import parse_json, well_formed, without_userinfo
from connectors.protocols import KnownState, RefusedInput
from store.facts import Fact, FactKind, Strength
from store.identifiers import dataset_key, dataset_version_key

LARGEST_DESCRIPTOR_BYTES = 64 * 1024**2
MOST_FILES = 100_000
LONGEST_TEXT = 10_000
_CONFORMS = re.compile(r"https?://mlcommons\.org/croissant/(?:RAI/)?1(\.[0-9]+)*/?")
_PREFIXES = (
    "",
    "sc:",
    "schema:",
    "cr:",
    "dct:",
    "https://schema.org/",
    "http://schema.org/",
    "http://mlcommons.org/croissant/",
    "http://purl.org/dc/terms/",
)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_TAGS = {
    "license": "croissant.license",
    "version": "croissant.version",
    "url": "croissant.url",
    "datePublished": "croissant.published",
    "creator": "croissant.creator",
    "conformsTo": "croissant.conforms-to",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the data set that has a digest."""

    path: str
    sha256: str
    is_inside_another: bool


def is_croissant(data: bytes) -> bool:
    """Whether bytes are a Croissant descriptor, by what they say of themselves."""
    if CROISSANT_MARK not in data:
        return False
    try:
        value = parse_json(data, "it")
    except MalformedInput:
        return False
    return isinstance(value, dict) and "@context" in value and "eventTime" not in value


class CroissantSource(NamedSource):
    """One descriptor, and the files beside it."""

    def __init__(self, name: str, files: DataFiles, path: str) -> None:
        super().__init__(name)
        self._files = files
        self._path = path

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        data = read_whole(self._files, self._path, at_most=LARGEST_DESCRIPTOR_BYTES)
        with well_formed(self._path):
            told = _object(parse_json(data, self._path))
            name = _text(_of(told, "name")) or _text(told.get("@id"))
            if not name:
                raise MalformedInput(f"{self._path} gives the data set no name")
            _check_version(told)
            tags = list(_tags(told))
            schema, files = _schema(told), _files(told)
        yield from _described(dataset_key(name), name, tags)
        good = [file for file in files if self._is_good(file)]
        if good and len(good) == len(files):
            whole = _whole(good)
            yield from self._version(name, whole, schema, tags)
        for file in good:
            part = stem_of(file.path.rpartition("/")[2])
            is_told = len(files) == 1 and part == name
            if file.path.endswith(DATA_SUFFIXES) and not is_told:
                yield from self._part(part, name, file, tags)
        self._tally.accepted += 1

    def _is_good(self, file: _File) -> bool:
        """Whether nothing beside the descriptor contradicts a digest in it."""
        if file.is_inside_another or "://" in file.path:
            return True
        try:
            path = "/".join(steps_of(file.path.removeprefix("./")))
            with self._files.opened(path) as opened:
                found = opened.hashed.sha256
        except FileMissing:
            return True
        except MalformedInput as problem:
            self._tally.refused.append(RefusedInput(file.path, str(problem)))
            return False
        if found != file.sha256:
            why = f"its SHA-256 is {found}; {self._path} says {file.sha256}"
            self._tally.refused.append(RefusedInput(file.path, why))
        return found == file.sha256

    def _part(
        self, name: str, whole: str, file: _File, tags: list[tuple[str, str]]
    ) -> Iterator[Fact]:
        """A file of data, which is a data set of its own name as well."""
        yield Fact(kind=FactKind.DATASET, subject=dataset_key(name), name=name)
        belongs = [("croissant.dataset", whole), *tags]
        yield from self._version(name, f"sha256:{file.sha256}", None, belongs)

    def _version(
        self, name: str, digest: str, schema: str | None, tags: list[tuple[str, str]]
    ) -> Iterator[Fact]:
        subject = dataset_version_key(name, digest)
        yield Fact(
            kind=FactKind.DATASET_VERSION,
            subject=subject,
            object=dataset_key(name),
            name=name,
            digest=digest,
            location=self._files.location(),
            text=schema,
            strength=Strength.DECLARED.value,
        )
        for tag, text in tags:
            yield Fact(kind=FactKind.TAG, subject=subject, name=tag, text=text)


def _described(subject: str, name: str, tags: list[tuple[str, str]]) -> Iterator[Fact]:
    yield Fact(kind=FactKind.DATASET, subject=subject, name=name)
    for tag, text in tags:
        yield Fact(kind=FactKind.TAG, subject=subject, name=tag, text=text)


def _whole(files: list[_File]) -> str:
    """The digest of a data set: its file's, or one over the manifest of several."""
    if len(files) == 1:
        return f"sha256:{files[0].sha256}"
    pairs = sorted([file.path, file.sha256] for file in files)
    text = json.dumps(pairs, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"croissant-manifest:{digest}"


def _check_version(told: Mapping[str, Any]) -> None:
    for text in _texts(_of(told, "conformsTo")):
        if "mlcommons.org/croissant" in text and not _CONFORMS.fullmatch(text):
            raise MalformedInput(
                f"the descriptor conforms to {text:.200}; Croissant 1.x is read"
            )


def _tags(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, tag in _TAGS.items():
        texts = [without_userinfo(text) for text in _texts(_of(told, field))]
        if texts:
            yield tag, ", ".join(dict.fromkeys(texts))[:LONGEST_TEXT]


def _files(told: Mapping[str, Any]) -> list[_File]:
    found = []
    for item in _list(_of(told, "distribution")):
        entry = _object(item)
        sha256 = _text(_of(entry, "sha256"))
        if not sha256:
            continue
        if not _SHA256.fullmatch(sha256):
            raise MalformedInput(f"{sha256!r:.100} is no SHA-256")
        path = _text(_of(entry, "contentUrl")) or _text(entry.get("@id"))
        path = without_userinfo(path) or _text(_of(entry, "name"))
        is_inside = bool(_of(entry, "containedIn"))
        found.append(_File(path[:LONGEST_TEXT], sha256.lower(), is_inside))
        if len(found) > MOST_FILES:
            raise MalformedInput(f"it lists more than {MOST_FILES} files")
    return found


def _schema(told: Mapping[str, Any]) -> str | None:
    """Fields of the record sets as columns; of several, with the record set's name.

    None where the descriptor tells of no fields.
    """
    sets = [_object(item) for item in _list(_of(told, "recordSet"))]
    columns = []
    for records in sets:
        before = f"{_named(records)}/" if len(sets) > 1 else ""
        for item in _list(_of(records, "field")):
            field = _object(item)
            kind = ", ".join(_texts(_of(field, "dataType")))
            columns.append({"name": before + _named(field), "type": kind})
    return json.dumps(columns) if columns else None


def _named(entry: Mapping[str, Any]) -> str:
    """The name of a field; in its id, what follows the name of the record set."""
    identity = _text(entry.get("@id")).rpartition("/")[2]
    return (_text(_of(entry, "name")) or identity)[:LONGEST_TEXT]


def _of(entry: Mapping[str, Any], field: str) -> Any:
    """A property by its name in the usual vocabularies, however it is abbreviated."""
    for prefix in _PREFIXES:
        if prefix + field in entry:
            return entry[prefix + field]
    return None


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedInput(f"an object is expected where {value!r:.80} stands")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> list[str]:
    """Every text of a property that may be given once, several times or as a thing."""
    return [text for item in _list(value) if (text := _text(item))]


def _text(value: Any) -> str:
    """A text, or the name or address of the thing that stands for one."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        for field in ("@value", "name", "url", "@id", "sc:name", "sc:url"):
            if isinstance(found := value.get(field), str) and found:
                return found.strip()
    return ""
