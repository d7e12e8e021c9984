"""What the less frequent statements must satisfy: records, operations, upkeep."""

from __future__ import annotations

import re

from policies.errors import Refused
from policies.launch_permissions import (
    check_launch,
    check_launch_cancellation,
    check_launch_outcome,
    check_launch_release,
)
from policies.permissions import (
    check_answer,
    check_version_key,
    find_statement,
    model_name,
    require_role,
)
from policies.predicates import PromotionIntent
from policies.predicates.observations import MOST_NUMBERS, Observation, ObservedNumber
from policies.predicates.operations import (
    DeploymentIntent,
    DeploymentOutcome,
    LaunchCancellation,
    LaunchIntent,
    LaunchOutcome,
    LaunchRelease,
)
from policies.predicates.records import (
    Attachment,
    Comment,
    Demotion,
    Export,
    Finding,
    ModelRecordChange,
    Waiver,
)
from policies.predicates.upkeep import ErasedKind, Erasure, Recovery
from policies.statements import Statement
from policies.topics import erasable_topic, kept_topic
from policies.trust_root import BuiltInRole, Person
from store.judgement import History

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


def check_record(statement: Statement, signer: Person, history: History) -> None:
    """Whether a person may make one of the less frequent statements.

    Raises:
        Refused: not so.
    """
    match statement.predicate:
        case Waiver() as waiver:
            check_answer(waiver, history)
            require_role(signer, waiver.role, waiver.model, waiver.transition)
        case Demotion() as demotion:
            _check_demotion(demotion, signer, history)
        case ModelRecordChange(model=model):
            _require(signer, BuiltInRole.REQUESTER, model)
        case Finding(model=model, role=role):
            _require(signer, role, model)
        case Attachment(model=model) | Comment(model=model):
            _require_any_role(signer, model)
        case Export():
            _require_any_role(signer, "")
        case Observation() as observation:
            _check_observation(observation)
            _require_operator(
                signer, model_name(observation.model), observation.environment
            )
        case LaunchIntent() as launch:
            check_launch(launch, signer, history)
        case LaunchRelease() as release:
            check_launch_release(release, signer, history)
        case LaunchCancellation() as cancellation:
            check_launch_cancellation(cancellation, signer, history)
        case DeploymentIntent() as intent:
            _require_operator(signer, model_name(intent.model), intent.environment)
            _check_deployment(intent, history)
        case LaunchOutcome() as outcome:
            check_launch_outcome(outcome, signer, history)
        case DeploymentOutcome() as outcome:
            _check_deployment_outcome(outcome, signer, history)
        case Erasure() as erasure:
            _check_erasure(erasure, signer, history)
        case Recovery() as recovery:
            _check_recovery(recovery, signer, history)
        case _:
            raise Refused(f"nobody may sign {statement.type.short}")


def check_service_statement(statement: Statement) -> None:
    """Whether what a service may sign, besides batches of facts, says something sound.

    Raises:
        Refused: not so.
    """
    if isinstance(statement.predicate, Observation):
        _check_observation(statement.predicate)


def _check_observation(observation: Observation) -> None:
    check_version_key(observation.model, observation.version)
    if observation.baseline:
        check_version_key(observation.model, observation.baseline)
    if bool(observation.baseline) != bool(observation.baseline_numbers):
        raise Refused("a baseline has a version and numbers, or neither")
    if observation.baseline == observation.version:
        raise Refused("a version is no baseline of itself")
    if observation.until <= observation.since:
        raise Refused("its window ends before it begins")
    for numbers in (observation.numbers, observation.baseline_numbers):
        _check_numbers(numbers)
    if not observation.numbers:
        raise Refused("it observes nothing")


def _check_numbers(numbers: tuple[ObservedNumber, ...]) -> None:
    if len(numbers) > MOST_NUMBERS:
        raise Refused(f"it gives more than {MOST_NUMBERS} numbers of one version")
    if len({(one.name, one.slice) for one in numbers}) != len(numbers):
        raise Refused("it gives one number twice")
    for one in numbers:
        if not _DECIMAL.fullmatch(one.value):
            raise Refused(f"{one.name} is no decimal number")


