"""Code as evidence: what changed is frozen and read again, and signatures decide."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from console.services import code_changes
from console.services.demonstration import MODEL
from console.services.founding import activate_policy
from console.services.gating import gate
from console.services.judging import evidence_of
from console.services.named_versions import find_version
from console.services.opened import OpenStore
from console.services.reviewing import find_request, review_sheet
from console.services.signing import Acting
from console.services.signoff import request_transition, reread
from policies.verdict import Node, Verdict, exit_code
from policies.workflow import RequestRecord
from tests.services.test_quorums_over_time import (
    acting,
    approve,
    ask,
    current_text,
)

As = Callable[[str], Acting]
__all__ = ["acting"]
SIGNED = b'[[rules]]\nid = "signed"\nkind = "signed_commit"\n\n[[rules]]\n'


def asked_over_six(store: OpenStore, who: Acting) -> RequestRecord:
    """A request for version 2 where version 6 holds the stage."""
    version = find_version(store, f"model:{MODEL}@2")
    place = ("production", "default")
    made = request_transition(store, who, version, *place, "back", allows_failing=True)
    return find_request(store, made.appended.statement_id, store.state())


def results(store: OpenStore, record: RequestRecord) -> dict[str, str]:
    return {check.kind: check.result for check in reread(store, record, "p")}


def test_files_of_the_code_are_frozen_reviewed_and_read_again(
    demo_store: OpenStore, acting: As
) -> None:
    record = asked_over_six(demo_store, acting("ana"))
    changes = evidence_of(demo_store, record).code_changes
    assert (changes.is_readable, changes.commits, changes.missing) == (True, 0, 5)
    assert changes.all_files == len(changes.files) == 5
    text = review_sheet(demo_store, record, demo_store.state()).text
    assert "files of the code: 5 differ; 0 commits are new, 5 are left out" in text
    assert "    removed:  experiments/ridge-balanced.toml bb2f8b4d91fa" in text
    assert "signature:    not signed" in text
    assert results(demo_store, record)["code_changes"] == "same"


def test_an_approver_without_the_repository_says_so_and_is_not_refused(
    demo_store: OpenStore, acting: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = asked_over_six(demo_store, acting("ana"))
    monkeypatch.setattr(code_changes, "_repositories", lambda *_: [])
    found = results(demo_store, record)
    assert (found["code_changes"], found["code"]) == ("no-access", "same")


def test_what_the_requester_could_not_read_keeps_nobody_from_approving(
    demo_store: OpenStore, acting: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(code_changes, "_repositories", lambda *_: [])
        record = asked_over_six(demo_store, acting("ana"))
    text = review_sheet(demo_store, record, demo_store.state()).text
    assert "files of the code: the repository could not be compared" in text
    with monkeypatch.context() as patched:
        patched.setattr(code_changes, "_repositories", lambda *_: [])
        assert results(demo_store, record)["code_changes"] == "same"
    assert results(demo_store, record)["code_changes"] == "no-access"


def named(tree: Node, name: str) -> Node:
    (found,) = (n for n in nodes(tree) if n.rule == name)
    return found


def nodes(tree: Node) -> list[Node]:
    return [tree, *(inner for child in tree.children for inner in nodes(child))]


def test_the_gate_says_no_to_commits_that_nobody_signed(
    demo_store: OpenStore, acting: As
) -> None:
    text = current_text(demo_store).replace(b"[[rules]]\n", SIGNED, 1)
    activate_policy(demo_store, acting("dana"), text)
    request = ask(demo_store, acting("ana"))
    for name in ("vera", "rik"):
        approve(demo_store, acting(name), request)
    tree = gate(demo_store, f"model:{MODEL}@2", "production", "eu").tree
    assert exit_code(tree) == 1
    node = named(tree, "signed")
    assert (node.verdict, node.observed) == (Verdict.NO, "380c3571e6: not signed")
