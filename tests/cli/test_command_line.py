"""The command line as a script meets it: exit codes, streams, JSON, hostile text."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli import build_parser, main
from console.services.demonstration import Demonstrated
from store.facts import Fact, FactKind
from store.identifiers import model_key, model_version_key, run_key
from tests.conftest import REPOSITORY
from tests.worlds import World

HOSTILE = (
    "[/x]",
    "[@click=app.quit]x[/]",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b[31mred\x9b31m",
    "\u202eevil\u2066",
    "a\nb\tc\rd",
    "模型🙂",
    "x" * 10_000,
    "' OR 1=1 --",
    "=cmd|' /C calc'!A0",
)
READING = (
    ["models"],
    ["experiments"],
    ["runs"],
    ["datasets"],
    ["commits"],
    ["search", "e"],
    ["requests"],
    ["trust", "show"],
    ["key", "list"],
    ["key", "show", "vera"],
    ["policy", "list"],
    ["log", "show"],
    ["log", "verify", "--deep"],
)


@pytest.fixture
def at_demo(demo: Demonstrated, monkeypatch: pytest.MonkeyPatch) -> Demonstrated:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(demo.home))
    monkeypatch.setenv("COUNTERSIGN_STORE", str(demo.store))
    return demo


@pytest.mark.parametrize("command", READING, ids=lambda c: " ".join(c))
def test_reading_commands_print_a_table_and_versioned_json(
    at_demo: Demonstrated, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--format", "json"]) == 0
    answer = capsys.readouterr()
    schema = json.loads(answer.out)["schema"]
    assert schema.startswith("countersign/")
    assert schema.endswith("/v1")
    assert answer.err == ""


def test_show_lineage_and_diff_answer(
    at_demo: Demonstrated, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "model:diabetes-progression"
    assert main(["show", f"{model}@6"]) == 0
    assert "manifest: " in capsys.readouterr().out
    assert main(["lineage", f"{model}@6"]) == 0
    tree = capsys.readouterr().out
    assert "read training: dataset-version diabetes-train@sha256:" in tree
    assert "used: commit" in tree
    for form in ("table", "json", "dot", "mermaid"):
        assert main(["lineage", f"{model}@6", "--format", form]) == 0
    capsys.readouterr()
    assert main(["diff", f"{model}@2", f"{model}@6"]) == 0
    assert "weight.sex:2" in capsys.readouterr().out
    assert main(["lineage", "dataset:diabetes-holdout", "--down"]) == 0
    assert "diabetes-progression@6" in capsys.readouterr().out


def test_status_says_what_the_registry_has_and_the_log_approves(
    at_demo: Demonstrated, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--format", "json"]) == 1
    changes = json.loads(capsys.readouterr().out)["unapproved_changes"]
    assert {(c["model"], c["registry"], c["approved"]) for c in changes} == {
        ("mlflow/diabetes-progression", "5", "6"),
        ("mlflow/tumour-screening", "1", ""),
    }


def test_status_without_a_policy_compares_nothing_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    assert main(["status", "--store", world.store.address]) == 3
    assert "policy activate" in capsys.readouterr().err


def test_the_gate_s_exit_codes_and_json(
    at_demo: Demonstrated, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "model:diabetes-progression"
    assert main(["gate", f"{model}@6", "--to", "production"]) == 0
    assert main(["gate", f"{model}@5", "--to", "production"]) == 1
    assert main(["gate", f"{model}@1", "--to", "production"]) == 1
    capsys.readouterr()
    assert main(["gate", f"{model}@5", "--to", "production", "--format", "json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["exit_code"]) == ("no", 1)
    assert answer["tree"]["children"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["show", "model:nothing@1"], 2),
        (["show", "run:ffff"], 2),
        (["show", "nonsense:x"], 2),
        (["gate", "model:diabetes-progression@99", "--to", "production"], 2),
        (["review", "request:ffff"], 2),
        (["models", "--store", "nowhere"], 2),
        (["runs", "--as-of", "yesterday"], 2),
        (["policy", "lint", "nowhere.toml"], 2),
        (["import", "nowhere"], 2),
        (["verify", "nowhere.zip", "--anchor", "0" * 64], 1),
        (["approve", "request:ffff", "--reason", "x", "--key", "nowhere"], 3),
        (["config", "show", "--config", "nowhere.toml"], 2),
        (["models", "--anchor", "0" * 64], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_wrong_is_one_clear_line_with_the_right_code(
    at_demo: Demonstrated,
    command: list[str],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command) == code
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.startswith("countersign: ")
    assert len(answer.err.splitlines()) <= 2


def test_a_wrong_passphrase_is_told_and_signs_nothing(
    at_demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "right")
    assert main(["key", "new", "locked"]) == 0
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "wrong")
    capsys.readouterr()
    assert main(["key", "show", "locked"]) == 1
    assert "wrong passphrase" in capsys.readouterr().err
    monkeypatch.delenv("COUNTERSIGN_PASSPHRASE")
    assert main(["key", "show", "locked"]) == 1
    assert "no passphrase was given" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data", [b"", b"SQLite format 3\x00" + b"\xff" * 5000, b"plain text"]
)
def test_a_corrupt_database_is_told_and_nothing_is_imported(
    at_demo: Demonstrated,
    tmp_path: Path,
    data: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(data)
    main(["log", "show", "--format", "json"])
    before = capsys.readouterr().out
    assert main(["import", str(path)]) in (1, 2)
    assert capsys.readouterr().err.startswith("countersign: ")
    main(["log", "show", "--format", "json"])
    assert capsys.readouterr().out == before


def test_a_full_disk_is_told_in_one_line_and_nothing_is_imported(
    at_demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["log", "show", "--format", "json"])
    before = capsys.readouterr().out

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    training = at_demo.store.parent / "sample" / "training.bundle"
    assert main(["import", str(training), "--name", "another"]) == 3
    told = capsys.readouterr().err
    assert told.startswith("countersign: ")
    assert "No space left" in told
    monkeypatch.undo()
    monkeypatch.setenv("COUNTERSIGN_HOME", str(at_demo.home))
    main(["log", "show", "--format", "json", "--store", str(at_demo.store)])
    assert capsys.readouterr().out == before


def test_a_locked_projection_is_told_in_one_line(
    at_demo: Demonstrated,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("store.projection.connection.LOCK_WAIT_SECONDS", 0.05)
    (path,) = at_demo.home.rglob("lineage.duckdb")
    code = f"import duckdb, sys\nc = duckdb.connect({str(path)!r})\n"
    code += "print('held', flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert main(["models"]) == 3
        holder.communicate(b"")
    told = capsys.readouterr().err
    assert "is in use by" in told
    assert "try again" in told


def test_a_key_file_is_private_and_encrypted(
    at_demo: Demonstrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "correct horse")
    assert main(["key", "new", "mine"]) == 0
    path = at_demo.home / "config" / "keys" / "mine.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    assert main(["key", "new", "mine"]) == 1
    assert main(["key", "new", "../mine"]) == 2


def test_an_openssh_key_signs_too(
    at_demo: Demonstrated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "id_ed25519"
    try:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)],
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("peer: ssh-keygen is not installed")
    environment = os.environ | {"COUNTERSIGN_PASSPHRASE": "secret"}
    shown = subprocess.run(
        [sys.executable, "-m", "console", "key", "show", str(key)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    assert "algorithm: ed25519" in shown.stdout


@pytest.mark.slow
def test_two_newcomers_sign_off_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERSIGN_PASSPHRASE", "a long one")
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    sample = REPOSITORY / "sample_data"

    def run(*command: str, code: int = 0) -> str:
        assert main(list(command)) == code, capsys.readouterr().err
        return capsys.readouterr().out.strip()

    anchor = run("init", "--name", "Dana")
    assert len(anchor) == 64
    run("import", str(sample))
    run(
        "policy",
        "activate",
        str(sample / "policies/diabetes-production.toml"),
        "--key",
        "me",
    )
    for name, role in (("vera", "validator"), ("rik", "risk")):
        run("key", "new", name)
        run("key", "enrol", "--out", f"{name}.offer", "--name", name, "--key", name)
        run("key", "enrol", f"{name}.offer", "--role", role, "--key", "me")
    run("key", "new", "ana")
    run(
        "key",
        "enrol",
        "--out",
        "ana.offer",
        "--name",
        "Ana",
        "--key",
        "ana",
        "--identity",
        "mlflow:ana",
    )
    run("key", "enrol", "ana.offer", "--role", "requester", "--key", "me")
    model = "model:diabetes-progression@6"
    request = run(
        "request", model, "--to", "production", "--reason", "ready", "--key", "ana"
    )
    run("gate", model, "--to", "production", code=1)
    run("review", request)
    run("approve", request, "--reason", "fine", "--key", "vera")
    run("gate", model, "--to", "production", code=1)
    run("approve", request, "--reason", "fine", "--key", "rik")
    run("gate", model, "--to", "production")
    assert run("promote", request, "--key", "me") == "recorded-only"
    run("export", "audit", "--out", "audit.zip")
    run("verify", "audit.zip", "--anchor", anchor)
    run("export", "audit", "--out", "audit.zip", code=2)


def test_hostile_names_reach_no_terminal_as_control_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = []
    for number, text in enumerate(HOSTILE):
        run = run_key("mlflow", f"{text}{number}")
        version = model_version_key("mlflow", text, "1")
        facts += [
            Fact(kind=FactKind.RUN, subject=run, name=text, actor=text, status=text),
            Fact(kind=FactKind.TAG, subject=run, name=text, text=text),
            Fact(kind=FactKind.PARAM, subject=run, name=text, text=text),
            Fact(kind=FactKind.MODEL, subject=model_key("mlflow", text), name=text),
            Fact(
                kind=FactKind.MODEL_VERSION,
                subject=version,
                name="1",
                status=text,
                object=model_key("mlflow", text),
                location=text,
            ),
            Fact(
                kind=FactKind.EDGE,
                subject=run,
                name="produced",
                object=version,
                strength="declared",
            ),
        ]
    world.tell(*facts)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    commands = [*READING, *(["show", f"model:{t}@1"] for t in HOSTILE if len(t) < 2000)]
    commands += [["lineage", f"model:{t}@1"] for t in HOSTILE if len(t) < 2000]
    for command in commands:
        main(command)
        answer = capsys.readouterr()
        for text in (answer.out, answer.err):
            controls = {c for c in text if c < " " and c != "\n"} | {
                c for c in text if "\x7f" <= c <= "\x9f" or c in "\u202e\u2066"
            }
            assert controls == set(), command


@pytest.mark.slow
def test_the_demonstration_runs_twice_in_a_pipe_and_refuses_another_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "d"
    for _ in range(2):
        assert main(["demo", "--dir", str(folder), "--no-console"]) == 0
    anchor, head = (folder / "anchor.txt").read_text().splitlines()
    assert (len(anchor), len(head.split()[1])) == (64, 64)
    assert (folder / "store").is_dir()
    assert main(["verify", str(folder / "audit.zip"), "--anchor", anchor]) == 0
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("mine")
    assert main(["demo", "--dir", str(precious), "--no-console"]) == 2
    assert (precious / "thesis.txt").read_text() == "mine"


@pytest.mark.slow
def test_scan_needs_no_store_and_no_keys_and_leaves_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["scan", str(REPOSITORY / "sample_data"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["versions"]
    scores = {
        f"{v['version']['model']}@{v['version']['version']}": v["score"] for v in found
    }
    assert scores["diabetes-progression@6"] == 7
    assert scores["diabetes-progression@4"] < 7
    assert not (tmp_path / "home").exists()


def test_a_found_configuration_cannot_redirect_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "countersign.toml").write_text('[sources.x]\n\nstore = "/evil"\n')
    monkeypatch.chdir(tmp_path)
    assert main(["config", "validate"]) == 2
    assert "countersign.toml:3: unknown key 'store'" in capsys.readouterr().err
    for key in ("store", "anchor", "key"):
        (tmp_path / "countersign.toml").write_text(f'{key} = "/evil"\n')
        assert main(["config", "validate"]) == 2
        assert f"may not set {key!r}" in capsys.readouterr().err
    (tmp_path / "countersign.toml").write_text("[sorces.x]\n")
    assert main(["config", "validate"]) == 2
    assert "did you mean 'sources'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("console.cli", ("textual", "duckdb", "cryptography", "pyarrow", "polars")),
        ("console.services.promoting", ("textual", "duckdb", "cryptography", "yaml")),
        ("console.services.importing", ("textual", "boto3", "kubernetes", "pyarrow")),
        ("console.reports.verification", ("textual", "duckdb", "pyarrow")),
        ("console.app", ("duckdb", "pyarrow", "boto3", "kubernetes", "polars")),
    ],
)
def test_what_is_not_needed_is_not_imported(
    module: str, absent: tuple[str, ...]
) -> None:
    code = f"import sys, {module}\nprint([n for n in {absent!r} if n in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    assert found.stdout.strip() == "[]"


def test_the_gate_of_a_fresh_process_needs_no_duckdb(at_demo: Demonstrated) -> None:
    code = (
        "import sys\nfrom console.cli import main\n"
        "code = main(['gate', 'model:diabetes-progression@6', '--to', 'production'])\n"
        "assert 'duckdb' not in sys.modules and 'textual' not in sys.modules\n"
        "sys.exit(code)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


def test_every_command_explains_itself() -> None:
    parser = build_parser()
    text = parser.format_help()
    for command in ("demo", "init", "import", "scan", "gate", "promote", "verify"):
        assert command in text
