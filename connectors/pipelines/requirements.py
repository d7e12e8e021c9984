"""Requirement files: what a project may ask pip for, read strictly and written anew.

pip is given the lines that were read here and none other, so that both understand the
same. Names, versions and hashes come from the project; where packages come from is for
whoever launches to say, and code from elsewhere is no package.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from connectors.errors import MalformedInput

LARGEST_FILE_BYTES = 4 * 1024**2
MOST_FILES = 50
MOST_LINES = 20_000
LONGEST_LINE = 64 * 1024
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_CLAUSE = r"(?:~=|===?|!=|<=|>=|<|>)\s*[A-Za-z0-9._*+!-]+"
_REQUIREMENT = re.compile(
    rf"(?P<name>{_PART})\s*(?P<extras>\[\s*(?:{_PART}(?:\s*,\s*{_PART})*)?\s*\])?"
    rf"\s*(?P<versions>{_CLAUSE}(?:\s*,\s*{_CLAUSE})*)?"
    r"(?P<marker>\s*;[A-Za-z0-9_.\s'\"<>=!~()+,*-]+)?"
)
_HASH = re.compile(
    r"--hash=(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})"
    r"|--hash=sha512:[0-9a-f]{128}"
)
_PINNED = re.compile(r"===?\s*[A-Za-z0-9._+!-]+")
_COMMENT = re.compile(r"(^|\s)#.*$")
_CHOICE = re.compile(r"[A-Za-z0-9:._,-]{1,500}")
_ARCHIVE = re.compile(r".*\.(zip|whl|tar|t?gz|bz2|tbz|t?xz|t?lz|lzma)", re.IGNORECASE)
"""What pip takes for the name of a file."""
_FLAGS = frozenset({"--no-index", "--require-hashes", "--prefer-binary", "--pre"})
_CHOICES = frozenset({"--only-binary", "--no-binary"})
_FILES = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
_LINKS = frozenset({"-f", "--find-links"})
_INDEXES = frozenset({"-i", "--index-url", "--extra-index-url", "--trusted-host"})

ReadsFile = Callable[[str], bytes]
"""Gives a file by its path below the project, or refuses."""


@dataclass(slots=True)
class Requirements:
    """What pip is to be given, and where it stood."""

    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Folders of the project that packages are taken from."""
    files: list[str] = field(default_factory=list)
    """Files of the project that were read."""
    unlocked: str = ""
    """Why it does not fix every byte that is installed; empty: it does."""


def read_requirements(
    entries: Iterable[str], where: str, read: ReadsFile
) -> Requirements:
    """Requirements as a file of the project lists them, with the files they lead to;
    as MLflow has it, those are looked for from the project's folder on.

    Raises:
        MalformedInput: they ask for what no project may, or cannot be read.
    """
    reader = _Reader(read)
    for entry in entries:
        reader.take(entry, where, "", is_constraint=False)
    return reader.found


