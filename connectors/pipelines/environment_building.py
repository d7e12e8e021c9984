"""The process that builds the virtual environment of one run, or finds it built.

    python -m connectors.pipelines.environment_building CLAIM

It is the first step of the run: what it and pip print goes to the run's log, and
whatever ends the run ends it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from connectors.errors import ConnectorError, ConnectorRefused, MalformedInput
from connectors.parsing import parse_json, text_of, well_formed
from connectors.pipelines.claims import BUILT, Claim
from connectors.pipelines.environment_planning import PlannedEnvironment
from connectors.pipelines.interpreters import inspect
from connectors.pipelines.plans import read_plan
from connectors.pipelines.protocols import InstalledPackage
from connectors.pipelines.requirements import Requirements
from connectors.pipelines.virtual_environments import (
    BuiltEnvironment,
    KeptEnvironments,
)

STAGES = ("build", "dependencies")
"""What is installed one after the other, as MLflow does."""
MOST_PACKAGES = 5_000
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,127}")
_HASH = re.compile(r"[0-9a-f]{64}")
_REPORTING = (22, 2)
"""The pip that tells what it took."""
_LIST = (
    "import importlib.metadata as m, json;"
    "print(json.dumps([[d.metadata['Name'], d.version] for d in m.distributions()]))"
)


def write_pip_files(folder: Path, planned: PlannedEnvironment) -> None:
    """Put what pip is to be given beside a claim: the lines that were checked."""
    folder.mkdir(mode=0o700)
    stages = zip(STAGES, (planned.build, planned.dependencies), strict=True)
    for stage, asked in stages:
        _write_lines(folder / f"{stage}.txt", asked.lines)
        _write_lines(folder / f"{stage}.constraints.txt", asked.constraints)
        _write_lines(folder / f"{stage}.links", _links(asked))


def _links(asked: Requirements) -> list[str]:
    return list(dict.fromkeys(asked.links))


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


class Builder:
    """Builds what one claim asks for."""

    def __init__(self, claim: Claim) -> None:
        document = claim.read("claim.json")
        self._claim = claim
        self._project = claim.work / str(document["below"])
        self._kept = KeptEnvironments(Path(str(document["environments"])))
        [self._planned] = read_plan(claim.plan_path.read_bytes()).virtualenv
        self._hashes: dict[tuple[str, str], str] = {}
        self._environment = _environment(os.environ)

    def take(self) -> None:
        """Find it or build it, and say in the claim which it is.

        Raises:
            ConnectorError: it cannot be built.
        """
        key = self._planned.key
        with self._kept.locked(key, lambda: _say("another launch builds it; waiting")):
            built, why = self._kept.usable(key)
            if why:
                _say(f"{why}; it is built anew")
            if built is None:
                built = self._build(key)
            else:
                _say(f"built before: {built.folder}")
            told = {
                "key": key,
                "folder": str(built.folder),
                "packages": [asdict(one) for one in built.packages],
            }
            self._claim.write(BUILT, told)

    def _build(self, key: str) -> BuiltEnvironment:
        self._require_interpreter()
        begun, folder = time.monotonic(), self._kept.new_folder(key)
        with self._undone_unless_whole(folder):
            _say(f"{self._planned.python} in {folder}")
            for index in self._planned.indexes or ("nowhere but the project",):
                _say(f"packages come from {index}")
            self._run(self._planned.interpreter, "-I", "-m", "venv", str(folder))
            for stage in STAGES:
                self._install(folder, stage)
            built = BuiltEnvironment(folder, self._listed(folder))
            self._kept.keep(key, built)
        _say(f"{len(built.packages)} packages, {time.monotonic() - begun:.0f} s")
        return built

    @contextlib.contextmanager
    def _undone_unless_whole(self, folder: Path) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._kept.discard(folder)
            raise

    def _require_interpreter(self) -> None:
        told, planned = inspect(self._planned.interpreter), self._planned
        if told is None or told[0].python != planned.python:
            raise ConnectorRefused(
                f"{planned.interpreter} is no longer {planned.python}",
                hint="Launch it anew.",
            )

    def _install(self, folder: Path, stage: str) -> None:
        """Let pip install one stage, and note what it took."""
        files = self._claim.pip_files
        if not (files / f"{stage}.txt").read_text():
            return
        report = self._claim.folder / "tmp" / f"{stage}.json"
        words = ["--no-input", "--disable-pip-version-check", "--no-color"]
        words += ["--progress-bar", "off", "-r", str(files / f"{stage}.txt")]
        if (files / f"{stage}.constraints.txt").read_text():
            words += ["-c", str(files / f"{stage}.constraints.txt")]
        for below in (files / f"{stage}.links").read_text().splitlines():
            words += ["--find-links", str(self._project / below)]
        if self._reports(folder):
            words += ["--report", str(report)]
        python = str(folder / "bin" / "python")
        self._run(python, "-I", "-m", "pip", "install", *words)
        if report.is_file():
            self._hashes |= _reported(report.read_bytes())

    def _reports(self, folder: Path) -> bool:
        [version] = [p.version for p in self._listed(folder) if p.name == "pip"] or [""]
        numbers = re.findall(r"\d+", version)[:2]
        return tuple(map(int, numbers)) >= _REPORTING

    def _listed(self, folder: Path) -> tuple[InstalledPackage, ...]:
        """What an environment has, by its own account."""
        python = str(folder / "bin" / "python")
        told = subprocess.run(  # noqa: S603 - the environment that was built
            [python, "-I", "-c", _LIST],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self._environment,
            check=False,
        )
        what = "what the environment says it has"
        raw = parse_json(told.stdout, what)
        found = set()
        with well_formed(what):
            for name, version in raw:
                found.add((_plain_name(text_of(name)), _checked(version, _VERSION)))
        if len(found) > MOST_PACKAGES:
            raise MalformedInput(f"it has more than {MOST_PACKAGES} packages")
        return tuple(
            InstalledPackage(*one, self._hashes.get(one, "")) for one in sorted(found)
        )

    def _run(self, *command: str) -> None:
        """Run one command, whose output is this step's.

        Raises:
            ConnectorRefused: it failed.
        """
        status = subprocess.run(  # noqa: S603 - python and pip, as planned
            command,
            stdin=subprocess.DEVNULL,
            env=self._environment,
            cwd=self._claim.folder / "tmp",
            check=False,
        ).returncode
        if status:
            raise ConnectorRefused(
                f"{' '.join(command[2:5])} ended with exit status {status}",
                hint="pip reads no configuration here, only what is named: --set or "
                "--pass PIP_INDEX_URL, PIP_CERT, HTTPS_PROXY, ...",
            )


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of pip: those of the step, and that it reads no configuration."""
    kept = {name: value for name, value in given.items() if name != "PYTHONPATH"}
    return kept | {"PIP_CONFIG_FILE": os.devnull}


