"""The audit report as one HTML page: no script, no network, every value escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.reports.html_tables import cell_text, table, verdict_rows
from console.reports.launches_html import launches_html

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;"
    "padding:0 1em;color:#1a1a1a}table{border-collapse:collapse;width:100%;"
    "margin:.5em 0 1.5em}td,th{border:1px solid #bbb;padding:.3em .5em;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{background:#eee}pre{background:#f5f5f5;"
    "padding:1em;overflow:auto;font-size:13px}code{font-size:13px}.no{font-weight:bold}"
    "h2{border-bottom:2px solid #444;margin-top:2em}"
)


def render_html(report: dict[str, Any]) -> bytes:
    """The page; the same report gives the same bytes."""
    log = report["log"]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Audit report of {cell_text(log['origin'])}</title>",
        f"<style>{_STYLE}</style></head><body>",
        "<h1>Audit report</h1>",
        _demo(report),
        table(
            ("", ""),
            [
                ("Log", log["origin"]),
                ("Entries", log["size"]),
                ("Merkle root", log["root"]),
                ("First trust root (the anchor)", report["first_trust_root"]),
                ("Made at (claimed)", report["created_at"]),
                ("Model", report["scope"]["model"] or "all"),
                ("From", report["scope"]["since"] or "the beginning"),
                ("Until", report["scope"]["until"] or "the end"),
            ],
        ),
        "<p>Verify this file offline, as README.txt beside it says.</p>",
        "<h2>What this file does not claim</h2><ul>",
        *(f"<li>{cell_text(claim)}</li>" for claim in report["non_claims"]),
        "</ul><h2>Promotions</h2>",
        *(_promotion(promotion) for promotion in report["promotions"]),
        "" if report["promotions"] else "<p>None.</p>",
        "<h2>Requests</h2>",
        _requests(report["requests"]),
        launches_html(report["launches"]),
        "<h2>People and keys</h2>",
        _people(report["people"]),
        _former_keys(report["keys_no_longer_in_force"]),
        _erasures(report["erasures"]),
        _unusable_batches(report["unusable_batches"]),
        "<h2>Policies</h2>",
        *(_policy(policy) for policy in report["policies"]),
        "<h2>Every entry of the log</h2>",
        _entries(report["entries"]),
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part).encode()


def _demo(report: dict[str, Any]) -> str:
    if not report["trust_root"]["demo"]:
        return ""
    return "<p class=no>DEMONSTRATION: the keys of this log protect nothing.</p>"


def _promotion(promotion: dict[str, Any]) -> str:
    now = "now in" if promotion["is_current"] else "formerly in"
    title = f"{promotion['model']} version {promotion['version']}, {now} "
    title += f"{promotion['stage']} of {promotion['environment']}"
    return "\n".join(
        [
            f"<h3>{cell_text(title)}</h3>",
            table(
                ("", ""),
                [
                    ("Manifest", promotion["manifest"]),
                    ("Promoted by", promotion["promoter"]),
                    ("At (claimed)", promotion["at"]),
                    (
                        "Entries",
                        f"{promotion['intent']['entry']}, "
                        f"{promotion['outcome']['entry']}",
                    ),
                    ("Outcome", promotion["outcome"]["kind"]),
                    (
                        "Stands with what is known now",
                        promotion["stands_with_what_is_known_now"],
                    ),
                    ("Registry read back", promotion["outcome"]["read_back"] or "-"),
                ],
            ),
            "<h4>Signatures</h4>",
            _answers(promotion["answers"]),
            _waivers(promotion["waivers"]),
            "<h4>Verdict, judged again from the evidence in this file</h4>",
            table(
                ("rule", "verdict", "observed", "wanted"),
                verdict_rows(promotion["verdict_judged_again"], 0),
            ),
            "<h4>What the approvers saw</h4>",
            f"<pre>{cell_text(promotion['review_text'])}</pre>",
        ]
    )


def _former_keys(keys: Sequence[dict[str, Any]]) -> str:
    if not keys:
        return ""
    rows = [
        (
            key["id"],
            key["owner"],
            key["until_entry"],
            "-" if key["stolen_since_entry"] is None else key["stolen_since_entry"],
        )
        for key in keys
    ]
    heading = "<h3>Keys that count no longer</h3>"
    return heading + table(("key", "of", "until entry", "stolen since entry"), rows)


def _erasures(erasures: Sequence[dict[str, Any]]) -> str:
    if not erasures:
        return ""
    rows = [
        (e["entry"], e["by"], e["kind"], e["object"], e["reason"]) for e in erasures
    ]
    heading = "<h3>Erased</h3>"
    return heading + table(("entry", "by", "what", "object", "reason"), rows)


def _unusable_batches(batches: Sequence[dict[str, Any]]) -> str:
    if not batches:
        return ""
    rows = [(b["entry"], b["object"], b["reason"]) for b in batches]
    heading = "<h3>Batches of facts that change nothing</h3>"
    return heading + table(("entry", "object", "why"), rows)


def _answers(answers: list[dict[str, Any]]) -> str:
    return table(
        ("name", "meaning", "role", "at (claimed)", "reason", "entry"),
        (
            (a["name"], a["meaning"], a["role"], a["at"], a["reason"], a["entry"])
            for a in answers
        ),
    )


def _waivers(waivers: list[dict[str, Any]]) -> str:
    if not waivers:
        return ""
    rows = [
        (
            w["name"],
            ", ".join(w["rules"]),
            w["role"],
            w["at"],
            w["expires"],
            w["reason"],
            w["entry"],
        )
        for w in waivers
    ]
    columns = ("name", "rules", "role", "at (claimed)", "until", "reason", "entry")
    return "<h4>Waivers</h4>" + table(columns, rows)


def _requests(requests: list[dict[str, Any]]) -> str:
    return table(
        ("entry", "model", "version", "to", "state", "asked by", "reason", "answers"),
        (
            (
                r["entry"],
                r["model"],
                r["version"],
                f"{r['to']} in {r['environment']}",
                r["state"],
                r["requester"],
                r["reason"],
                "; ".join(f"{a['name']}: {a['decision']}" for a in r["answers"]),
            )
            for r in requests
        ),
    )


def _people(people: list[dict[str, Any]]) -> str:
    return table(
        ("id", "name", "roles", "identities (claimed)", "keys", "since entry"),
        (
            (
                p["id"],
                p["name"],
                ", ".join(dict.fromkeys(g["role"] for g in p["grants"])),
                ", ".join(p["identities"]),
                ", ".join(k["id"] for k in p["keys"]),
                p["enrolled_at_entry"],
            )
            for p in people
        ),
    )


def _policy(policy: dict[str, Any]) -> str:
    title = f"{policy['id']} version {policy['version']}, entry {policy['entry']}"
    return (
        f"<h3>{cell_text(title)}</h3><p><code>{cell_text(policy['digest'])}</code></p>"
        f"<pre>{cell_text(policy['text'])}</pre>"
    )


def _entries(entries: list[dict[str, Any]]) -> str:
    return table(
        ("index", "standing", "type", "signer", "statement", "reason"),
        (
            (
                e["index"],
                e["standing"],
                e["type"].removeprefix("https://countersign.dev/attestation/"),
                e["signer"],
                e["statement"],
                e["reason"],
            )
            for e in entries
        ),
    )
