"""May a pipeline be launched? A pure verdict over the plan, the policy and releases.

A policy for launches is one that applies to the model `pipeline/NAME` and the stage
`launch`, or `schedule` for what one decision starts again and again. docs/adr/0004 says
what holds where there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.pipelines.planned_schedules import is_schedule
from connectors.pipelines.protocols import LaunchPlan
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.founding import printed_name
from console.services.makers import people_of_identities
from console.services.opened import OpenStore, parse_time
from console.services.pipelines.launch_evidence import (
    CommitTold,
    commit_told,
    launch_evidence,
    pipeline_key,
)
from console.services.pipelines.launch_log import LaunchRecord
from console.services.selecting import Wanted, asked_at, policy_for
from policies.document import LAUNCH_STAGE, SCHEDULE_STAGE, Policy
from policies.errors import MalformedPolicy, UnknownSelection
from policies.launch_permissions import pipeline_subject
from policies.predicates import Transition
from policies.predicates.operations import LaunchRelease
from policies.rules import Context, Vote, evaluate
from policies.rules.people import REJECTIONS, count_votes
from policies.selection import covers
from policies.trust_state import TrustState
from policies.verdict import Node, Verdict, all_of
from policies.workflow import Entry

OWN_BACKEND = "local"
RELEASE_COMMAND = "countersign pipeline release"
_APPROVALS = "approvals"
_NO_LOCK = re.compile(r"no (lock file|(image or )?lock( or image)?) digest recorded")
_TAGS = "Tag the run"
"""The next step of rules about runs, which has no meaning before one."""


@dataclass(frozen=True, slots=True)
class JudgedLaunch:
    """A verdict on a launch, and what it was reached on."""

    tree: Node
    policy: Policy | None
    judged_at: datetime
    told: CommitTold
    votes: tuple[Vote, ...] = ()
    """What people have decided about it."""
    context: Context | None = None
    """Whom the votes are counted for; None: no policy counts any."""

    @property
    def lacks_people_only(self) -> bool:
        """Whether everything is met but what people decide."""
        if self.policy is None:
            return False
        *others, approvals = self.tree.children
        return approvals.rule == _APPROVALS and all(
            node.verdict is Verdict.YES for node in others
        )

    @property
    def waits(self) -> bool:
        """Whether nothing is lacking but more people who release it."""
        if not self.lacks_people_only or self.tree.verdict is not Verdict.NO:
            return False
        return all(
            node.verdict is Verdict.YES
            or (node.verdict is Verdict.NO and node.rule != REJECTIONS)
            for node in self.tree.children[-1].children
        )

    @property
    def lacking(self) -> tuple[str, ...]:
        """Who must still release it, by role: `1 x validator`."""
        if self.policy is None or self.context is None:
            return ()
        return tuple(
            f"{quorum.count - counted} x {quorum.role}"
            for quorum in self.policy.quorums
            if (counted := len(count_votes(quorum, self.votes, self.context)[0]))
            < quorum.count
        )

    @property
    def awaited(self) -> tuple[str, ...]:
        """Who must still act while it is held: by role, or whoever starts it."""
        if self.tree.verdict is Verdict.YES:
            return ("an operator who starts it",)
        return self.lacking if self.lacks_people_only else ()

    @property
    def objections(self) -> tuple[str, ...]:
        """What keeps it from going besides people who have not released it yet."""
        return tuple(
            _against(leaf)
            for leaf in self.tree.leaves()
            if leaf.verdict is not Verdict.YES
            and not leaf.why.endswith(RELEASE_COMMAND)
        )

    @property
    def held_words(self) -> str:
        """What it waits for while it is held, as a line."""
        awaited = [f"waits for {', '.join(self.awaited)}"] if self.awaited else []
        return "; ".join([*awaited, *self.objections])


def _against(leaf: Node) -> str:
    """What keeps a launch from going, in words."""
    if leaf.rule == REJECTIONS:
        return leaf.observed
    return f"{leaf.rule}: {leaf.verdict.value}, {leaf.observed}"


@dataclass(frozen=True, slots=True)
class LogMoment:
    """A place in the log, and a time, at which something is judged."""

    state: TrustState
    """By the log below the position."""
    known: TrustState
    """Says which keys were stolen."""
    position: int
    now: datetime


def judge_launch(
    store: OpenStore,
    plan: LaunchPlan,
    environment: str,
    requester: str,
    record: LaunchRecord | None,
    at: LogMoment | None = None,
    told: CommitTold | None = None,
) -> JudgedLaunch:
    """Whether a launch may go: now, by the log as it is, or as it was at some moment.

    `record` is what had been said of it by then; `told` what was known of its commit.
    """
    if at is None:
        at = LogMoment(store.state(), store.state(), store.index.size, store.clock())
    state, now = at.state, at.now
    told = commit_told(store, plan) if told is None else told
    stage = SCHEDULE_STAGE if is_schedule(plan) else LAUNCH_STAGE
    name = f"{pipeline_subject(plan.pipeline)}: {stage} in {environment}"
    in_force = [_root_in_force(state, now), *_own_key(record, at.known)]
    try:
        transition = Transition("", stage, environment)
        policy = _policy(store, plan.pipeline, transition, requester, at)
    except MalformedPolicy as problem:
        is_open = isinstance(problem, UnknownSelection)
        verdict = Verdict.UNKNOWN if is_open else Verdict.NO
        which = Node("a policy in force", verdict, str(problem), "one", problem.hint)
        return JudgedLaunch(all_of(name, [*in_force, which]), None, now, told)
    if policy is None:
        none = _without_policy(plan.backend, transition)
        return JudgedLaunch(all_of(name, [*in_force, none]), None, now, told)
    evidence = launch_evidence(plan, told)
    authors, unknown_authors = people_of_identities(plan.code.authors, state)
    context = Context(
        requester=requester,
        trainers=frozenset({requester}),
        authors=authors,
        unknown_trainers=(),
        unknown_authors=unknown_authors,
        now=now,
    )
    votes = [
        _vote(store, entry, release, policy, at)
        for entry, release in (record.standing_releases if record else ())
    ]
    judged = evaluate(policy, evidence, votes, context)
    tree = all_of(
        name,
        [*in_force, *(_of_a_launch(node, plan) for node in judged.children)],
        wanted=f"policy {policy.id} version {policy.version}",
    )
    return JudgedLaunch(tree, policy, now, told, tuple(votes), context)


def _of_a_launch(node: Node, plan: LaunchPlan) -> Node:
    """A verdict whose next steps are those of a launch."""
    why = node.why.replace("countersign approve", RELEASE_COMMAND)
    observed = node.observed
    unlocked = [built.unlocked for built in plan.virtualenv if built.unlocked]
    if unlocked and node.verdict is Verdict.UNKNOWN and _NO_LOCK.match(observed):
        observed = f"the environment is not locked: {unlocked[0]}"
        if not why or why.startswith(_TAGS):
            why = "Give each package one version and hashes, build_dependencies too."
    return replace(
        node,
        observed=observed,
        why=why,
        children=tuple(_of_a_launch(child, plan) for child in node.children),
    )


def _policy(
    store: OpenStore,
    pipeline: str,
    transition: Transition,
    requester: str,
    at: LogMoment,
) -> Policy | None:
    """The policy that decides; None: none in force is for this launch.

    Raises:
        MalformedPolicy: it is not known which, or no one of several is the narrowest.
    """
    wanted = Wanted(pipeline_key(pipeline), "", transition, requester)
    policies = store.policies(at.state)
    asked = asked_at(store, wanted, at.position, at.known, policies)
    if all(covers(policy.applies, asked) is Verdict.NO for policy in policies):
        return None
    return policy_for(store, wanted, at.state, position=at.position, known=at.known)


def _without_policy(backend: str, transition: Transition) -> Node:
    environment, stage = transition.environment, transition.to_stage
    is_own = backend == OWN_BACKEND and environment == DEFAULT_ENVIRONMENT
    return Node(
        "a policy for this launch, or a process of one's own",
        Verdict.YES if is_own else Verdict.NO,
        f"no policy in force is for it; it runs on {backend}, in {environment}",
        f"a policy; without one only {OWN_BACKEND}, in {DEFAULT_ENVIRONMENT}",
        'Put a policy in force for models = ["pipeline/*"], to = '
        f'["{stage}"]: countersign policy activate FILE',
    )


def _root_in_force(state: TrustState, now: datetime) -> Node:
    root = state.root
    is_valid = root is not None and now < parse_time(root.expires)
    return Node(
        "the trust root has not expired",
        Verdict.YES if is_valid else Verdict.NO,
        f"expires {root.expires[:10]}" if root else "none",
        "a trust root in force",
        "Sign the next trust root.",
    )


def _own_key(record: LaunchRecord | None, state: TrustState) -> list[Node]:
    """Whether thieves can have declared the launch that is judged."""
    suspect = [
        f"entry {entry.index}"
        for entry, _ in (record.intents if record else ())
        if state.is_suspect(entry.key, entry.index)
    ]
    if not suspect:
        return []
    return [
        Node(
            "nobody else can have declared the launch",
            Verdict.NO,
            f"signed with a stolen key: {', '.join(suspect)}",
            "no key that was stolen by then",
            "Cancel it, and launch it anew.",
        )
    ]


def _vote(
    store: OpenStore,
    entry: Entry,
    release: LaunchRelease,
    policy: Policy,
    at: LogMoment,
) -> Vote:
    stale = ""
    if release.policy != policy.digest:
        stale = f"the policy is now {policy.id} version {policy.version}"
    if at.known.is_suspect(entry.key, entry.index):
        stale = "signed with a key that was stolen by then"
    by = entry.statement.by
    person = at.state.people.get(by)
    subject = pipeline_subject(release.pipeline)
    days = [q.expires_after_days for q in policy.quorums if q.role == release.role]
    return Vote(
        person=by,
        name=by if person is None else printed_name(store, person.profile, person.id),
        role=release.role,
        holds_role=person is not None
        and person.holds(release.role, subject, release.environment),
        decision=release.decision,
        index=entry.index,
        expires=parse_time(entry.statement.at) + timedelta(days=min(days))
        if days
        else None,
        stale=stale,
    )
