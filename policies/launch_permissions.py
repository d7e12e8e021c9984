"""What statements about launches must satisfy: who may, and one launch for an id."""

from __future__ import annotations

from policies.document import PIPELINE_PREFIX
from policies.dsse import read_envelope
from policies.errors import Refused
from policies.permissions import find_statement
from policies.predicates.operations import (
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.statements import Statement, read_statement
from policies.topics import launch_topic
from policies.trust_root import BuiltInRole, Person
from store.judgement import History

_RUN_SIGN = "~"
"""Between the id of a schedule and what a run of it is called; no id has it."""


def pipeline_subject(pipeline: str) -> str:
    """What grants and policies call a pipeline."""
    return PIPELINE_PREFIX + pipeline


def check_launch(intent: LaunchIntent, signer: Person, history: History) -> None:
    """Whether a launch may be declared: by an operator, and an id only once.

    Raises:
        Refused: not so.
    """
    _require(signer, BuiltInRole.OPERATOR, intent.pipeline, intent.environment)
    said = _said_of(intent.launch, history)
    earlier = [(found, one) for found, one in said if isinstance(one, LaunchIntent)]
    if not earlier:
        if intent.takes_over:
            raise Refused("it follows a launch that nobody declared")
        return
    last_id, last = earlier[-1]
    if intent.takes_over != last_id:
        raise Refused(f"the launch {intent.launch} was declared before")
    if _bound(intent) != _bound(last):
        raise Refused("it is another launch than the one that it follows")
    if intent.held and not last.held:
        raise Refused("what was let go cannot be held any more")
    if any(isinstance(one, LaunchCancellation) and one.ends_it for _, one in said):
        raise Refused(f"the launch {intent.launch} was cancelled")


def check_launch_release(
    release: LaunchRelease, signer: Person, history: History
) -> None:
    """Whether somebody may release a launch: in a role, and exactly that one.

    Raises:
        Refused: not so.
    """
    intent = _declared(release.intent, history).predicate
    if not isinstance(intent, LaunchIntent) or (
        intent.launch,
        intent.pipeline,
        intent.environment,
        intent.definition,
    ) != (release.launch, release.pipeline, release.environment, release.definition):
        raise Refused("it names another launch than its intent")
    if not intent.held:
        raise Refused("it releases a launch that is not held")
    _require(signer, release.role, release.pipeline, release.environment)


def check_release_unused(statement: Statement, history: History) -> None:
    """Whether what was decided about a launch can still be taken back.

    Raises:
        Refused: it was let go since.
    """
    release = statement.predicate
    if isinstance(release, LaunchRelease) and any(
        isinstance(said, LaunchIntent) and not said.held
        for _, said in _said_of(release.launch, history)
    ):
        raise Refused(f"the launch {release.launch} was let go; it stands")


def check_launch_outcome(
    outcome: LaunchOutcome, signer: Person, history: History
) -> None:
    """Whether somebody may say how a launch went: who declared it.

    Raises:
        Refused: not so.
    """
    begun = _declared(outcome.intent, history)
    intent = begun.predicate
    if not isinstance(intent, LaunchIntent) or begun.by != signer.id:
        raise Refused("only who declared a launch may say how it ended")
    if (intent.pipeline, intent.environment) != (outcome.pipeline, outcome.environment):
        raise Refused("it names another pipeline or environment than its intent")


def check_launch_cancellation(
    cancellation: LaunchCancellation, signer: Person, history: History
) -> None:
    """Whether somebody may say that a launch was ended: who operates there.

    Raises:
        Refused: not so.
    """
    intent = _declared(cancellation.intent, history).predicate
    if not isinstance(intent, LaunchIntent) or (
        intent.launch,
        intent.pipeline,
        intent.environment,
    ) != (cancellation.launch, cancellation.pipeline, cancellation.environment):
        raise Refused("it names another launch than its intent")
    of_schedule = f"{cancellation.launch}{_RUN_SIGN}"
    is_run = cancellation.run.startswith(of_schedule) and (
        cancellation.run != of_schedule
    )
    if not (cancellation.is_of_all or is_run):
        raise Refused("what it says was ended is neither its launch nor a run of it")
    _require(
        signer,
        BuiltInRole.OPERATOR,
        cancellation.pipeline,
        cancellation.environment,
    )


def _require(signer: Person, role: str, pipeline: str, environment: str) -> None:
    if not signer.holds(role, pipeline_subject(pipeline), environment):
        raise Refused(
            f"{signer.id!r} does not hold the role {str(role)!r} for "
            f"{pipeline_subject(pipeline)} in {environment}"
        )


def _declared(intent_id: str, history: History) -> Statement:
    return find_statement(intent_id, history, "launch")


def _bound(intent: LaunchIntent) -> tuple[str, ...]:
    return (
        intent.pipeline,
        intent.definition,
        intent.parameters,
        intent.environment,
    )


def _said_of(launch: str, history: History) -> list[tuple[str, object]]:
    """What was said of a launch before, with statement ids, in log order."""
    found: list[tuple[str, object]] = []
    for entry in history.on_topic(launch_topic(launch)):
        envelope = read_envelope(history.entry_bytes(entry.index))
        statement = read_statement(envelope.payload)
        if isinstance(statement, Statement):
            found.append((envelope.statement_id, statement.predicate))
    return found
