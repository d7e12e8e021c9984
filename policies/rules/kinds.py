"""Every kind of rule there is, each imported when a policy names it.

Declaring a module's classes and judges costs a millisecond of every start, and a policy
uses a few of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.rules.forms import RuleKind

COSIGNED_HEAD = "cosigned_head"
_DECLARED = {
    "numbers": ("metric", "comparison"),
    "slices": ("slice_gap", "slice_ratio", "slice_comparison"),
    "timing": ("freeze", "time_in_stage"),
    "records": ("model_record", "findings"),
    "observed": ("observation", "canary"),
    "witnessed": (COSIGNED_HEAD,),
    "origins": ("provenance", "artifact_unchanged", "run_finished"),
    "independence": ("independence",),
    "data_quality": ("data_check",),
    "files": ("files",),
    "freshness": ("runtime_locked", "evidence_age", "evidence_by"),
    "model_signed": ("model_signed",),
    "signed_commit": ("signed_commit",),
}
"""Module of this package -> the kinds it declares."""
_PLACES = {name: module for module, names in _DECLARED.items() for name in names}


class _Kinds(Mapping[str, "RuleKind"]):
    """Kinds by the name that a policy writes."""

    def __getitem__(self, name: str) -> RuleKind:
        return _kind(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


@cache
def _kind(name: str) -> RuleKind:
    module = import_module(f"policies.rules.{_PLACES[name]}")
    declared: tuple[RuleKind, ...] = module.KINDS
    return next(kind for kind in declared if kind.name == name)


RULE_KINDS: Mapping[str, RuleKind] = _Kinds()
"""By the name that a policy writes."""
