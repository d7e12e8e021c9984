"""A policy held against the past: which decisions in the log it would have turned.

Each request is judged where it was decided, under the policy of its own time and again
as if the other had been in force when it was made. Nothing is written, and no artifact
is read: the bytes count as they were when the evidence was frozen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from console.services.judging import Judged, evidence_of, judge_request
from console.services.opened import OpenStore, parse_time
from console.services.selecting import Wanted, asked_at
from policies.document import Policy
from policies.errors import MalformedPolicy
from policies.predicates import Withdrawal
from policies.selection import Asked, covers, select_policy
from policies.topics import model_topic
from policies.turning import Turn, TurnedRule, turn_of, turned_rules
from policies.verdict import Node, Verdict
from policies.workflow import (
    Entry,
    Holder,
    ModelRecord,
    RequestRecord,
    RunningRecord,
    read_model_record,
)
from store.identifiers import split_key


@dataclass(frozen=True, slots=True)
class Span:
    """Requests made from one moment and before another, as their signers say."""

    since: datetime | None = None
    until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Whether a request made then is meant."""
        return (self.since is None or at >= self.since) and (
            self.until is None or at < self.until
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in the log, and when, a request was decided."""

    position: int
    at: datetime
    was_promoted: bool


@dataclass(frozen=True, slots=True)
class Retried:
    """One past request under both policies."""

    request: str
    version: str
    transition: str
    asked_at: str
    position: int
    was_promoted: bool
    turn: Turn
    before: Node
    after: Node
    rules: tuple[TurnedRule, ...]


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many decisions a rule turns."""

    rule: str
    refuses: int
    passes: int
    could_not_tell: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a policy would have changed."""

    policy: Policy
    retried: tuple[Retried, ...]

    def count(self, turn: Turn) -> int:
        """How many decisions came out so."""
        return sum(r.turn is turn for r in self.retried)

    @property
    def promoted(self) -> int:
        """How many of the requests were promoted."""
        return sum(r.was_promoted for r in self.retried)

    @property
    def exit_code(self) -> int:
        """1 if a promotion would be refused, 3 if that could not be told of one."""
        turns = {r.turn for r in self.retried if r.was_promoted}
        if Turn.REFUSED in turns:
            return 1
        return 3 if Turn.UNTOLD in turns else 0

    def by_rule(self) -> list[RuleCount]:
        """The rules that turn decisions, those that turn the most first."""
        turned = [(r.turn, rule) for r in self.retried for rule in _blamed(r)]
        unknown = Counter(x.rule for _, x in turned if x.after is Verdict.UNKNOWN)
        refuses = Counter(x.rule for _, x in turned if x.after is Verdict.NO)
        passes = Counter(x.rule for turn, x in turned if turn is Turn.PASSES)
        found = [
            RuleCount(rule, refuses[rule], passes[rule], unknown[rule])
            for rule in {x.rule for _, x in turned}
        ]
        return sorted(
            found, key=lambda c: (-c.refuses, -c.passes, -c.could_not_tell, c.rule)
        )


def _blamed(retried: Retried) -> list[TurnedRule]:
    """The rules that turn the decision the way it turns."""
    if retried.turn is Turn.SAME:
        return []
    now_met = retried.turn is Turn.PASSES
    return [r for r in retried.rules if (r.after in (None, Verdict.YES)) == now_met]


def backtest(
    store: OpenStore,
    policy: Policy,
    span: Span | None = None,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Backtest:
    """Judge every request again that the policy decides, or decided by its id."""
    state, retried = store.state(), []
    for topic in store.index.topics_starting("decision:"):
        model = topic.removeprefix("decision:")
        entries = store.verified_entries(model_topic(model), state)
        for found in _of_model(store, policy, entries, span or Span()):
            retried.append(found)
            progress(len(retried))
    return Backtest(policy, tuple(sorted(retried, key=lambda r: r.position)))


def _of_model(
    store: OpenStore, policy: Policy, entries: list[Entry], span: Span
) -> Iterator[Retried]:
    """The requests of one model, in the order in which they were decided."""
    running, done = RunningRecord(entries), read_model_record(entries)
    promotions = {
        holder.request: holder for held in done.holders.values() for holder in held
    }
    moments = [
        (record, _decided(store, record, promotions, entries))
        for record in done.requests.values()
        if span.covers(parse_time(record.entry.statement.at))
    ]
    for record, moment in sorted(moments, key=lambda m: m[1].position):
        found = _retry(store, policy, record, moment, running.before(moment.position))
        if found is not None:
            yield found


def _decided(
    store: OpenStore,
    record: RequestRecord,
    promotions: dict[str, Holder],
    entries: list[Entry],
) -> Moment:
    """The promotion; else the last answer or the withdrawal; else now."""
    holder = promotions.get(record.id)
    if holder is not None:
        at = parse_time(holder.promoted_by.judged_at)
        return Moment(holder.intent.index, at, True)
    for entry in entries:
        said = entry.statement.predicate
        if isinstance(said, Withdrawal) and said.statement == record.id:
            return Moment(entry.index, parse_time(entry.statement.at), False)
    if record.answers:
        last = max((entry for entry, _ in record.answers), key=lambda e: e.index)
        return Moment(last.index + 1, parse_time(last.statement.at), False)
    return Moment(store.index.size, store.clock(), False)


def _retry(
    store: OpenStore,
    policy: Policy,
    request: RequestRecord,
    moment: Moment,
    earlier: ModelRecord,
) -> Retried | None:
    """One request under both policies; nothing if neither is the one at hand."""
    state = store.state(before=moment.position)
    record = earlier.requests.get(request.id, request)
    then = store.policies(state)
    instead = [*(p for p in then if p.id != policy.id), policy]
    wanted = Wanted.of(record)
    asked = asked_at(store, wanted, moment.position, state, [*then, policy])
    if not any(_decides(policy, among, asked) for among in (then, instead)):
        return None
    transition = record.request.transition
    holder = earlier.holder(transition.environment, transition.to_stage)
    evidence = evidence_of(store, record)

    def judge(among: list[Policy] | None) -> Judged:
        return judge_request(
            store,
            record,
            holder.version if holder else "",
            state,
            now=moment.at,
            position=moment.position,
            reads_artifact=False,
            evidence=evidence,
            instead=among,
        )

    before, after = judge(None).tree, judge(instead).tree
    return Retried(
        request=record.id,
        version="@".join(split_key(record.request.version)[1][-2:]),
        transition=str(transition),
        asked_at=record.entry.statement.at,
        position=moment.position,
        was_promoted=moment.was_promoted,
        turn=turn_of(before, after),
        before=before,
        after=after,
        rules=turned_rules(before, after),
    )


def _decides(policy: Policy, among: list[Policy], asked: Asked) -> bool:
    """Whether the policy, in some version, is the one selected for a request."""
    try:
        return select_policy(among, asked).id == policy.id
    except MalformedPolicy:
        is_for_it = covers(policy.applies, asked) is not Verdict.NO
        return policy in among and is_for_it
