"""The code of a launch: which commit it is, and a copy that nothing changes any more.

A commit is checked out from the repository, so that what is recorded is what ran. Files
as they are, with changes or without a repository, are copied and known by one digest.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from connectors import git_running
from connectors.errors import ConnectorRefused, MalformedInput
from connectors.git_branches import LIST_BRANCHES, USUAL
from connectors.parsing import without_userinfo
from connectors.pipelines.protocols import Code

MOST_FILES = 50_000
MOST_BYTES = 4 * 1024**3
LARGEST_READ_BYTES = 16 * 1024**2
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NEVER_COPIED = frozenset({".git", "__pycache__"})
_ORIGIN = "refs/remotes/origin/"
_PIECE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the code of a launch comes from."""

    code: Code
    top: Path
    """What is copied: the repository's folder, or the project's."""
    below: str
    """The project's folder below `top`."""

    @property
    def is_commit(self) -> bool:
        """Whether exactly a commit is run."""
        return bool(self.code.commit) and self.code.is_dirty is False

    def found(self, path: str) -> tuple[str, int] | None:
        """SHA-256 and size of a file that the copy will have; empty for a folder.

        None: the copy will not have it.
        """
        if self.is_commit:
            named = f"{self.code.commit}:{path}"
            kind = _line(
                git_running.run(self.top, "cat-file", "-t", named, accept=(0, 128))
            )
            if kind != "blob":
                return ("", 0) if kind == "tree" else None
            data = git_running.run(self.top, "cat-file", "blob", named)
            return hashlib.sha256(data).hexdigest(), len(data)
        whole = self.top / path
        if whole.is_dir():
            return "", 0
        is_copied = not self.code.commit or path in set(_tracked(self.top))
        return sha256_of(whole) if is_copied and whole.is_file() else None

    def is_link(self, path: str) -> bool:
        """Whether a path is a symbolic link, or leads through one."""
        if self.is_commit:
            listing = ("ls-tree", "-z", "--full-tree", self.code.commit, "--", path)
            return git_running.run(self.top, *listing).startswith(b"120000 ")
        parts = PurePosixPath(path).parts
        steps = (self.top.joinpath(*parts[: n + 1]) for n in range(len(parts)))
        return any(step.is_symlink() for step in steps)

    def listed(self, folder: str) -> list[str]:
        """Paths of the files below a folder that the copy will have."""
        if self.is_commit:
            listing = ("ls-tree", "-r", "-z", "--full-tree", "--name-only")
            told = git_running.run(
                self.top, *listing, self.code.commit, "--", f"{folder}/"
            )
            return [os.fsdecode(path) for path in told.split(b"\0") if path]
        paths = _tracked(self.top) if self.code.commit else _walk(self.top)
        return sorted(path for path in paths if path.startswith(f"{folder}/"))

    def read(self, path: str) -> bytes | None:
        """A file of the code as it would run; None: there is none.

        Raises:
            MalformedInput: it is too large to be read here.
        """
        found = self.found(path)
        if found is None or not found[0]:
            return None
        if found[1] > LARGEST_READ_BYTES:
            raise MalformedInput(f"{path} is larger than {LARGEST_READ_BYTES} bytes")
        if self.is_commit:
            named = f"{self.code.commit}:{path}"
            return git_running.run(self.top, "cat-file", "blob", named)
        return (self.top / path).read_bytes()


def find_code(project: Path, ref: str) -> Checkout:
    """What code a project is, as it is now or at a commit.

    Raises:
        MalformedInput: the folder, or what the reference names, is not there.
        ConnectorRefused: there is more than is copied.
    """
    if not project.is_dir():
        raise MalformedInput(f"there is no folder {project}")
    top = _repository(project)
    if top is None:
        if ref:
            raise MalformedInput(
                f"{project} is in no git repository, so {ref[:80]!r} names nothing",
                hint="Leave --ref out to run the files as they are.",
            )
        return Checkout(Code(tree=tree_digest(project, _walk(project))), project, "")
    below = project.relative_to(top).as_posix()
    commit = _commit(top, ref)
    if not commit:
        files = _walk(project)
        return Checkout(Code(tree=tree_digest(project, files)), project, "")
    is_dirty = False if ref else _is_dirty(top)
    on, every = _branches(top, commit)
    told = git_running.run(top, "config", "--get", "remote.origin.url", accept=(0, 1))
    code = Code(
        repository=without_userinfo(_line(told)),
        commit=commit,
        authors=_authors(top, commit),
        branches=on,
        all_branches=every,
        is_dirty=is_dirty,
        tree=tree_digest(top, _tracked(top)) if is_dirty else "",
    )
    return Checkout(code, top, "" if below == "." else below)


def copy_code(checkout: Checkout, target: Path) -> None:
    """Put what is to be run into a new folder.

    Raises:
        ConnectorRefused: it is no longer what was planned.
        ConnectorError: git cannot check it out.
    """
    code = checkout.code
    if code.commit:
        _clone(checkout.top, code, target)
        if checkout.is_commit:
            return
        _overlay(checkout.top, target)
        found = tree_digest(target, _tracked(target))
    else:
        target.mkdir()
        for path in _walk(checkout.top):
            _copy(checkout.top / path, target / path)
        found = tree_digest(target, _walk(target))
    if found != code.tree:
        raise ConnectorRefused(
            f"files in {checkout.top} changed while they were copied",
            hint="Launch again when nothing writes there.",
        )


