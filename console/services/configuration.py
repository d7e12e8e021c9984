"""countersign.toml: closed and typed; an unknown key is an error with file and line."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.errors import ConnectorError
from connectors.mlflow.database_address import is_database_address, without_password
from console.services.places import Places
from console.services.problems import Misuse
from policies.errors import MalformedStatement
from policies.notes import NoteKind, read_verifier_key

FILE_NAME = "countersign.toml"
DEFAULT_ENVIRONMENT = "default"
"""Where a transition is meant to be when no environment is named."""
_TOP = {
    "store",
    "anchor",
    "key",
    "sources",
    "environments",
    "witnesses",
    "git",
    "kubeflow",
}
_PERSONAL = {"store", "anchor", "key", "witnesses", "git"}
"""Never taken from a file that was merely found in a parent folder."""
_SOURCE = {"address", "artifacts", "password", "webhook_secret"}
_SECRETS = ("password", "webhook_secret", "token", "headers")
"""References to secrets: never taken from a file that was merely found either."""
_KUBEFLOW = {
    "address",
    "namespace",
    "token",
    "headers",
    "authority",
    "service_account",
    "time_zone",
}
_ENVIRONMENT = {"registry", "source", "aliases", "stages", "tag"}
_LEGACY_STAGES = ("Staging", "Production", "Archived")
_GIT = {"allowed_signers"}


@dataclass(frozen=True, slots=True)
class SourceSetting:
    """Where a named source is read."""

    address: str
    artifacts: str = ""
    webhook_secret: str = ""
    """Where the secret is that its webhooks are signed with: env:NAME or file:PATH."""
    password: str = ""
    """Where the password of a database is: env:NAME or file:PATH."""


@dataclass(frozen=True, slots=True)
class KubeflowSetting:
    """A named endpoint of Kubeflow Pipelines, and who asks there."""

    address: str
    namespace: str = ""
    token: str = ""
    """Where the bearer token is: env:NAME or file:PATH, read for every request."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Other headers that say who asks, by name: where the value of each is."""
    authority: str = ""
    """File of the authority that signed its certificate."""
    service_account: str = ""
    """As whom its runs work; empty: as the installation has it."""
    time_zone: str = "Etc/UTC"
    """In which its controller keeps the times of schedules."""


@dataclass(frozen=True, slots=True)
class EnvironmentSetting:
    """A named target: which registry holds its stages, and under which names."""

    registry: str = ""
    source: str = ""
    """Name of the source that shows this registry; by default any."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    """Stages that the registry keeps as its own legacy stages, and which."""
    tag: str = ""
    """Tag of a promoted version that names the statement of its promotion, or empty."""

    def alias_of(self, stage: str) -> str:
        """The alias a stage is mapped to; its own name unless configured."""
        return self.aliases.get(stage, stage)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything configured, and from which file."""

    path: Path | None = None
    store: str = ""
    anchor: str = ""
    key: str = ""
    sources: Mapping[str, SourceSetting] = field(default_factory=dict)
    environments: Mapping[str, EnvironmentSetting] = field(default_factory=dict)
    witnesses: Mapping[str, str] = field(default_factory=dict)
    """Verifier keys of the witnesses this machine relies on, by their names here."""
    allowed_signers: str = ""
    """A file of OpenSSH's that says whose keys sign commits, for display alone."""
    kubeflow: Mapping[str, KubeflowSetting] = field(default_factory=dict)
    """Endpoints of Kubeflow Pipelines, by their names here."""

    def environment(self, name: str) -> EnvironmentSetting:
        """The settings of an environment; an unnamed one has no registry."""
        return self.environments.get(name, EnvironmentSetting())


