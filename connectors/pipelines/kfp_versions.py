"""The package of a plan on a server: uploaded once, compared with what lies there."""

from __future__ import annotations

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.client import Json
from connectors.kubeflow.fingerprints import fingerprint
from connectors.kubeflow.objects import KfpRun, Version
from connectors.kubeflow.packages import read_package
from connectors.kubeflow.problems import NameTaken, ObjectMissing
from connectors.parsing import text_of
from connectors.pipelines.kfp_planning import package_of, sent_by
from connectors.pipelines.protocols import LaunchPlan


def uploaded(api: KfpApi, plan: LaunchPlan) -> dict[str, str]:
    """The reference to a plan's version, which is uploaded if it is not there.

    Raises:
        ConnectorRefused: something else lies there under its name.
        ConnectorError: it could not be uploaded, or not told whether it was.
    """
    sent, package = sent_by(plan), package_of(plan)
    pipeline_id = _pipeline(api, text_of(sent["pipeline"]))
    version = _version(api, pipeline_id, sent["version"], package)
    if not _is_of(version, plan):
        raise ConnectorRefused(
            f"the pipeline version {version.name[:120]} is not what the plan holds",
            hint="Somebody else uploaded something under that name: delete it there. "
            "Or the server reads the package otherwise: compile it again, and put "
            "quotes around every text in it.",
        )
    return {"pipeline_id": pipeline_id, "pipeline_version_id": version.version_id}


def started_with(run: KfpRun, plan: LaunchPlan) -> str:
    """In what a run differs from its plan; empty: in nothing that it shows."""
    wanted = sent_by(plan)["run"]["runtime_config"]["parameters"]
    if dict(run.parameters) != wanted:
        return "it was started with parameters that its plan does not name"
    return ""


def strange_version(
    api: KfpApi, pipeline_id: str, version_id: str, plan: LaunchPlan
) -> str:
    """What is wrong with the version that something was started from; empty: nothing.

    Raises:
        ConnectorError: it could not be told.
    """
    try:
        version = api.version(pipeline_id, version_id)
    except ObjectMissing:
        return "the pipeline version that it was started from is gone"
    if not _is_of(version, plan):
        return "it was started from a pipeline version that its plan does not name"
    return ""


def _is_of(version: Version, plan: LaunchPlan) -> bool:
    """Whether a version does what a plan holds, all of it."""
    wanted = read_package(package_of(plan), "the package").fingerprint
    return fingerprint(version.spec, version.platform) == wanted


def _pipeline(api: KfpApi, name: str) -> str:
    found = api.pipeline_id(name)
    if found:
        return found
    try:
        return api.make_pipeline(name)
    except NameTaken:
        found = api.pipeline_id(name)
        if not found:
            raise
        return found


def _version(api: KfpApi, pipeline_id: str, sent: Json, package: bytes) -> Version:
    name = text_of(sent["name"])
    found = api.version_named(pipeline_id, name)
    if found is not None:
        return found
    query = {"name": name, "display_name": name, "pipelineid": pipeline_id}
    if sent["code_source_url"]:
        query["code_source_url"] = text_of(sent["code_source_url"])
    try:
        return api.upload_version(query, package)
    except ConnectorError:
        # Some releases answer 500 where the name is taken.
        found = api.version_named(pipeline_id, name)
        if found is None:
            raise
        return found
