"""Taking a version out of a stage, or putting back the one that held it before.

The registry follows first and is read back; then the statement says what was found.
When only the first half was done, the registry differs from the log, `status` shows it,
and trying again ends it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.errors import ConnectorError, ConnectorUnavailable
from console.services.gating import decided_version, require_anchor
from console.services.judging import judge_standing, model_record
from console.services.opened import OpenStore
from console.services.problems import Misuse, Refusal, Undecided
from console.services.promoting import open_registry
from console.services.registry_slots import held, put, slot_of, take_out
from console.services.signing import Acting, Appended, append
from console.services.words import put_words
from policies.predicates.records import Demotion
from policies.verdict import Verdict
from policies.workflow import Holder, ModelRecord
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Demoted:
    """A demotion, and what the registry says after it."""

    appended: Appended
    version: str
    """Key of the version that was taken out."""
    restored: str
    """Key of the version that was put back, or empty."""
    registry: str
    read_back: str


def demote(
    store: OpenStore,
    acting: Acting,
    reference: str,
    stage: str,
    environment: str,
    reason: str,
    *,
    restores: bool = False,
    variables: Mapping[str, str] = os.environ,
) -> Demoted:
    """Take the version that holds a stage out of it.

    With `restores` the version that held the stage before takes it again, under its own
    promotion, if that still stands.

    Raises:
        Misuse: there is no reason.
        Refusal: nothing holds the stage, or what held it before cannot come back.
        Undecided: the registry does not answer; nothing was logged.
    """
    if not reason.strip():
        raise Misuse("a demotion has a reason", hint="--reason TEXT")
    require_anchor(store)
    store.require_known_types()
    model, named = decided_version(store, reference)
    record = model_record(store, model, store.state())
    holder = _holder(record, reference, named, environment, stage)
    earlier = _earlier(store, record, environment, stage) if restores else None
    registry, read_back = _apply(store, holder, earlier, variables)
    demotion = Demotion(
        promotion=holder.intent.id,
        model=holder.promoted_by.model,
        version=holder.version,
        environment=environment,
        stage=stage,
        goes_to="",
        reason=put_words(store, reason),
        registry=registry,
        read_back=read_back,
        restores=earlier.intent.id if earlier else "",
    )
    appended = append(store, acting, demotion, (holder.version, holder.manifest))
    restored = earlier.version if earlier else ""
    return Demoted(appended, holder.version, restored, registry, read_back)


def _holder(
    record: ModelRecord, reference: str, named: str, environment: str, stage: str
) -> Holder:
    holder = record.holder(environment, stage)
    if holder is None:
        raise Refusal(f"by the log nothing holds {stage} in {environment}")
    if "@" in reference and named not in (holder.version, holder.placed):
        held = "@".join(split_key(holder.version)[1][-2:])
        raise Refusal(f"{stage} in {environment} is held by {held}, not by {reference}")
    return holder


def _earlier(
    store: OpenStore, record: ModelRecord, environment: str, stage: str
) -> Holder:
    """The version that held a stage before, if its promotion still stands."""
    held = record.holders[environment, stage]
    if len(held) < 2:
        raise Refusal(f"no other version held {stage} in {environment} before")
    earlier = held[-2]
    name = "@".join(split_key(earlier.version)[1][-2:])
    if earlier.ended is not None:
        raise Refusal(
            f"{name} held it before and was taken out of it",
            hint="Ask for it anew: countersign request",
        )
    judged = judge_standing(store, record, earlier, store.clock())
    if judged.tree.verdict is not Verdict.YES:
        wrong = [n.rule for n in judged.tree.leaves() if n.verdict is not Verdict.YES]
        raise Refusal(
            f"the promotion of {name} does not stand any more: {', '.join(wrong)}",
            hint="Take the present one out without --restore, or ask for another.",
        )
    return earlier


def _apply(
    store: OpenStore,
    holder: Holder,
    earlier: Holder | None,
    variables: Mapping[str, str],
) -> tuple[str, str]:
    """Leave nothing in the registry's place of the stage, or the earlier version, and
    read it back."""
    transition = holder.transition
    setting = store.configuration.environment(transition.environment)
    if not setting.registry:
        return "", ""
    model, version = split_key(holder.in_registry)[1][-2:]
    slot = slot_of(setting, transition.to_stage)
    writer = open_registry(setting.registry, variables)
    wanted = split_key(earlier.in_registry)[1][-1] if earlier else ""
    try:
        now = held(writer, slot, model)
        if now not in (version, wanted):
            raise Refusal(
                f"{slot.label} of {model} points at version {now or 'nothing'} in "
                f"{writer.address}, which the log did not put there",
                hint="See: countersign status. Mend the registry first.",
            )
        if now != wanted and wanted:
            put(writer, slot, model, wanted)
        elif now != wanted:
            take_out(writer, slot, model)
        found = held(writer, slot, model)
    except ConnectorUnavailable as cause:
        raise Undecided(
            f"the registry does not answer: {cause}",
            hint="Nothing was logged. Run the same command again.",
        ) from cause
    except ConnectorError as cause:
        raise Refusal(f"the registry refused: {cause}", hint=cause.hint) from cause
    if found != wanted:
        raise Refusal(
            f"the registry says {found or 'nothing'} and not {wanted or 'nothing'}",
            hint="Nothing was logged. Somebody else moves this alias too.",
        )
    there = f"{model}@{found}" if found else "nothing"
    return writer.address, f"{slot.label} -> {there}"
