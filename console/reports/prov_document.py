"""Lineage and decisions as W3C PROV-JSON (W3C Member Submission, 24 April 2013).

Only what a fact or a signed statement says becomes a relation. That something was
derived from something else is said by nobody here, so `wasDerivedFrom` never appears.
People go by their opaque ids; names of the outside are marked as claimed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from console.reports.lineage_scope import Scope, reached_by_model
from console.services.judging import model_record
from console.services.opened import OpenStore, parse_time
from policies.predicates import NAMESPACE
from policies.workflow import Entry, Holder, ModelRecord, RequestRecord
from store.facts import FactKind, Relation, Strength
from store.identifiers import split_key
from store.queries.presence import accounts_of_runs
from store.queries.sql import Row, fetch, latest

if TYPE_CHECKING:
    import duckdb

PREFIX = "countersign"
_NAMES = NAMESPACE.removesuffix("attestation/") + "prov/"
_USERS = (
    "SELECT DISTINCT subject, actor FROM run WHERE actor <> '' ORDER BY subject, actor"
)
_EDGES = (
    "SELECT DISTINCT subject, name, object, strength, coalesce(text, '') AS text "
    "FROM edge ORDER BY ALL"
)
_GENERATED = (Relation.WROTE.value, Relation.PRODUCED.value)
_USED = (Relation.READ.value, Relation.USED.value)


@dataclass(slots=True)
class ProvDocument:
    """Records by their kind, each under its qualified name."""

    records: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    @property
    def entities(self) -> int:
        """How many entities there are."""
        return len(self.records["entity"])

    @property
    def activities(self) -> int:
        """How many activities there are."""
        return len(self.records["activity"])

    def name(self, kind: str, key: str, **said: object) -> str:
        """The qualified name of a thing, which is in the document from then on."""
        name = f"{PREFIX}:{quote(key, safe='', errors='surrogatepass')}"
        known = self.records[kind].setdefault(name, {})
        known |= {
            what: value for what, value in said.items() if value not in ("", None)
        }
        return name

    def relate(self, relation: str, **said: object) -> None:
        """Say how two things in the document relate."""
        records = self.records[relation]
        records[f"_:{relation}{len(records) + 1}"] = _told(said)

    def to_bytes(self) -> bytes:
        """The document, the same for the same lineage and log."""
        plain: dict[str, Any] = {"prefix": {PREFIX: _NAMES}}
        for kind, records in self.records.items():
            if records:
                plain[kind] = {n: _with_prefixes(r) for n, r in records.items()}
        text = json.dumps(plain, sort_keys=True, ensure_ascii=True, indent=1)
        return text.encode() + b"\n"


def prov_document(store: OpenStore, scope: Scope) -> ProvDocument:
    """Runs with what they used and made, and who promoted and approved what.

    Runs count by when they started, decisions by when their signers say that they
    signed.

    Raises:
        Misuse: no model has that name.
    """
    found = ProvDocument()
    store.projection.catch_up()
    with store.projection.reading() as connection:
        wanted = reached_by_model(connection, scope.model) if scope.model else None
        _tell_runs(found, connection, scope, wanted)
    state = store.state()
    for topic in store.index.topics_starting("decision:"):
        key = topic.removeprefix("decision:")
        source, name = split_key(key)[1]
        if not scope.model or scope.model in (name, f"{source}/{name}"):
            _tell_decisions(found, model_record(store, key, state), scope)
    return found


def _tell_runs(
    found: ProvDocument,
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    wanted: set[str] | None,
) -> None:
    runs: dict[str, str] = {}
    users = defaultdict(list)
    for row in fetch(connection, _USERS):
        users[row["subject"]].append(row["actor"])
    runs_told = f"FROM {accounts_of_runs()} ORDER BY subject"
    for row in fetch(connection, runs_told):
        moment = row["started"] or row["ended"]
        if wanted is not None and row["subject"] not in wanted:
            continue
        if moment and not scope.holds(moment):
            continue
        runs[row["subject"]] = found.name(
            "activity",
            row["subject"],
            prov_startTime=_time(row["started"]),
            prov_endTime=_time(row["ended"]),
            prov_label=row["name"],
            prov_type="run",
        )
        for user in users[row["subject"]]:
            by = f"claimed:{split_key(row['subject'])[1][0]}:{user}"
            found.relate(
                "wasAssociatedWith",
                prov_activity=runs[row["subject"]],
                prov_agent=found.name("agent", by, prov_label=user, claimed=True),
            )
    details = {
        row["subject"]: row
        for kind in (FactKind.DATASET_VERSION, FactKind.MODEL_VERSION, FactKind.COMMIT)
        for row in fetch(connection, f"{latest(kind)[1:-1]} ORDER BY subject")
    }
    for edge in fetch(connection, _EDGES):
        if edge["subject"] not in runs or edge["strength"] == Strength.INFERRED.value:
            continue
        _tell_edge(found, edge, runs, details.get(edge["object"]))


def _tell_edge(
    found: ProvDocument, edge: Row, runs: dict[str, str], about: Row | None
) -> None:
    activity = runs[edge["subject"]]
    strength = {"strength": edge["strength"]}
    if edge["name"] in _USED:
        entity = _entity(found, edge["object"], about)
        found.relate(
            "used",
            prov_activity=activity,
            prov_entity=entity,
            prov_role=edge["text"],
            **strength,
        )
    elif edge["name"] in _GENERATED:
        entity = _entity(found, edge["object"], about)
        found.relate(
            "wasGeneratedBy", prov_entity=entity, prov_activity=activity, **strength
        )
    elif edge["name"] == Relation.CONTAINS.value and edge["object"] in runs:
        found.relate(
            "wasInformedBy",
            prov_informed=runs[edge["object"]],
            prov_informant=activity,
            **strength,
        )


def _entity(found: ProvDocument, key: str, about: Row | None) -> str:
    kind, parts = split_key(key)
    return found.name(
        "entity",
        key,
        prov_type=kind,
        prov_label="@".join(parts[-2:]),
        digest=(about or {}).get("digest") or "",
    )


def _tell_decisions(found: ProvDocument, record: ModelRecord, scope: Scope) -> None:
    for request in record.requests.values():
        for entry, approval in request.answers:
            if scope.holds(parse_time(entry.statement.at)):
                activity = _decision(found, entry, request, approval.decision.value)
                _decided_by(found, activity, entry, approval.policy)
    for holder in _all_holders(record):
        if scope.holds(parse_time(holder.outcome.statement.at)):
            _tell_promotion(found, holder)


def _all_holders(record: ModelRecord) -> Iterator[Holder]:
    """Every promotion once, also of a version that was put back."""
    seen: set[str] = set()
    for held in record.holders.values():
        for holder in held:
            if holder.intent.id not in seen:
                seen.add(holder.intent.id)
                yield holder


def _decision(
    found: ProvDocument, entry: Entry, request: RequestRecord, decision: str
) -> str:
    activity = found.name(
        "activity",
        f"statement:{entry.id}",
        prov_type=decision,
        prov_endTime=entry.statement.at,
        entry=entry.index,
        transition=str(request.request.transition),
    )
    version = request.request.version
    entity = _entity(found, version, {"digest": request.request.manifest})
    found.relate("used", prov_activity=activity, prov_entity=entity)
    return activity


def _tell_promotion(found: ProvDocument, holder: Holder) -> None:
    intent = holder.promoted_by
    activity = found.name(
        "activity",
        f"statement:{holder.intent.id}",
        prov_type="promotion",
        prov_startTime=holder.intent.statement.at,
        prov_endTime=holder.outcome.statement.at,
        entry=holder.intent.index,
        transition=str(intent.transition),
    )
    entity = _entity(found, holder.version, {"digest": holder.manifest})
    found.relate("used", prov_activity=activity, prov_entity=entity)
    _decided_by(found, activity, holder.intent, intent.policy)


def _decided_by(found: ProvDocument, activity: str, entry: Entry, policy: str) -> None:
    agent = found.name(
        "agent", f"person:{entry.statement.by}", prov_type=_type("Person")
    )
    plan = found.name(
        "entity", f"policy:{policy}", prov_type=_type("Plan"), digest=policy
    )
    found.relate(
        "wasAssociatedWith", prov_activity=activity, prov_agent=agent, prov_plan=plan
    )


def _type(name: str) -> dict[str, str]:
    """A type of PROV's own; as plain text it would be a word like any other."""
    return {"$": f"prov:{name}", "type": "prov:QUALIFIED_NAME"}


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat()


def _told(said: Mapping[str, object]) -> dict[str, object]:
    """What is known of it; empty words say nothing."""
    return {name: value for name, value in said.items() if value not in ("", None)}


def _with_prefixes(said: dict[str, Any]) -> dict[str, Any]:
    """`prov_role` becomes `prov:role`; everything else is ours."""
    return {
        f"prov:{name.removeprefix('prov_')}"
        if name.startswith("prov_")
        else f"{PREFIX}:{name}": value
        for name, value in said.items()
    }
