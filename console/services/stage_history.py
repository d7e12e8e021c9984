"""The stages that a version had, for rules that ask how long."""

from __future__ import annotations

from console.services.opened import OpenStore, parse_time
from policies.document import Policy
from policies.rules.context import Held
from policies.topics import model_topic
from policies.trust_state import TrustState
from policies.workflow import RequestRecord, RunningRecord

_KIND = "time_in_stage"


def stages_held(
    store: OpenStore,
    record: RequestRecord,
    policy: Policy,
    state: TrustState,
    position: int,
) -> tuple[Held, ...]:
    """The stages of a request's version below a position, if a rule asks for them."""
    if not any(rule.kind == _KIND for rule in policy.rules):
        return ()
    entries = store.verified_entries(model_topic(record.request.model), state)
    holders = RunningRecord(entries).before(position).holders
    found = []
    for (environment, stage), held in holders.items():
        for number, holder in enumerate(held):
            ending = holder.ended or (
                held[number + 1].outcome if number + 1 < len(held) else None
            )
            if holder.version == record.request.version:
                found.append(
                    Held(
                        environment,
                        stage,
                        parse_time(holder.began.statement.at),
                        parse_time(ending.statement.at) if ending else None,
                    )
                )
    return tuple(found)