def load_configuration(
    places: Places,
    *,
    explicit: str = "",
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Configuration:
    """Read `--config`, `$COUNTERSIGN_CONFIG`, the nearest parent's file, or XDG's.

    Raises:
        Misuse: the file is missing, no TOML, or holds something unknown.
    """
    named = explicit or environment.get("COUNTERSIGN_CONFIG", "")
    if named:
        return _read(Path(named).expanduser(), is_trusted=True)
    start = folder or Path.cwd()
    for candidate in (start, *start.parents):
        if (candidate / FILE_NAME).is_file():
            return _read(candidate / FILE_NAME, is_trusted=False)
    personal = places.config / FILE_NAME
    return _read(personal, is_trusted=True) if personal.is_file() else Configuration()


def _read(path: Path, *, is_trusted: bool) -> Configuration:
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as cause:
        raise Misuse(f"{path}: it is not TOML: {cause}") from cause
    _known(raw, _TOP, path, text)
    found_personal = sorted(_PERSONAL & raw.keys())
    if found_personal and not is_trusted:
        raise Misuse(
            f"{path}:{_line(text, found_personal[0])}: a file found in a parent folder "
            f"may not set {found_personal[0]!r}",
            hint="Name the file with --config, or give --store or --anchor.",
        )
    sources = _tables(raw, "sources", _SOURCE, path, text)
    kubeflow = _tables(raw, "kubeflow", _KUBEFLOW, path, text)
    for secret in () if is_trusted else _SECRETS:
        if any(secret in table for _, table in (*sources, *kubeflow)):
            raise Misuse(
                f"{path}:{_line(text, secret)}: a file found in a parent folder "
                f"may not set {secret!r}",
                hint="Name the file with --config.",
            )
    return Configuration(
        path=path,
        store=_text(raw, "store", path, text),
        anchor=_text(raw, "anchor", path, text),
        key=_text(raw, "key", path, text),
        sources={
            name: SourceSetting(
                _address(table, path, text),
                _text(table, "artifacts", path, text),
                _secret(table, "webhook_secret", path, text),
                _secret(table, "password", path, text),
            )
            for name, table in sources
        },
        environments={
            name: EnvironmentSetting(
                _text(table, "registry", path, text),
                _text(table, "source", path, text),
                _aliases(table, path, text),
                _stages(table, path, text),
                _text(table, "tag", path, text),
            )
            for name, table in _tables(raw, "environments", _ENVIRONMENT, path, text)
        },
        witnesses=_witnesses(raw, path, text),
        allowed_signers=_allowed_signers(raw, path, text),
        kubeflow={name: _kubeflow(table, path, text) for name, table in kubeflow},
    )


def _kubeflow(table: Mapping[str, object], path: Path, text: str) -> KubeflowSetting:
    headers = table.get("headers", {})
    if not isinstance(headers, dict):
        raise Misuse(
            f"{path}:{_line(text, 'headers')}: headers must map names to references",
            hint='headers = { Cookie = "env:NAME" }',
        )
    return KubeflowSetting(
        _address(table, path, text),
        _text(table, "namespace", path, text),
        _secret(table, "token", path, text),
        {str(name): _secret(headers, name, path, text, "headers") for name in headers},
        _text(table, "authority", path, text),
        _text(table, "service_account", path, text),
        _text(table, "time_zone", path, text) or "Etc/UTC",
    )


def _allowed_signers(raw: Mapping[str, object], path: Path, text: str) -> str:
    table = raw.get("git", {})
    if not isinstance(table, dict):
        raise Misuse(f"{path}:{_line(text, 'git')}: [git] must be a table")
    _known(table, _GIT, path, text)
    return _text(table, "allowed_signers", path, text)


def _witnesses(raw: Mapping[str, object], path: Path, text: str) -> Mapping[str, str]:
    table = raw.get("witnesses", {})
    if not isinstance(table, dict):
        raise Misuse(f"{path}:{_line(text, 'witnesses')}: [witnesses] must be a table")
    pinned = {str(name): _text(table, name, path, text) for name in table}
    for name, key in pinned.items():
        try:
            is_witness = read_verifier_key(key).kind is NoteKind.COSIGNATURE
        except MalformedStatement as cause:
            raise Misuse(
                f"{path}:{_line(text, name)}: {cause}", hint=cause.hint
            ) from cause
        if not is_witness:
            raise Misuse(
                f"{path}:{_line(text, name)}: the key of {name!r} is no witness's key",
                hint="A witness prints its own with: countersign log witness --new-key",
            )
    return pinned


def _tables(
    raw: Mapping[str, object], name: str, allowed: set[str], path: Path, text: str
) -> list[tuple[str, Mapping[str, object]]]:
    tables = raw.get(name, {})
    if not isinstance(tables, dict):
        raise Misuse(f"{path}:{_line(text, name)}: [{name}.NAME] must be a table")
    found: list[tuple[str, Mapping[str, object]]] = []
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise Misuse(f"{path}:{_line(text, key)}: [{name}.{key}] must be a table")
        _known(table, allowed, path, text)
        found.append((str(key), table))
    return found


def _aliases(table: Mapping[str, object], path: Path, text: str) -> Mapping[str, str]:
    aliases = table.get("aliases", {})
    if not isinstance(aliases, dict) or not all(
        isinstance(value, str) and value for value in aliases.values()
    ):
        raise Misuse(
            f"{path}:{_line(text, 'aliases')}: aliases must map stages to aliases",
            hint='aliases = { production = "champion" }',
        )
    return {str(stage): str(alias) for stage, alias in aliases.items()}


def _stages(table: Mapping[str, object], path: Path, text: str) -> Mapping[str, str]:
    stages, aliases = table.get("stages", {}), table.get("aliases", {})
    if not isinstance(stages, dict) or not all(
        name in _LEGACY_STAGES for name in stages.values()
    ):
        raise Misuse(
            f"{path}:{_line(text, 'stages')}: stages must map stages to "
            f"{', '.join(_LEGACY_STAGES)}",
            hint='stages = { production = "Production" }',
        )
    both = sorted(stages.keys() & (aliases if isinstance(aliases, dict) else {}).keys())
    if both:
        raise Misuse(
            f"{path}:{_line(text, 'stages')}: {both[0]!r} is an alias and a stage",
            hint="Name it in one of the two.",
        )
    return {str(stage): str(name) for stage, name in stages.items()}


def _text(table: Mapping[str, object], name: str, path: Path, text: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise Misuse(f"{path}:{_line(text, name)}: {name} must be text")
    return value


def _address(table: Mapping[str, object], path: Path, text: str) -> str:
    """Where a source is; an address that holds a password is not repeated."""
    address = _text(table, "address", path, text)
    try:
        _, password = without_password(address)
    except ConnectorError as cause:
        raise Misuse(
            f"{path}:{_line(text, 'address')}: {cause}", hint=cause.hint
        ) from None
    if password is not None:
        raise Misuse(
            f"{path}:{_line(text, 'address')}: an address must not hold a password",
            hint='Write password = "env:NAME" or "file:PATH" beside it.',
        )
    if table.get("password") and not is_database_address(address):
        raise Misuse(
            f"{path}:{_line(text, 'password')}: only a database is read with a password"
        )
    return address


def _secret(
    table: Mapping[str, object], name: str, path: Path, text: str, within: str = ""
) -> str:
    """A reference to a secret; the secret itself is refused and not repeated."""
    reference = _text(table, name, path, text)
    if reference and not re.fullmatch(r"(env|file):.+", reference):
        raise Misuse(
            f"{path}:{_line(text, within or name)}: a secret is given by reference, "
            "never itself",
            hint=f'{name} = "env:NAME" or "file:PATH"',
        )
    return reference


def _known(
    table: Mapping[str, object], allowed: set[str], path: Path, text: str
) -> None:
    for name in table:
        if name not in allowed:
            close = difflib.get_close_matches(name, sorted(allowed), n=1)
            near = f"; did you mean {close[0]!r}?" if close else ""
            raise Misuse(f"{path}:{_line(text, name)}: unknown key {name!r}{near}")


def _line(text: str, name: str) -> int:
    pattern = re.compile(rf"\s*\[?\[?[\w.\"-]*{re.escape(name)}\b")
    for number, line in enumerate(text.splitlines(), start=1):
        if pattern.match(line):
            return number
    return 1
