"""Which branches of a repository are told of, and where their heads are.

Only branches that live long are told, so that another topic branch changes nothing
that was said of a commit: those with a usual name, and the one that `origin` follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from store.facts import Fact, FactKind
from store.identifiers import EntityKey

LIST_BRANCHES = (
    "for-each-ref",
    "--format=%(refname)%00%(objectname)%00%(symref)",
    "refs/heads",
    "refs/remotes/origin",
)
"""Arguments with which git lists them."""
USUAL = re.compile(r"main|master|trunk|develop|production|release([-/].{1,100})?")
_LOCAL = "refs/heads/"
_REMOTE = "refs/remotes/origin/"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def branch_facts(listed: bytes, repository: EntityKey) -> Iterator[Fact]:
    """Tell the heads of branches that live long; `origin` goes before local ones."""
    heads: dict[str, str] = {}
    followed = ""
    for line in listed.decode("utf-8", "replace").splitlines():
        reference, digest, target, *_ = *line.split("\x00"), "", ""
        if reference == f"{_REMOTE}HEAD":
            followed = target.removeprefix(_REMOTE)
        elif _SHA.fullmatch(digest):
            heads[reference] = digest
    names = {name for name in map(_name, heads) if USUAL.fullmatch(name)}
    for name in sorted(names | ({followed} if followed else set())):
        head = heads.get(_REMOTE + name) or heads.get(_LOCAL + name)
        if head:
            yield Fact(
                kind=FactKind.BRANCH,
                subject=repository,
                object=repository,
                name=name,
                digest=head,
            )


def _name(reference: str) -> str:
    return reference.removeprefix(_REMOTE).removeprefix(_LOCAL)
