"""Make the sample history: real runs on real data, recorded by a real MLflow server.

Run it in the environment of requirements/sample.txt:

    python sample_data/make_history.py --out sample_data --force

It starts an MLflow server, makes a git repository with the training code, trains
scikit-learn models on the data sets that come with scikit-learn, registers versions,
moves aliases, emits OpenLineage events with the official client, and leaves the
database, artifacts, snapshots, a git bundle and the events in the output folder.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path

import history_events
import history_plan
import mlflow
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes

HERE = Path(__file__).resolve().parent
LARGEST_BYTES = 8 * 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--force", action="store_true", help="replace what is there")
    arguments = parser.parse_args()
    made = ["mlflow.db", "mlartifacts", "datasets", "training.bundle"]
    made.append("openlineage.ndjson")
    standing = [name for name in made if (arguments.out / name).exists()]
    if standing and not arguments.force:
        sys.exit(f"{arguments.out} holds {', '.join(standing)}; add --force")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        build(work)
        for name in made:
            target = arguments.out / name
            if target.is_dir():
                shutil.rmtree(target)
            target.unlink(missing_ok=True)
            shutil.move(work / name, target)
    check(arguments.out)


def build(work: Path) -> None:
    snapshots = write_snapshots(work / "datasets")
    repository = make_repository(work / "training")
    events = history_events.Recorder(work / "openlineage.ndjson")
    for name, path, raw in snapshots:
        events.prepared(name, path, raw)
    with mlflow_server(work) as address:
        mlflow.set_tracking_uri(address)
        client = mlflow.MlflowClient()
        for step in history_plan.STEPS:
            play(step, work, repository, client, events, address)
        alter_artifact(work, client)
    tidy_database(work / "mlflow.db")
    git(repository, "bundle", "create", str(work / "training.bundle"), "--all")


def write_snapshots(folder: Path) -> list[tuple[str, Path, str]]:
    """Split the data once, by a fixed seed, into snapshots that do not overlap."""
    folder.mkdir()
    shuffled = np.random.RandomState(7)
    diabetes = load_diabetes(scaled=False, as_frame=True).frame
    order = shuffled.permutation(len(diabetes))
    train = diabetes.iloc[order[142:]]
    tumour = load_breast_cancer(as_frame=True).frame
    other = shuffled.permutation(len(tumour))
    frames = {
        "diabetes-holdout": ("diabetes-holdout", diabetes.iloc[order[:142]]),
        "diabetes-train-early": ("diabetes-train", train.iloc[:180]),
        "diabetes-train": ("diabetes-train", train),
        "tumour-holdout": ("tumour-holdout", tumour.iloc[other[:170]]),
        "tumour-train": ("tumour-train", tumour.iloc[other[170:]]),
    }
    snapshots = []
    for file_name, (name, frame) in frames.items():
        path = folder / f"{file_name}.parquet"
        frame.reset_index(drop=True).to_parquet(path, index=False)
        raw = "scikit-learn/diabetes" if "diabetes" in name else "scikit-learn/wdbc"
        snapshots.append((name, path, raw))
    return snapshots


def git(repository: Path, *arguments: str, author: str = "ana") -> str:
    identity = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (
            ("NAME", author.capitalize()),
            ("EMAIL", f"{author}@example.org"),
        )
    }
    return subprocess.run(
        ["git", "-C", str(repository), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | identity,
    ).stdout.strip()


def make_repository(folder: Path) -> Path:
    shutil.copytree(HERE / "training", folder)
    git(folder, "init", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "Train, score by slice, and register")
    return folder


def play(
    step: history_plan.Step,
    work: Path,
    repository: Path,
    client: mlflow.MlflowClient,
    events: history_events.Recorder,
    address: str,
) -> None:
    if isinstance(step, history_plan.MoveAlias):
        client.set_registered_model_alias(step.model, step.alias, step.version)
        return
    config = repository / "experiments" / f"{step.name}.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(step.to_toml())
    git(repository, "add", "--all")
    git(repository, "commit", "--message", step.message, author=step.author)
    dirty_file = repository / "features.toml"
    if step.is_dirty:
        with open(dirty_file, "a") as stream:
            stream.write("# trying something, to be committed later\n")
    started = datetime.now(UTC)
    finished = subprocess.run(
        [sys.executable, "train.py", str(config.relative_to(repository))],
        cwd=repository,
        env=os.environ
        | {"MLFLOW_TRACKING_URI": address, "GIT_PYTHON_REFRESH": "quiet"}
        | {"LOGNAME": step.author, "USER": step.author},
        capture_output=True,
        text=True,
        check=False,
    )
    git(repository, "checkout", "--", dirty_file.name)
    if (finished.returncode == 0) == step.fails:
        sys.exit(f"{step.name} ended unexpectedly:\n{finished.stderr[-3000:]}")
    run_id = (
        newest_run(client, step.experiment)
        if step.fails
        else json.loads(finished.stdout.splitlines()[-1])["run_id"]
    )
    events.trained(
        step,
        uuid.UUID(hex=run_id),
        started,
        work / "datasets",
        git(repository, "rev-parse", "HEAD"),
    )
    print(f"{step.name}: run {run_id}")


def newest_run(client: mlflow.MlflowClient, experiment: str) -> str:
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1)
    return str(runs[0].info.run_id)


def alter_artifact(work: Path, client: mlflow.MlflowClient) -> None:
    """Retrain nothing, ask nobody: overwrite a registered model's file in place."""
    altered, replacement = (
        artifact_folder(work, client, *version)
        for version in (history_plan.ALTERED_VERSION, history_plan.REPLACEMENT)
    )
    shutil.copy(replacement / "model.pkl", altered / "model.pkl")


def artifact_folder(
    work: Path, client: mlflow.MlflowClient, name: str, version: str
) -> Path:
    location = client.get_model_version_download_uri(name, version)
    return work / "mlartifacts" / location.split(":/", 1)[1]


@contextlib.contextmanager
def mlflow_server(work: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with open(work / "server.log", "w") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
                *("--port", str(port), "--workers", "1", "--serve-artifacts"),
                *("--backend-store-uri", f"sqlite:///{work / 'mlflow.db'}"),
                *("--artifacts-destination", str(work / "mlartifacts")),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(f"{address}/health", server, work / "server.log")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:  # noqa: S310 - our own server
            if answer.status == 200:
                return
        if server.poll() is not None:
            break
        time.sleep(0.5)
    sys.exit(f"the MLflow server did not start:\n{log.read_text()[-3000:]}")


def tidy_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")


def check(out: Path) -> None:
    with contextlib.closing(sqlite3.connect(out / "mlflow.db")) as connection:
        for what in ("runs", "registered_models", "model_versions"):
            count = connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]  # noqa: S608 - three literals
            print(f"{what}: {count}")
        print_scores(connection)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    for path in sorted((out / "datasets").iterdir()):
        print(path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    print(f"{size / 1024**2:.1f} MiB in all")
    if size > LARGEST_BYTES:
        sys.exit(f"more than {LARGEST_BYTES} bytes")


def print_scores(connection: sqlite3.Connection) -> None:
    rows = connection.execute(
        "SELECT v.name, v.version, m.key, m.value FROM model_versions v "
        "JOIN latest_metrics m ON m.run_uuid = v.run_id "
        "WHERE m.key NOT LIKE 'samples%' ORDER BY 1, 2, 3"
    )
    for model, version, metric, value in rows:
        print(f"{model} {version} {metric} {value:.3f}")


if __name__ == "__main__":
    main()
