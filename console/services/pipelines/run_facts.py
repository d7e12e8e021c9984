"""What an ended pipeline run was, as facts: code, parameters, files, runs within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from connectors.openlineage_names import UNVERSIONED
from connectors.pipelines.protocols import (
    LaunchPlan,
    PipelineRun,
    PlannedFile,
    RunState,
)
from connectors.pipelines.told import ToldArtifact
from connectors.protocols import KnownState, Tally
from console.services.pipelines.launch_evidence import dataset_name
from store.facts import Fact, FactKind, Relation, Strength
from store.identifiers import (
    EntityKey,
    commit_key,
    dataset_key,
    dataset_version_key,
    job_key,
    run_key,
)

SOURCE = "pipelines"
"""Source of what launches tell."""
LAUNCH_TAG = "countersign.launch"
"""Tag of a run that says within which launch it ran."""
PLAN_TAG = "countersign.launch.plan"
"""Tag of a run of a launch: the digest of its plan."""
TOLD = "countersign.told"
"""Under this are tags whose values are a stranger's word."""
SCHEDULE_TAG = "countersign.launch.schedule"
"""Tag of a run that says which schedule started it."""
ENVIRONMENT = "countersign.virtualenv"
"""Under this are tags of the virtual environment that was built for a run."""
PACKAGE = "countersign.package"
"""Under this is a tag for each package that was in it."""
STATUS = {
    RunState.SUCCEEDED: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.CANCELLED: "KILLED",
}
"""What the lineage store calls how a run ended."""


def pipeline_run_key(launch: str) -> EntityKey:
    """The key of the run of a launch."""
    return run_key(SOURCE, launch)


@dataclass
class EndedRun:
    """One ended pipeline run as a source of facts."""

    run: PipelineRun
    plan: LaunchPlan
    environment: str
    requester: str
    cause: str
    contains: tuple[str, ...]
    """Keys of runs that ran within it."""
    name: str = SOURCE
    tally: Tally = field(default_factory=Tally)

    def facts(self, known: KnownState) -> Iterator[Fact]:
        """See FactSource.facts."""
        self.tally.accepted += 1
        key, plan = pipeline_run_key(self.run.launch), self.plan
        job = job_key(SOURCE, self.environment, plan.pipeline)
        yield Fact(
            kind=FactKind.JOB, subject=job, name=plan.pipeline, text=self.environment
        )
        yield Fact(
            kind=FactKind.RUN,
            subject=key,
            object=job,
            name=plan.pipeline,
            status=STATUS[self.run.state],
            started=self.run.started,
            ended=self.run.ended,
            actor=self.requester,
        )
        for name, value in plan.parameters:
            yield Fact(kind=FactKind.PARAM, subject=key, name=name, text=value)
        for name, value in self._tags():
            yield Fact(kind=FactKind.TAG, subject=key, name=name, text=value)
        if plan.code.commit:
            yield _edge(key, Relation.USED, commit_key(plan.code.commit))
        for given in plan.inputs:
            name = dataset_name(given)
            yield from _data(key, Relation.READ, name, given, context=given.name)
        for made in self.run.outputs:
            yield from _data(key, Relation.WROTE, f"{plan.pipeline}/{made.path}", made)
        for touched in self.run.artifacts:
            if touched.address:
                yield from _unversioned(key, touched)
        for inner in self.contains:
            yield _edge(key, Relation.CONTAINS, inner, Strength.DECLARED)

    def _tags(self) -> Iterable[tuple[str, str]]:
        plan, code = self.plan, self.plan.code
        told = {
            LAUNCH_TAG: self.run.launch,
            PLAN_TAG: plan.digest,
            "countersign.launch.backend": plan.backend,
            "countersign.launch.cause": self.cause,
            SCHEDULE_TAG: self.run.schedule,
            "countersign.launch.steps": ", ".join(
                f"{step.name} {step.state.value}" for step in self.run.steps
            ),
            "countersign.launch.reason": self.run.reason,
            "countersign.git.commit": code.commit,
            "countersign.git.dirty": str(code.is_dirty).lower() if code.commit else "",
            "countersign.tree.sha256": code.tree,
            "countersign.lock.sha256": plan.lock_digest,
            "countersign.launch.place": plan.place if plan.images else "",
            "countersign.launch.images": ", ".join(plan.images),
            "countersign.launch.resolved": ", ".join(
                f"{one.kind} {one.name} sha256:{one.sha256}" for one in plan.resolved
            ),
        }
        told |= dict(self._environment())
        told |= dict(self._told())
        return ((name, value) for name, value in told.items() if value)

    def _environment(self) -> Iterator[tuple[str, str]]:
        """The environment that was built for it, and what was in it."""
        for planned in self.plan.virtualenv:
            yield f"{ENVIRONMENT}.key", planned.key
            yield f"{ENVIRONMENT}.python", planned.python
            yield f"{ENVIRONMENT}.unlocked", planned.unlocked
        for package in self.run.packages:
            digest = f" sha256:{package.sha256}" if package.sha256 else ""
            yield f"{PACKAGE}.{package.name}", f"{package.version}{digest}"

    def _told(self) -> Iterator[tuple[str, str]]:
        """What the place tells besides, under names that are no others'."""
        for name, text in self.run.told:
            yield f"{TOLD}.{name}", text
        for tracked in self.run.tracked:
            yield f"{TOLD}.tracked.{tracked.plugin}", tracked.url or tracked.run_id
        for touched in self.run.artifacts:
            way = "wrote" if touched.is_output else "read"
            name = f"{TOLD}.{way}.{touched.step}.{touched.name}"
            yield name, touched.address or f"artifact {touched.artifact_id}"


def _data(
    run: str, relation: Relation, name: str, file: PlannedFile, context: str = ""
) -> Iterator[Fact]:
    digest = f"sha256:{file.sha256}"
    version = dataset_version_key(name, digest)
    yield Fact(kind=FactKind.DATASET, subject=dataset_key(name), name=name)
    yield Fact(
        kind=FactKind.DATASET_VERSION,
        subject=version,
        object=dataset_key(name),
        name=name,
        digest=digest,
        location=file.path,
        strength=Strength.REREAD.value,
    )
    yield _edge(run, relation, version, context=context)


def _unversioned(run: str, touched: ToldArtifact) -> Iterator[Fact]:
    """What a step is told to have touched, of which nothing says what was in it."""
    name = touched.address
    version = dataset_version_key(name, UNVERSIONED)
    yield Fact(kind=FactKind.DATASET, subject=dataset_key(name), name=name)
    yield Fact(
        kind=FactKind.DATASET_VERSION,
        subject=version,
        object=dataset_key(name),
        name=name,
        digest=UNVERSIONED,
        location=name,
    )
    relation = Relation.WROTE if touched.is_output else Relation.READ
    yield _edge(run, relation, version, Strength.DECLARED, touched.name)


def _edge(
    subject: str,
    relation: Relation,
    target: str,
    strength: Strength = Strength.OBSERVED,
    context: str = "",
) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=subject,
        name=relation.value,
        object=target,
        strength=strength.value,
        text=context or None,
    )
