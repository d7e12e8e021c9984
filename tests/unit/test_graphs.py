"""Lineage as DOT, Mermaid and Markdown: arrows follow the data, names are no markup."""

from __future__ import annotations

import re

import pytest

from console.cli.graphs import (
    dot_text,
    graph_text,
    markdown_lines,
    mermaid_text,
    tree_lines,
)
from store.facts import Relation
from store.queries.lineage import Closure, Edge, Node

HOSTILE = (
    '"] --> n9["owned',
    '"; n9 [label="owned"]; x="',
    "</script><img src=x onerror=alert(1)>",
    "\\N \\G \\\\",
    "&quot;&lt;b&gt;#quot;#35;",
    'click n0 "javascript:alert(1)"',
    "\x1b]52;c;aGk=\x07\u202egnp",
    "[a](http://evil) ![b](http://evil) `c` @team #1 www.evil.org",
    "%% comment\n  n0 --> n0",
    "end",
    "",
    "日本 🦊",
)


def node(key: str, kind: str, label: str) -> Node:
    return Node(key, kind, label, None)


def closure(label: str = "name") -> Closure:
    nodes = (
        node("m", "model-version", label),
        node("r", "run", label),
        node("d", "dataset-version", label),
        node("c", "commit", label),
    )
    edges = (
        Edge("r", Relation.PRODUCED.value, "m", "declared", ""),
        Edge("r", Relation.READ.value, "d", "declared", "training"),
        Edge("r", Relation.USED.value, "c", "inferred", ""),
    )
    depth = {"m": 0, "r": 1, "d": 2, "c": 2}
    return Closure(nodes[0], {n.key: n for n in nodes}, edges, depth, is_cut=False)


def test_arrows_point_from_what_was_used_to_what_came_of_it() -> None:
    dot = graph_text(closure(), "dot")
    assert '  n1 -> n0 [label="produced"];' in dot
    assert '  n2 -> n1 [label="read by"];' in dot
    assert '  n3 -> n1 [label="used by", style=dashed];' in dot
    mermaid = graph_text(closure(), "mermaid")
    assert '  n1 -->|"produced"| n0' in mermaid
    assert '  n2 -->|"read by"| n1' in mermaid
    assert '  n3 -.->|"used by"| n1' in mermaid


_DOT_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\])*"'
_DOT_LINE = re.compile(
    rf"  n\d+ \[label={_DOT_STRING}, shape=\w+(, penwidth=2)?\];"
    rf"|  n\d+ -> n\d+ \[label={_DOT_STRING}(, style=dashed)?\];"
)
_MERMAID_STRING = r'"(?:[\w \-./,]|#\d+;)*"'
_MERMAID_LINE = re.compile(
    rf"  n\d+(\[|\[\[|\[\(|\(\[){_MERMAID_STRING}(\]|\]\]|\)\]|\]\))"
    rf"|  n\d+ -\.?-+>\|{_MERMAID_STRING}\| n\d+"
    rf"|  n\d+ -\.->\|{_MERMAID_STRING}\| n\d+"
    r"|  style n0 stroke-width:3px"
)


@pytest.mark.parametrize("label", HOSTILE)
def test_no_name_adds_to_the_structure_of_a_graph(label: str) -> None:
    first, *lines, last = graph_text(closure(label), "dot").split("\n")
    assert (first, last) == ("digraph lineage {", "}")
    assert lines[:2] == ["  rankdir=LR;", "  node [shape=box];"]
    assert [line for line in lines[2:] if not _DOT_LINE.fullmatch(line)] == []
    first, *lines = graph_text(closure(label), "mermaid").split("\n")
    assert first == "graph LR"
    assert [line for line in lines if not _MERMAID_LINE.fullmatch(line)] == []
    assert len(lines) == 8


def test_text_in_a_graph_can_be_read_back() -> None:
    for text in ('a "b" \\N &amp; <i>', "#35;", "(x)"):
        dot = dot_text(text)[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        assert dot.replace("&amp;", "&") == text
        told = re.sub(r"#(\d+);", lambda m: chr(int(m[1])), mermaid_text(text)[1:-1])
        assert told == text


@pytest.mark.parametrize("label", HOSTILE)
def test_a_list_in_markdown_has_the_lines_of_the_tree_and_no_markup(label: str) -> None:
    lines = markdown_lines(closure(label))
    assert len(lines) == len(tree_lines(closure(label))) == 4
    for line in lines:
        assert re.match(r" *- ", line)
        assert not re.search(r"[<>\[\]`@|\x1b\u202e]|http:|www\.", line)


def test_a_long_name_is_cut() -> None:
    assert max(map(len, graph_text(closure("x" * 10_000), "dot").split("\n"))) < 300
