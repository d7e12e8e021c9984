"""The launches of a log for a report and its verification: each judged again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from connectors.pipelines.planned_schedules import is_schedule, times_of
from console.reports.whole_log import WholeLog
from console.services.opened import parse_time
from console.services.pipelines.launch_auditing import (
    LaunchAgain,
    declarations,
    doubts,
    launch_findings,
    void_findings,
)
from console.services.pipelines.launch_judging import LogMoment
from console.services.pipelines.launch_log import LaunchRecord
from console.services.pipelines.schedule_standing import (
    is_let_go,
    objection,
    planned_schedule,
)
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


def launch_doubts(log: WholeLog, at: str) -> tuple[str, ...]:
    """What was allowed, and would not have been with what is known now; and schedules
    that the log let go and that would not be allowed at a time, usually the file's."""
    found = [
        str(finding)
        for record in log.launches.values()
        for finding in (doubts(log.store, record) if log.state.suspect_since else ())
    ]
    for record in log.launches.values():
        found += _stolen_ends(log, record)
        why = _objection(log, record, at)
        if why:
            found.append(
                f"the schedule {record.launch} at entry {record.entry.index}: it would "
                f"not have been allowed at {at}: {why}. If it still runs, end it: "
                f"countersign pipeline cancel {record.launch}"
            )
    return tuple(found)


def _objection(log: WholeLog, record: LaunchRecord, at: str) -> str:
    """Why a schedule would not be allowed at the end of the log; empty where it would
    be, is none, was never let go, or is over."""
    if not is_let_go(record) or _is_over(log, record):
        return ""
    moment = LogMoment(log.state, log.state, len(log.indexed), parse_time(at))
    try:
        plan = planned_schedule(log.store, record.intent)
        return "" if plan is None else objection(log.store, record, plan, moment)
    except (*KNOWN_ERRORS, ValueError) as problem:
        return f"what it rests on cannot be read: {problem}"


def _is_over(log: WholeLog, record: LaunchRecord) -> bool:
    """Whether the log says that a launch is over, by keys that nobody had stolen."""
    sound = [
        (entry, said)
        for entry, said in record.cancellations
        if not log.state.is_suspect(entry.key, entry.index)
    ]
    return replace(record, cancellations=sound).is_over


def _stolen_ends(log: WholeLog, record: LaunchRecord) -> list[str]:
    """Cancellations that a thief may have signed."""
    return [
        f"the launch {record.launch} at entry {entry.index}: that {said.run} was ended "
        "was signed with a key that may have been stolen by then. Look whether it "
        f"runs: countersign pipeline show {said.run}"
        for entry, said in record.cancellations
        if log.state.is_suspect(entry.key, entry.index)
    ]


def ended_schedules(log: WholeLog) -> tuple[str, ...]:
    """Schedules that were let go and ended since, with who says so and when."""
    found = []
    for record in log.launches.values():
        if not is_let_go(record) or not _is_over(log, record):
            continue
        try:
            if planned_schedule(log.store, record.intent) is None:
                continue
        except (*KNOWN_ERRORS, ValueError):
            continue  # check_launches says that its plan cannot be read
        said = record.cancellation_of(record.launch)
        if said is not None:
            signed, what = said
            found.append(
                f"the schedule {record.launch} is over: {what.result.value}, entry "
                f"{signed.index} by {signed.statement.by} at {signed.statement.at} "
                "(claimed)"
            )
    return tuple(found)


def launches_told(log: WholeLog, at: str) -> list[dict[str, Any]]:
    """Every declaration of a launch as the report has it."""
    return [
        _told(log, record, again, at)
        for record in log.launches.values()
        for again in declarations(log.store, record)
    ]


def _told(
    log: WholeLog, record: LaunchRecord, again: LaunchAgain, at: str
) -> dict[str, Any]:
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
        "schedule": _schedule(log, record, again, at),
        "releases": [
            {
                "entry": signed.index,
                "by": signed.statement.by,
                "role": release.role,
                "decision": release.decision.value,
                "reason": read_words(log.store, release.reason),
                "withdrawn": any(
                    back.statement == signed.id and at_entry.index < entry.index
                    for at_entry, back in record.withdrawals
                ),
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
        "cancellations": [
            {
                "entry": signed.index,
                "by": signed.statement.by,
                "at": signed.statement.at,
                "run": said.run,
                "result": said.result.value,
                "read_back": said.read_back,
                "reason": read_words(log.store, said.reason) if said.reason else "",
            }
            for signed, said in record.cancellations
            if said.intent == entry.id
        ],
    }


def _schedule(
    log: WholeLog, record: LaunchRecord, again: LaunchAgain, at: str
) -> dict[str, str | bool] | None:
    """The times of a schedule, and whether it would have been allowed at a time."""
    try:
        if not is_schedule(again.plan):
            return None
        times = times_of(again.plan)
    except (*KNOWN_ERRORS, ValueError):
        return None
    is_last = again.entry.index == record.entry.index
    return {
        "cron": times.cron,
        "time_zone": times.time_zone,
        "overlap": times.overlap,
        "objection_when_exported": _objection(log, record, at) if is_last else "",
        "is_over": _is_over(log, record),
    }
