"""What the steps of a run read and wrote, as far as an installation tells.

Kubeflow Pipelines knows where an artifact lies, not what is in it: it tells no digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.objects import Task
from connectors.parsing import without_userinfo
from connectors.pipelines.told import ToldArtifact

MOST_ARTIFACTS = 200


def artifacts_told(api: KfpApi, tasks: Sequence[Task]) -> Iterator[ToldArtifact]:
    """Each artifact of each step, with its address where the installation shows it.

    Raises:
        ConnectorError: they could not be told.
    """
    named = [
        (task.name, is_output, one)
        for task in tasks
        for is_output, found in ((False, task.reads), (True, task.writes))
        for one in found
        if one.artifact_id
    ]
    for step, is_output, one in named[:MOST_ARTIFACTS]:
        address = without_userinfo(one.uri or api.address_of(one.artifact_id))
        yield ToldArtifact(step, one.name, is_output, one.artifact_id, address)
