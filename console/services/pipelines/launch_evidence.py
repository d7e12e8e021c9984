"""A launch plan as evidence, so that policies judge it in the language they have.

What a launch does not have (metrics, a model's files, a version in the stage) is left
empty, and rules that ask for it come out unknown, which refuses.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.data_formats import stem_of
from connectors.pipelines.protocols import LaunchPlan, PlannedFile
from console.services.opened import OpenStore
from policies.errors import MalformedStatement
from policies.evidence import (
    ArtifactItem,
    CommitUse,
    DatasetUse,
    Evidence,
    IncumbentItem,
    LineageItem,
    MetricsItem,
    ModelItem,
)
from policies.evidence_origins import Account, CommitBranches, Known, OriginsItem
from policies.launch_permissions import pipeline_subject
from policies.strict_json import Fields, encode, parse
from store.identifiers import entity_key

_SCHEMA = "countersign/launch-evidence/v1"
_LARGEST_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class CommitTold:
    """What the imported repositories said of a plan's commit, kept for the log."""

    is_known: bool = False
    branches: tuple[str, ...] = ()
    """Those that it is on."""
    recorded: tuple[str, ...] = ()
    """Every branch of the repositories that have it."""

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return encode(
            {
                "schema": _SCHEMA,
                "commit_known": self.is_known,
                "branches": list(self.branches),
                "recorded": list(self.recorded),
            }
        )


def read_commit_told(data: bytes) -> CommitTold:
    """Read what was kept.

    Raises:
        PolicyError: it is nothing that was kept so.
    """
    what = "what a launch rests on"
    fields = Fields(parse(data, what=what, at_most=_LARGEST_BYTES), what=what)
    if fields.text("schema", 64) != _SCHEMA:
        raise MalformedStatement(f"{what}: another schema")
    told = CommitTold(
        fields.flag("commit_known"), fields.texts("branches"), fields.texts("recorded")
    )
    fields.end()
    return told


def launch_evidence(plan: LaunchPlan, told: CommitTold) -> Evidence:
    """What is known of a launch before it runs."""
    is_known, on, recorded = told.is_known, told.branches, told.recorded
    code = plan.code
    commits = (CommitUse(code.commit, is_known, code.authors),) if code.commit else ()
    return Evidence(
        model=ModelItem(
            version_key=pipeline_key(plan.pipeline),
            source=plan.backend,
            model=pipeline_subject(plan.pipeline),
            version="",
            location=plan.project,
            manifest=plan.digest,
            files=(),
            has_signature=None,
        ),
        lineage=LineageItem(
            run_key="",
            run_status="",
            datasets=tuple(_use(given) for given in plan.inputs),
            commits=commits,
            is_dirty=code.is_dirty,
            evaluation_dataset="",
            lock_digest=plan.lock_digest,
            features_digest="",
            trainers=(),
            gaps=(),
        ),
        measured=MetricsItem((), plan.parameters),
        incumbent=IncumbentItem("", "", "", MetricsItem((), ()), (), (), "", ()),
        artifact=ArtifactItem(is_readable=False, found="", changes=()),
        origins=OriginsItem(
            image_digest=_one_image(plan),
            accounts=tuple(_accounts(plan, is_known)),
            branches=(CommitBranches(code.commit, on, recorded),) if commits else (),
        ),
    )


def pipeline_key(pipeline: str) -> str:
    """The key under which policies meet a pipeline where they expect a model."""
    return entity_key("model", "pipelines", pipeline_subject(pipeline))


def dataset_name(given: PlannedFile) -> str:
    """What a file is called as a dataset: as an import of it would call it."""
    return stem_of(given.path.rpartition("/")[2])


def _use(given: PlannedFile) -> DatasetUse:
    return DatasetUse(
        dataset_name(given), f"sha256:{given.sha256}", given.name, Known.OBSERVED.value
    )


def _one_image(plan: LaunchPlan) -> str:
    """The image that every step runs in, if it is one and named by digest."""
    found = {image.rpartition("@")[2] for image in plan.images}
    digest = found.pop() if len(found) == 1 else ""
    return digest if digest.startswith("sha256:") else ""


def _accounts(plan: LaunchPlan, is_known: bool) -> list[Account]:
    """How each thing is known: the launcher reads what it is about to run itself."""
    found = [
        Account("dataset_version", f"{use.name}@{use.digest}", Known.OBSERVED)
        for use in map(_use, plan.inputs)
    ]
    if plan.code.commit:
        known = Known.REREAD if is_known else Known.OBSERVED
        found.append(Account("commit_known", plan.code.commit, known))
    if plan.lock_digest:
        found.append(Account("lock", plan.lock_digest, Known.OBSERVED))
    return found


def commit_told(store: OpenStore, plan: LaunchPlan) -> CommitTold:
    """Whether an imported repository has the commit, on which branches, and of which.

    The clone that a launch is made from may hold a branch of any name, so it is not
    asked.
    """
    from store.queries.sql import fetch
    from store.queries.upstream import branches_with

    if not plan.code.commit:
        return CommitTold()
    store.projection.catch_up()
    with store.projection.reading() as connection:
        found = fetch(
            connection, "SELECT 1 FROM commit WHERE digest = ?", plan.code.commit
        )
        on, recorded = branches_with(connection, plan.code.commit)
    return CommitTold(bool(found), tuple(sorted(on)), tuple(sorted(recorded)))