def _require(signer: Person, role: str, model_key: str) -> None:
    name = model_name(model_key)
    if not signer.holds(role, name):
        raise Refused(f"{signer.id!r} does not hold the role {str(role)!r} for {name}")


def _require_any_role(signer: Person, model_key: str) -> None:
    name = model_name(model_key) if model_key else ""
    if not any(signer.holds(grant.role, name) for grant in signer.grants):
        raise Refused(f"{signer.id!r} holds no role for {name or 'anything'}")


def _require_operator(signer: Person, name: str, environment: str) -> None:
    if not signer.holds(BuiltInRole.OPERATOR, name, environment):
        raise Refused(f"{signer.id!r} may not operate in {environment}")


def _check_demotion(demotion: Demotion, signer: Person, history: History) -> None:
    intent = find_statement(demotion.promotion, history, "promotion").predicate
    if not isinstance(intent, PromotionIntent):
        raise Refused("it ends a statement that is no promotion intent")
    transition = intent.transition
    bound = (intent.model, intent.version, transition.environment, transition.to_stage)
    if bound != (
        demotion.model,
        demotion.version,
        demotion.environment,
        demotion.stage,
    ):
        raise Refused("it names another model, version or stage than the promotion")
    require_role(signer, BuiltInRole.PROMOTER, intent.model, transition)
    if demotion.restores:
        earlier = find_statement(demotion.restores, history, "promotion").predicate
        if not isinstance(earlier, PromotionIntent):
            raise Refused("it puts back what no promotion intent put there")
        slot = (earlier.model, earlier.transition.environment)
        if (*slot, earlier.transition.to_stage) != (
            intent.model,
            transition.environment,
            transition.to_stage,
        ):
            raise Refused("it puts back what held another stage, or another model")


def _check_deployment(intent: DeploymentIntent, history: History) -> None:
    promotion = find_statement(intent.promotion, history, "promotion").predicate
    if not isinstance(promotion, PromotionIntent):
        raise Refused("it rests on a statement that is no promotion intent")
    bound = (promotion.model, promotion.version, promotion.manifest)
    if bound != (intent.model, intent.version, intent.manifest):
        raise Refused("it names another model, version or bytes than the promotion")


def _check_deployment_outcome(
    outcome: DeploymentOutcome, signer: Person, history: History
) -> None:
    begun = find_statement(outcome.intent, history, "deployment")
    if not isinstance(begun.predicate, DeploymentIntent) or begun.by != signer.id:
        raise Refused("only who declared a deployment may say how it ended")
    bound = (begun.predicate.model, begun.predicate.version)
    if bound != (outcome.model, outcome.version):
        raise Refused("it names another model or version than its intent")


def _check_erasure(erasure: Erasure, signer: Person, history: History) -> None:
    """Names and words may go; what a verdict rests on may not.

    An object counts as words only if no statement names it as anything else.
    """
    if not signer.holds(BuiltInRole.ROOT):
        raise Refused(f"{signer.id!r} may not let objects be erased")
    if not history.on_topic(erasable_topic(erasure.object, erasure.kind)):
        raise Refused(f"no statement names that object as a {erasure.kind.value}")
    if history.on_topic(kept_topic(erasure.object)):
        raise Refused("a decision rests on that object; it stays")
    if (erasure.kind is ErasedKind.LINEAGE_BATCH) != bool(erasure.replacement):
        raise Refused("a lineage batch is replaced, and nothing else is")


def _check_recovery(recovery: Recovery, signer: Person, history: History) -> None:
    if not signer.holds(BuiltInRole.ROOT):
        raise Refused(f"{signer.id!r} may not declare history lost")
    if not recovery.restored_size <= history.size or not (
        recovery.restored_size < recovery.lost_size
    ):
        raise Refused("it names more restored entries than there are, or lost none")
    if history.root_at(recovery.restored_size).hex() != recovery.restored_root:
        raise Refused("the restored entries are not those that it names")
