"""OpenLineage events of the sample history, made with the official client."""

import hashlib
import uuid
from datetime import UTC, datetime
from pathlib import Path

from history_plan import Train
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    source_code_location_job,
)
from openlineage.client.transport.file import FileConfig, FileTransport

PRODUCER = "https://github.com/example/training"


class Recorder:
    """Appends events to one file."""

    def __init__(self, path: Path) -> None:
        transport = FileTransport(FileConfig(log_file_path=str(path), append=True))
        self._client = OpenLineageClient(transport=transport)

    def prepared(self, name: str, path: Path, raw: str) -> None:
        """A snapshot was cut from the raw data."""
        now = datetime.now(UTC)
        run, job = Run(str(uuid.uuid4())), Job("training", f"prepare-{path.stem}")
        read = [InputDataset("", raw)]
        wrote = [OutputDataset("", name, facets=version_facet(path))]
        self._emit(RunState.START, run, job, now, read, wrote)
        self._emit(RunState.COMPLETE, run, job, datetime.now(UTC), read, wrote)

    def trained(
        self,
        step: Train,
        run_id: uuid.UUID,
        started: datetime,
        folder: Path,
        commit: str,
    ) -> None:
        """A model was trained, or training failed."""
        run = Run(str(run_id))
        location = source_code_location_job.SourceCodeLocationJobFacet(
            type="git", url=PRODUCER, repoUrl=f"{PRODUCER}.git", version=commit
        )
        job = Job("training", step.name, facets={"sourceCodeLocation": location})
        read = []
        if step.records_datasets:
            for path, name in (
                (step.train_path, f"{step.task}-train"),
                (step.holdout_path, f"{step.task}-holdout"),
            ):
                facets = version_facet(folder / path)
                read.append(InputDataset("", name, facets=facets))
        self._emit(RunState.START, run, job, started, read, [])
        state = RunState.FAIL if step.fails else RunState.COMPLETE
        self._emit(state, run, job, datetime.now(UTC), read, [])

    def _emit(self, state, run, job, moment, inputs, outputs) -> None:
        self._client.emit(
            RunEvent(
                eventType=state,
                eventTime=moment.isoformat(),
                run=run,
                job=job,
                producer=PRODUCER,
                inputs=inputs,
                outputs=outputs,
            )
        )


def version_facet(path: Path) -> dict:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    facet = dataset_version_dataset.DatasetVersionDatasetFacet(
        datasetVersion=f"sha256:{digest}"
    )
    return {"version": facet}
