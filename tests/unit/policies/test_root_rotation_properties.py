"""Who may put the next trust root in force: the ledger against a model of the rule.

Random people endorse random roots in random order, some of them for others and some
twice. The model below knows roots as plain sets of names and shares no code with the
ledger: a root is in force from the endorsement by which as many people as each of both
roots wants, who hold the role in that root, have endorsed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.predicates import DocumentKind, Endorsement, Grant
from policies.trust_root import Person, Service, ServiceKind, TrustRoot
from store.judgement import Standing
from store.objects import sha256_hex
from tests.unit.policies.memory_log import AT, ORIGIN, Holder, MemoryLog

NAMES = ("ana", "ben", "cem", "dora", "eve")


@cache
def people() -> dict[str, Holder]:
    """Everybody, each with one key."""
    return {name: Holder(name, number) for number, name in enumerate(NAMES, 1)}


@cache
def log_service() -> Holder:
    """The service that signs heads."""
    return Holder("log", 99)


@dataclass(frozen=True)
class Root:
    """A trust root as the model knows it."""

    version: int
    threshold: int
    holders: frozenset[str]
    others: frozenset[str]
    """People in it who may not endorse roots."""

    def to_bytes(self) -> bytes:
        """The document."""
        return TrustRoot(
            origin=ORIGIN,
            version=self.version,
            expires=AT,
            is_demo=False,
            root_threshold=self.threshold,
            policy_threshold=1,
            people=tuple(
                Person(name, "0" * 64, (people()[name].key,), (), self._grants(name))
                for name in sorted(self.holders | self.others)
            ),
            services=(Service("log", ServiceKind.LOG, (log_service().key,)),),
        ).to_bytes()

    def _grants(self, name: str) -> tuple[Grant, ...]:
        policy = Grant("policy")
        return (Grant("root"), policy) if name in self.holders else (policy,)


@dataclass
class Model:
    """The rule, in sets."""

    current: Root | None = None
    standing: dict[Root, set[str]] = field(default_factory=dict)

    def endorse(self, name: str, root: Root) -> bool:
        """Whether an endorsement counts; take its effect."""
        now = self.current
        known = root.holders if now is None else now.holders | now.others
        may = root.holders if now is None else now.holders | root.holders
        expected = 1 if now is None else now.version + 1
        if name not in known or name not in may or root.version != expected:
            return False
        signed = self.standing.setdefault(root, set())
        signed.add(name)
        enough = len(signed & root.holders) >= root.threshold
        if now is not None:
            enough = enough and len(signed & now.holders) >= now.threshold
        if enough:
            self.current, self.standing = root, {}
        return True


@st.composite
def roots(draw: st.DrawFn) -> Root:
    """A root that could work: enough people hold the role in it."""
    roles = draw(st.tuples(*[st.sampled_from(["root", "other", "none"])] * 5))
    given_to = dict(zip(NAMES, roles, strict=True))
    holders = frozenset(n for n, role in given_to.items() if role == "root")
    holders = holders or frozenset({draw(st.sampled_from(NAMES))})
    return Root(
        version=draw(st.integers(1, 3)),
        threshold=min(draw(st.integers(1, 3)), len(holders)),
        holders=holders,
        others=frozenset(n for n, r in given_to.items() if r == "other") - holders,
    )


Step = tuple[str, str, Root]
"""Who signs, in whose name, which root."""


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Campaigns for roots, one version after the other, with noise in between."""
    made = draw(st.lists(roots(), min_size=2, max_size=5))
    versions = draw(st.sampled_from([(1, 2, 3), (1, 1, 2), (1, 2, 2), (2, 1, 2)]))
    campaigns = [
        Root(version, root.threshold, root.holders, root.others)
        for version, root in zip(versions, made, strict=False)
    ]
    noise = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))
    history: list[Step] = []
    for root in campaigns:
        order = draw(st.permutations(NAMES))
        for name in order[: draw(st.integers(1, 5))]:
            history.append((name, name, root))
        for signer, name in draw(st.lists(noise, max_size=3)):
            history.append((signer, name, draw(st.sampled_from([*campaigns, *made]))))
    return history


def endorsement(log: MemoryLog, root: Root) -> Endorsement:
    digest = log.put(root.to_bytes())
    return Endorsement(DocumentKind.TRUST_ROOT, "", root.version, digest)


@settings(max_examples=150)
@given(histories())
def test_a_root_is_in_force_only_when_the_thresholds_of_both_roots_are_met(
    history: list[Step],
) -> None:
    log, model = MemoryLog(), Model()
    for signer, name, root in history:
        said = log.say(people()[signer], endorsement(log, root), by=name)
        counts = signer == name and model.endorse(name, root)
        assert (said.standing is Standing.ACCEPTED) == counts, said.reason
        in_force = "" if model.current is None else sha256_hex(model.current.to_bytes())
        assert log.ledger.state.root_digest == in_force


@settings(max_examples=40)
@given(histories())
def test_whoever_reads_the_log_later_finds_the_same_root_in_force(
    history: list[Step],
) -> None:
    log = MemoryLog()
    for signer, name, root in history:
        log.say(people()[signer], endorsement(log, root), by=name)
    again = MemoryLog(objects=log.objects)
    assert [again.append(data) for data in log.entries] == log.judgements
    assert again.ledger.state == log.ledger.state
    restored = MemoryLog(objects=log.objects)
    accepted = [
        (index, data)
        for index, data in enumerate(log.entries)
        if log.judgements[index].standing is Standing.ACCEPTED
    ]
    restored.ledger.restore(accepted, log)
    assert restored.ledger.state == log.ledger.state


def test_the_model_and_the_ledger_meet_every_case_that_matters() -> None:
    """Counts what the random histories reach, so that they cannot become idle."""
    reached: set[str] = set()

    @settings(max_examples=150)
    @given(histories())
    def look(history: list[Step]) -> None:
        model = Model()
        for signer, name, root in history:
            before = model.current
            counts = signer == name and model.endorse(name, root)
            reached.add("accepted" if counts else "refused")
            if model.current is not before:
                made = model.current
                assert made is not None
                reached.add("first root" if before is None else "rotation")
                if before is not None and before.threshold > 1:
                    reached.add("rotation by several")
                if before is not None and made.holders - before.holders:
                    reached.add("rotation that adds a holder")

    look()
    assert reached == {
        "accepted",
        "refused",
        "first root",
        "rotation",
        "rotation by several",
        "rotation that adds a holder",
    }