def tree_digest(top: Path, paths: Iterator[str]) -> str:
    """SHA-256 over the paths and the bytes of files, and where links lead.

    Raises:
        ConnectorRefused: there are more files, or bytes, than are copied.
    """
    whole, count, size = hashlib.sha256(), 0, 0
    for path in sorted(paths):
        try:
            found = (top / path).lstat()
        except FileNotFoundError:
            continue
        count, size = count + 1, size + found.st_size
        if count > MOST_FILES or size > MOST_BYTES:
            raise ConnectorRefused(
                f"{top} holds more than {MOST_FILES} files or {MOST_BYTES} bytes",
                hint="Keep the project in a git repository and commit it.",
            )
        digest = _digest(top / path, found)
        is_program = "x" if found.st_mode & stat.S_IXUSR else "-"
        line = os.fsencode(path)
        whole.update(b"%d:%b %b %b\n" % (len(line), line, is_program.encode(), digest))
    return whole.hexdigest()


def sha256_of(path: Path) -> tuple[str, int]:
    """Digest and size of a file.

    Raises:
        MalformedInput: it is no file that can be read.
    """
    whole, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                whole.update(piece)
                size += len(piece)
    except OSError as cause:
        raise MalformedInput(f"cannot read {path}: {cause.strerror}") from cause
    return whole.hexdigest(), size


def files_below(folder: Path) -> Iterator[str]:
    """Paths of the files below a folder, git's own aside."""
    return _walk(folder)


def _digest(path: Path, found: os.stat_result) -> bytes:
    if stat.S_ISLNK(found.st_mode):
        return b"link " + hashlib.sha256(os.fsencode(os.readlink(path))).digest()
    if not stat.S_ISREG(found.st_mode):
        return b"other"
    return bytes.fromhex(sha256_of(path)[0])


def _walk(top: Path) -> Iterator[str]:
    for folder, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in _NEVER_COPIED)
        here = Path(folder)
        links = [name for name in names if (here / name).is_symlink()]
        for name in (*files, *links):
            yield (here / name).relative_to(top).as_posix()


def _repository(project: Path) -> Path | None:
    try:
        told = git_running.run(project, "rev-parse", "--show-toplevel")
    except MalformedInput:
        return None
    found = Path(_line(told))
    return found if project.is_relative_to(found) else None


def _commit(top: Path, ref: str) -> str:
    wanted = f"{ref or 'HEAD'}^{{commit}}"
    told = _line(
        git_running.run(
            top,
            *("rev-parse", "--quiet", "--verify", "--end-of-options", wanted),
            accept=(0, 1, 128),
        )
    )
    if _SHA.fullmatch(told):
        return told
    if ref:
        raise MalformedInput(
            f"{ref[:80]!r} names no commit in {top}",
            hint="Give a branch, a tag or a commit of that repository.",
        )
    return ""


def _is_dirty(top: Path) -> bool:
    status = ("status", "--porcelain=v1", "-z", "--untracked-files=normal")
    return bool(git_running.run(top, *status).strip(b"\0"))


def _tracked(top: Path) -> Iterator[str]:
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = git_running.run(top, *listing)
    return iter({os.fsdecode(path) for path in listed.split(b"\0") if path})


def _branches(top: Path, commit: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Long-lived branches that a commit is on, and all there are; origin's go first."""
    listed = git_running.run(top, *LIST_BRANCHES).decode("utf-8", "replace")
    every = [line.split("\0")[0] for line in listed.splitlines()]
    containing = git_running.run(
        top,
        *("for-each-ref", "--format=%(refname)", "--contains", commit),
        *("refs/heads", "refs/remotes/origin"),
    )
    on = set(containing.decode("utf-8", "replace").splitlines())
    named: dict[str, bool] = {}
    for reference in sorted(every):
        is_remote = reference.startswith(_ORIGIN)
        name = reference.removeprefix(_ORIGIN).removeprefix("refs/heads/")
        if USUAL.fullmatch(name) and (is_remote or name not in named):
            named[name] = reference in on
    return tuple(n for n, is_on in sorted(named.items()) if is_on), tuple(sorted(named))


def _authors(top: Path, commit: str) -> tuple[str, ...]:
    told = git_running.run(
        top,
        *("log", "-1", "-z", "--format=%ae%n%ce", "--no-show-signature"),
        *("--no-mailmap", "--no-notes", "--no-patch", commit, "--"),
    )
    mails = told.decode("utf-8", "replace").strip("\0\n").splitlines()
    return tuple(dict.fromkeys("git:" + "".join(mail.split()) for mail in mails))


def _clone(top: Path, code: Code, target: Path) -> None:
    quiet = ("--quiet", "--no-checkout", "--shared", "--template=")
    git_running.run(target.parent, "clone", *quiet, "--", str(top), str(target))
    git_running.run(target, "checkout", "--quiet", "--detach", code.commit)
    if code.repository:
        git_running.run(target, "remote", "set-url", "--", "origin", code.repository)


def _overlay(top: Path, target: Path) -> None:
    """Make tracked and new files what they are in a working tree with changes."""
    for path in _tracked(top):
        if (top / path).is_dir() and not (top / path).is_symlink():
            continue
        (target / path).unlink(missing_ok=True)
        if os.path.lexists(top / path):
            _copy(top / path, target / path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, target, follow_symlinks=False)
    except (OSError, shutil.SpecialFileError) as cause:
        raise ConnectorRefused(f"cannot copy {source}: {cause}") from cause


def _line(told: bytes) -> str:
    return told.decode("utf-8", "replace").strip()