def _reported(data: bytes) -> dict[tuple[str, str], str]:
    """The digest of each file that pip took, by package."""
    found = {}
    raw = parse_json(data, "the report of pip")
    with well_formed("the report of pip"):
        for one in raw["install"]:
            about, archive = one["metadata"], one["download_info"].get("archive_info")
            told = str((archive or {}).get("hashes", {}).get("sha256", ""))
            if _HASH.fullmatch(told):
                key = _plain_name(text_of(about["name"])), text_of(about["version"])
                found[key] = told
    return found


def _plain_name(name: str) -> str:
    """A package's name in the one form in which names are compared."""
    return re.sub(r"[-_.]+", "-", _checked(name, _NAME)).lower()


def _checked(text: object, form: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not form.fullmatch(text):
        raise MalformedInput(f"a package of it is called {str(text)[:80]!r}")
    return text


def _say(text: str) -> None:
    print(f"countersign: {text}", flush=True)  # noqa: T201 - the step's own output


def main() -> None:
    """Build what the claim that is named asks for."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        Builder(Claim(Path(sys.argv[1]))).take()
    except (ConnectorError, OSError) as problem:
        _say(str(problem))
        if isinstance(problem, ConnectorError) and problem.hint:
            _say(problem.hint)
        sys.exit(1)


if __name__ == "__main__":
    main()
