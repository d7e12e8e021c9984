"""The launches of a log for a report and its verification: each judged again."""

from __future__ import annotations

from typing import Any

from console.reports.whole_log import WholeLog
from console.services.pipelines.launch_auditing import (
    LaunchAgain,
    declarations,
    doubts,
    launch_findings,
    void_findings,
)
from console.services.pipelines.launch_log import LaunchRecord
from console.services.problems import KNOWN_ERRORS
from console.services.words import read_words


def check_launches(log: WholeLog) -> list[str]:
    """What is wrong with the launches of a log, a line each."""
    found = [
        finding
        for record in log.launches.values()
        for finding in launch_findings(log.store, record)
    ]
    found += void_findings(log.void_launches)
    return [str(finding) for finding in sorted(found, key=lambda one: one.entry)]


def launch_doubts(log: WholeLog) -> tuple[str, ...]:
    """What was allowed, and would not have been with what is known now."""
    if not log.state.suspect_since:
        return ()
    return tuple(
        str(finding)
        for record in log.launches.values()
        for finding in doubts(log.store, record)
    )


def launches_told(log: WholeLog) -> list[dict[str, Any]]:
    """Every declaration of a launch as the report has it."""
    return [
        _told(log, record, again)
        for record in log.launches.values()
        for again in declarations(log.store, record)
    ]


def _told(log: WholeLog, record: LaunchRecord, again: LaunchAgain) -> dict[str, Any]:
    intent, entry = again.intent, again.entry
    try:
        judged = again.judged(as_recorded=True)
        today = again.judged(as_recorded=False)
        tree, stands = judged.tree.to_json(), today.tree.verdict.value
    except (*KNOWN_ERRORS, ValueError):
        tree, stands = None, "unknown"
    return {
        "launch": record.launch,
        "entry": entry.index,
        "statement": entry.id,
        "pipeline": intent.pipeline,
        "environment": intent.environment,
        "plan": intent.definition,
        "policy": intent.policy,
        "cause": intent.cause,
        "held": intent.held,
        "declared_by": entry.statement.by,
        "at": entry.statement.at,
        "judged_at": intent.judged_at,
        "verdict_judged_again": tree,
        "stands_with_what_is_known_now": stands,
        "releases": [
            {
                "entry": signed.index,
                "by": signed.statement.by,
                "role": release.role,
                "decision": release.decision.value,
                "reason": read_words(log.store, release.reason),
            }
            for signed, release in record.releases
            if signed.index < entry.index
        ],
        "outcomes": [
            {
                "entry": ended.index,
                "outcome": outcome.outcome.value,
                "read_back": outcome.read_back,
            }
            for ended, outcome in record.outcomes
            if outcome.intent == entry.id
        ],
    }
