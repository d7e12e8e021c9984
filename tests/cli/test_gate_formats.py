"""The gate's answer in other systems' forms, also where names are hostile."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from console.cli import main
from console.reports.gate_files import junit, markdown, sarif
from console.services.demonstration import Demonstrated
from console.services.judging import Judged
from policies.dsse import pre_authentication_encoding
from policies.verdict import Node, Verdict, all_of

HOSTILE = (
    "<script>&\"']]>\x1b]52;c;eA==\x07\x00|`rm`|\r\n# big\n[x](http://e.example)"
    "\u202eevil\ufffe\uffff\ud800 www.e.example @team ![i](http://e) <!-- -->"
)
CHARACTERS = {"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f\\u202e]*$"}


def closed(required: str, **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def array(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}


MESSAGE = closed("text", text=CHARACTERS | {"minLength": 1})
RULE = closed("id", id=CHARACTERS, shortDescription=MESSAGE)
RESULT = closed(
    "ruleId ruleIndex kind level message locations",
    ruleId=CHARACTERS,
    ruleIndex={"type": "integer", "minimum": 0},
    kind={"const": "fail"},
    level={"enum": ["warning", "error"]},
    message=MESSAGE,
    locations=array(
        closed(
            "logicalLocations",
            logicalLocations=array(
                closed("fullyQualifiedName", fullyQualifiedName=CHARACTERS)
            ),
        )
    ),
    partialFingerprints={"type": "object", "additionalProperties": CHARACTERS},
)
RUN = closed(
    "tool results",
    tool=closed(
        "driver",
        driver=closed("name", name=CHARACTERS, version=CHARACTERS, rules=array(RULE)),
    ),
    invocations=array(
        closed(
            "executionSuccessful",
            executionSuccessful={"type": "boolean"},
            exitCode={"type": "integer"},
            endTimeUtc={"type": "string"},
        )
    ),
    properties={"type": "object"},
    results=array(RESULT),
)
SARIF = closed(
    "version runs",
    version={"const": "2.1.0"},
    runs=array(RUN),
    **{"$schema": {"type": "string"}},
)
"""The part of SARIF 2.1.0 that is written, closed."""


@pytest.fixture
def judged() -> Judged:
    """A verdict of which every text is hostile."""
    leaves = [
        Node(f"{verdict.value} {HOSTILE}", verdict, HOSTILE, HOSTILE, HOSTILE)
        for verdict in (*Verdict, Verdict.NO)
    ]
    when = datetime(2026, 3, 1, tzinfo=UTC)
    return Judged(all_of(HOSTILE, leaves), None, None, 7, when)


def test_hostile_names_stay_text_in_junit(judged: Judged) -> None:
    root = ElementTree.fromstring(junit(judged))  # noqa: S314 - our own
    assert root.tag == "testsuites"
    (suite,) = root
    cases = suite.findall("testcase")
    assert [len(case) for case in cases] == [0, 1, 1, 1]
    assert [case[0].tag for case in cases[1:]] == ["failure", "error", "failure"]
    counts = {"tests": "4", "failures": "2", "errors": "1"}
    assert counts.items() <= suite.attrib.items()
    assert {e.tag for e in root.iter()} == {
        *("testsuites", "testsuite", "properties", "property"),
        *("testcase", "failure", "error"),
    }
    assert "<script>" in str(cases[0].get("name"))
    assert "<U+001B>" in str(cases[0].get("name"))
    junit(judged).encode()


def test_hostile_names_stay_text_in_sarif(judged: Judged) -> None:
    log = json.loads(sarif(judged))
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules)) == 3
    assert [r["level"] for r in run["results"]] == ["error", "warning", "error"]
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in run["results"])


def test_hostile_names_make_no_markup_in_markdown(judged: Judged) -> None:
    text = markdown(judged)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert {row.count("|") for row in rows} == {6}
    for markup in ("<", ">", "`", "](", "![", "\x1b", "\u202e", "www.", "://", "@"):
        assert markup not in text
    assert rows[2].startswith("| **NO** |")
    text.encode()


def test_a_yes_has_no_results(judged: Judged) -> None:
    tree = all_of("a", [Node("b", Verdict.YES)])
    fine = replace(judged, tree=tree)
    assert json.loads(sarif(fine))["runs"][0]["results"] == []
    assert 'failures="0" errors="0"' in junit(fine)


Gate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gate(
    demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Gate:
    """The command on a version: exit code, stdout and stderr."""
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    monkeypatch.setenv("COUNTERSIGN_ANCHOR", demo.anchor)

    def command(version: str, *options: str) -> tuple[int, str, str]:
        reference = f"model:diabetes-progression@{version}"
        code = main(["gate", reference, "--to", "production", *options])
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.mark.parametrize("form", ["json", "junit", "sarif", "markdown", "vsa"])
def test_every_format_has_the_table_s_exit_code_and_goes_into_a_file(
    gate: Gate, form: str, tmp_path: Path
) -> None:
    target = tmp_path / "answer"
    assert gate("6", "--format", form)[0] == 0
    code, out, _ = gate("5", "--format", form, "--out", str(target))
    assert code == 1
    assert out.startswith("NO ")
    assert target.stat().st_size > 500
    assert gate("6", "--format", form, "--out", str(tmp_path / "no" / "x"))[0] == 2


def test_the_summary_says_what_passed_and_about_which_bytes(gate: Gate) -> None:
    _, out, _ = gate("6", "--format", "vsa")
    said = json.loads(out)
    assert said["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert len(said["subject"][0]["digest"]["sha256"]) == 64
    predicate = said["predicate"]
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == ["COUNTERSIGN_GATE:default/production"]
    assert {i["uri"].rpartition("/")[2] for i in predicate["inputAttestations"]} >= {
        *("model", "lineage", "metrics", "incumbent", "artifact")
    }
    failed = json.loads(gate("5", "--format", "vsa")[1])["predicate"]
    assert (failed["verificationResult"], failed["verifiedLevels"]) == (
        "FAILED",
        ["FAILED"],
    )


def test_a_signed_summary_verifies_with_the_key_s_public_half(
    gate: Gate, demo: Demonstrated
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = next((demo.home / "config").rglob("vera.pem"))
    envelope = json.loads(gate("6", "--format", "vsa", "--key", str(path))[1])
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    payload = base64.b64decode(envelope["payload"])
    signed = pre_authentication_encoding(envelope["payloadType"], payload)
    (signature,) = envelope["signatures"]
    key.public_key().verify(base64.b64decode(signature["sig"]), signed)


def test_what_was_never_asked_for_has_no_summary_and_the_other_formats(
    gate: Gate,
) -> None:
    code, out, err = gate("3", "--format", "vsa")
    assert (code, out) == (1, "")
    assert "countersign request" in err
    assert gate("3", "--format", "junit")[0] == 1
    assert gate("6", "--format", "junit", "--key", "vera")[0] == 2
    assert gate("6", "--format", "vsa", "--key", "/nowhere")[0] != 0
