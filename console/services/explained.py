"""What `policy explain` tells of a version: every point, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.opened import OpenStore
from policies.document import Policy
from policies.evidence import Evidence, Gap
from policies.predicates import Transition
from policies.trust_state import TrustState
from policies.workflow import RequestRecord
from store.queries.models import ModelVersion


class Standing(StrEnum):
    """How one point stands."""

    MET = "met"
    NOT_MET = "not met"
    UNKNOWN = "unknown"
    LATER = "judged later"
    """Only once somebody has asked."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that must be true."""

    name: str
    standing: Standing
    asks: str
    found: str
    why: str
    next_step: str
    could_sign: tuple[str, ...] = ()
    """Printed names of who may give an approval that is still wanted."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A version, where it is to go, and everything between."""

    version: str
    transition: str
    policy: str
    request: str
    """The open request, or empty."""
    is_held: bool
    """Whether it is in the stage already."""
    policy_changes: tuple[str, ...]
    """What changed in the policy since it was asked for; approvals are stale then."""
    points: tuple[Point, ...]
    gaps: tuple[Gap, ...]
    next_step: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as every step needs it."""

    store: OpenStore
    state: TrustState
    version: ModelVersion
    transition: Transition
    request: RequestRecord | None
    is_held: bool
    evidence: Evidence
    policy: Policy

    @property
    def target(self) -> str:
        """`REF --to STAGE`, as it is typed."""
        where = self.transition.environment
        tail = "" if where == DEFAULT_ENVIRONMENT else f" --env {where}"
        return f"{self.version.reference} --to {self.transition.to_stage}{tail}"

    @property
    def asked(self) -> str:
        """The open request as it is typed, or empty."""
        return f"request:{self.request.id[:12]}" if self.request else ""