class _Reader:
    def __init__(self, read: ReadsFile) -> None:
        self._read = read
        self.found = Requirements()
        self._count = 0

    def take(self, text: str, where: str, folder: str, *, is_constraint: bool) -> None:
        """One line, without its comment."""
        line = _COMMENT.sub("", text).strip()
        if not line:
            return
        self._count += 1
        said = f"{where}: {line[:120]!r}"
        if self._count > MOST_LINES or len(line) > LONGEST_LINE:
            raise MalformedInput(f"{where}: more is required than anybody writes")
        if not (line.isascii() and line.isprintable()) or "${" in line:
            raise MalformedInput(
                f"{said}: requirements are printable ASCII without variables"
            )
        if not line.startswith("-"):
            self._package(line, said, is_constraint)
            return
        name, _, value = line.replace("=", " ", 1).partition(" ")
        value = value.strip()
        if name in _FLAGS and not value:
            self.found.lines.append(name)
        elif name in _CHOICES and _CHOICE.fullmatch(value):
            self.found.lines.append(f"{name} {value}")
        elif name in _FILES and value:
            path = _within(folder, value, said)
            self._file(path, is_constraint or _FILES[name] == "-c")
        elif name in _LINKS and value:
            self.found.links.append(_within(folder, value, said))
        else:
            raise _refused(name, said)

    def _file(self, path: str, is_constraint: bool) -> None:
        if path in self.found.files:
            return
        if len(self.found.files) >= MOST_FILES:
            raise MalformedInput(f"more than {MOST_FILES} requirement files")
        self.found.files.append(path)
        data = self._read(path)
        if len(data) > LARGEST_FILE_BYTES:
            raise MalformedInput(f"{path} is larger than {LARGEST_FILE_BYTES} bytes")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as cause:
            raise MalformedInput(f"{path} is not UTF-8") from cause
        folder = posixpath.dirname(path)
        for line in _logical_lines(text):
            self.take(line, path, folder, is_constraint=is_constraint)

    def _package(self, line: str, said: str, is_constraint: bool) -> None:
        """Keep one package, as pip is to read it."""
        words = line.split()
        first = next((i for i, w in enumerate(words) if w.startswith("-")), len(words))
        hashes = words[first:]
        for word in hashes:
            if not _HASH.fullmatch(word):
                raise _refused(word.partition("=")[0], said)
        match = _REQUIREMENT.fullmatch(" ".join(words[:first]))
        if match is None or any(
            _ARCHIVE.fullmatch(match[part] or "") for part in ("name", "versions")
        ):
            raise _refused("", said)
        versions = re.sub(r"\s+", "", match["versions"] or "")
        extras = re.sub(r"\s+", "", match["extras"] or "")
        marker = f" {match['marker'].strip()}" if match["marker"] else ""
        whole = " ".join((f"{match['name']}{extras}{versions}{marker}", *hashes))
        if is_constraint:
            self.found.constraints.append(whole)
            return
        self.found.lines.append(whole)
        if not _PINNED.fullmatch(versions):
            self._is_unlocked(f"{match['name']} is not pinned to one version")
        elif not hashes:
            self._is_unlocked(f"{match['name']} has no hash")

    def _is_unlocked(self, why: str) -> None:
        self.found.unlocked = self.found.unlocked or why


def _logical_lines(text: str) -> Iterator[str]:
    """Lines, those joined that end with a backslash; a comment ends where it stands.

    Raises:
        MalformedInput: one has no end.
    """
    held = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            yield held
            held = ""
        elif line.endswith("\\"):
            held += line[:-1] + " "
            if len(held) > LONGEST_LINE:
                raise MalformedInput("more is required than anybody writes: one line")
        else:
            yield held + line
            held = ""
    yield held


def _within(folder: str, path: str, said: str) -> str:
    """A path below the project.

    Raises:
        MalformedInput: it leads out of it.
    """
    words = path.strip("\"'")
    whole = posixpath.normpath(posixpath.join(folder, words))
    is_outside = whole.startswith(("..", "/")) or words.startswith("~")
    if is_outside or "://" in path or words.startswith("file:"):
        raise MalformedInput(
            f"{said}: it leads out of the project",
            hint="Keep what the environment is made of in the project's own folder.",
        )
    return whole


def _refused(option: str, said: str) -> MalformedInput:
    if option in _INDEXES:
        return MalformedInput(
            f"{said}: where packages come from is for whoever launches to say",
            hint="Take the line out, and launch with --set PIP_INDEX_URL=https://... "
            "(or --pass PIP_INDEX_URL, if it holds a password).",
        )
    if option in ("-e", "--editable") or not option:
        return MalformedInput(
            f"{said}: it names no package by its name and versions",
            hint="Code from an address or a folder is not installed: build a wheel of "
            "it, put it into a folder of the project, and say --find-links FOLDER.",
        )
    return MalformedInput(
        f"{said}: the option {option[:40]!r} is not passed on to pip",
        hint="Known: -r, -c, --hash, --require-hashes, --only-binary, --no-binary, "
        "--prefer-binary, --pre, --no-index, --find-links.",
    )
