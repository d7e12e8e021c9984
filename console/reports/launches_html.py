"""The launches of the audit report as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.reports.html_tables import cell_text, table, verdict_rows


def launches_html(launches: Sequence[dict[str, Any]]) -> str:
    """Every declaration with its releases, its outcomes and its verdict."""
    if not launches:
        return ""
    parts = ["<h2>Launches</h2>"]
    for told in launches:
        what = "held" if told["held"] else "let go"
        title = f"{told['launch']}: {told['pipeline']} in {told['environment']}, {what}"
        parts += [
            f"<h3>{cell_text(title)}</h3>",
            table(
                ("", ""),
                [
                    ("Declared by", told["declared_by"]),
                    ("At (claimed)", told["at"]),
                    ("Entry", told["entry"]),
                    ("Plan", told["plan"]),
                    ("Policy", told["policy"] or "none was for it"),
                    ("Cause", told["cause"]),
                    (
                        "Stands with what is known now",
                        told["stands_with_what_is_known_now"],
                    ),
                    *_schedule(told["schedule"]),
                    *(
                        (
                            f"{release['decision']} by {release['by']}",
                            f"as {release['role']}, entry {release['entry']}: "
                            f"{release['reason']}"
                            f"{' (withdrawn)' if release['withdrawn'] else ''}",
                        )
                        for release in told["releases"]
                    ),
                    *(
                        (f"Outcome, entry {ended['entry']}", ended["read_back"])
                        for ended in told["outcomes"]
                    ),
                    *(_cancellation(one) for one in told["cancellations"]),
                ],
            ),
        ]
        if told["verdict_judged_again"]:
            parts.append(
                table(
                    ("rule", "verdict", "observed", "wanted"),
                    verdict_rows(told["verdict_judged_again"], 0),
                )
            )
    return "\n".join(parts)


def _cancellation(told: dict[str, Any]) -> tuple[str, str]:
    why = f": {told['reason']}" if told["reason"] else ""
    return (
        f"Cancelling {told['run']}, by {told['by']}",
        f"{told['result']}, at {told['at']} (claimed), entry {told['entry']}, "
        f"{told['read_back']}{why}",
    )


def _schedule(told: dict[str, Any] | None) -> list[tuple[str, str]]:
    if told is None:
        return []
    standing = told["objection_when_exported"] or "nothing was against it"
    return [
        ("Times", f"{told['cron']} in {told['time_zone']}"),
        ("While the last one runs", told["overlap"]),
        (
            "Would be allowed when this was made",
            "it was over by then" if told["is_over"] else standing,
        ),
    ]
