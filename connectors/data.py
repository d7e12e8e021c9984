"""Parquet and CSV files as dataset versions: the SHA-256 of the bytes, rows, schema."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.data_files import DataFiles, as_unicode
from connectors.data_formats import SUFFIXES, contents_of, stem_of
from connectors.data_kept import kept_tags
from connectors.errors import MalformedInput
from connectors.named_source import NamedSource
from connectors.protocols import KnownState, RefusedInput
from store.facts import Fact, FactKind, Strength
from store.identifiers import dataset_key, dataset_version_key


class DataSource(NamedSource):
    """Files of data in one folder; each is a snapshot of a dataset.

    The dataset is named by the file's stem, or as given for a single file.
    """

    def __init__(
        self, name: str, files: DataFiles, *, only: str = "", dataset: str = ""
    ) -> None:
        super().__init__(name)
        self._files = files
        self._only = only
        self._dataset = dataset

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        for path in [self._only] if self._only else data_names(self._files):
            try:
                yield from self._snapshot(path)
            except MalformedInput as problem:
                self._tally.refused.append(RefusedInput(path, str(problem)))
            else:
                self._tally.accepted += 1

    def _snapshot(self, path: str) -> Iterator[Fact]:
        with self._files.opened(path) as file:
            contents = contents_of(path, file.stream)
        digest = f"sha256:{file.hashed.sha256}"
        name = self._dataset or as_unicode(stem_of(path))
        version = dataset_version_key(name, digest)
        yield Fact(kind=FactKind.DATASET, subject=dataset_key(name), name=name)
        yield Fact(
            kind=FactKind.DATASET_VERSION,
            subject=version,
            object=dataset_key(name),
            name=name,
            digest=digest,
            location=file.hashed.location,
            number=float(contents.rows),
            text=contents.schema,
            strength=Strength.REREAD.value,
        )
        if contents.profile is not None:
            yield Fact(
                kind=FactKind.DATA_PROFILE,
                subject=version,
                digest=digest,
                text=contents.profile,
                strength=Strength.REREAD.value,
            )
        for tag, text in kept_tags([file.hashed]):
            yield Fact(kind=FactKind.TAG, subject=version, name=tag, text=text)


def data_names(files: DataFiles, folder: str = "") -> list[str]:
    """Names of the files of data directly in a folder.

    Raises:
        ConnectorError: it cannot be listed.
    """
    return [name for name in files.names(folder) if name.endswith(SUFFIXES)]
