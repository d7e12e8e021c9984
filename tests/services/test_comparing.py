"""Two versions, or two commits, side by side: all that the record has of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, ConnectorRefused
from connectors.git import GitSource
from console.cli import main
from console.services import runtime_packages
from console.services.comparing import compare
from console.services.differences import Comparison
from console.services.importing import import_address
from console.services.problems import Misuse
from console.services.runtime_packages import needs
from store.errors import UnknownReference
from store.facts import Fact, FactKind, Relation
from store.identifiers import (
    commit_key,
    dataset_key,
    dataset_version_key,
    model_key,
    model_version_key,
    run_key,
)
from store.objects import sha256_hex
from tests.repositories import committed, git, new_repository
from tests.services.test_provenance import service
from tests.worlds import World

HOSTILE = "[x](http://evil) <b> | `a` \x1b]52;c;aGk=\x07 @team \u202e"


def version(
    number: str,
    *,
    model: str = "fraud",
    sha: str = "",
    data: str = "",
    metrics: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    files: dict[str, bytes] | None = None,
    tags: dict[str, str] | None = None,
    has_run: bool = True,
) -> list[Fact]:
    """Facts of a version and its run."""
    run = run_key("mlflow", f"run{model}{number}")
    key = model_version_key("mlflow", model, number)
    told = [
        Fact(
            kind=FactKind.MODEL_VERSION,
            subject=key,
            object=model_key("mlflow", model),
            name=number,
        )
    ]
    told += [
        Fact(kind=FactKind.FILE, subject=key, name=path, digest=sha256_hex(data))
        for path, data in (files or {}).items()
    ]
    told += [
        Fact(kind=FactKind.TAG, subject=key, name=name, text=text)
        for name, text in (tags or {}).items()
    ]
    if not has_run:
        return told
    told += [
        Fact(kind=FactKind.RUN, subject=run, name="r", status="FINISHED"),
        linked(run, Relation.PRODUCED, key),
    ]
    if sha:
        told.append(linked(run, Relation.USED, commit_key(sha)))
    if data:
        told.append(linked(run, Relation.READ, dataset_version_key("loans", data)))
    told += [
        Fact(kind=FactKind.PARAM, subject=run, name=name, text=text)
        for name, text in (params or {}).items()
    ]
    told += [
        Fact(
            kind=FactKind.METRIC, subject=run, name=name, text=text, number=float(text)
        )
        for name, text in (metrics or {}).items()
    ]
    return told


def linked(run: str, relation: Relation, other: str) -> Fact:
    return Fact(
        kind=FactKind.EDGE,
        subject=run,
        object=other,
        name=relation.value,
        strength="declared",
        text="training" if relation is Relation.READ else None,
    )


def dataset(digest: str, rows: int, *columns: tuple[str, str]) -> Fact:
    return Fact(
        kind=FactKind.DATASET_VERSION,
        subject=dataset_version_key("loans", digest),
        object=dataset_key("loans"),
        name="loans",
        digest=digest,
        number=float(rows),
        text=json.dumps([{"name": n, "type": t} for n, t in columns]),
    )


def rows_of(found: Comparison, section: str) -> dict[str, tuple[str, str]]:
    return {
        d.name: (d.before, d.after) for d in found.differences if d.section == section
    }


OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_data_is_compared_by_digest_rows_columns_and_licence(world: World) -> None:
    world.tell(
        *version("1", data=OLD),
        *version("2", data=NEW),
        dataset(OLD, 10, ("id", "int64"), ("age", "int64")),
        dataset(NEW, 12, ("id", "int64"), ("age", "double"), ("sex", "string")),
        Fact(
            kind=FactKind.TAG,
            subject=dataset_key("loans"),
            name="croissant.license",
            text="CC-BY-4.0",
        ),
    )
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert rows_of(found, "data") == {
        "loans (training)": (OLD, NEW),
        "loans rows": ("10", "12"),
        "loans column age": ("int64", "double"),
        "loans column sex": ("", "string"),
    }
    assert found.summary.startswith("other data")


def test_metrics_differ_by_a_number_and_only_a_policy_says_which_is_better(
    world: World,
) -> None:
    world.tell(
        *version("1", metrics={"rmse": "2.5", "rmse/sex:1": "2", "gone": "1"}),
        *version("2", metrics={"rmse": "2.0", "rmse/sex:1": "3", "nan": "nan"}),
    )
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    told = {d.name: (d.section, d.change, d.verdict) for d in found.differences}
    assert told == {
        "rmse": ("metric", "-0.5", ""),
        "rmse sex:1": ("slice", "+1", ""),
        "gone": ("metric", "", ""),
        "nan": ("metric", "", ""),
    }
    assert found.summary == "3 metrics other, 1 slice metric other"


def test_nothing_that_differs_is_said_so_and_a_version_without_a_run_is_compared(
    world: World,
) -> None:
    world.tell(*version("1", has_run=False), *version("2", params={"a": "1"}))
    same = compare(world.store, "model:fraud@1", "model:fraud@1")
    assert (same.summary, same.differences) == ("nothing that is recorded differs", ())
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert rows_of(found, "parameter") == {"a": ("", "1")}


def test_versions_of_different_models_are_compared_and_called_so(world: World) -> None:
    world.tell(*version("1"), *version("1", model="loans", params={"a": "1"}))
    found = compare(world.store, "model:fraud@1", "model:loans@1")
    assert found.summary == "different models, other parameters"


def test_the_manifest_s_tag_is_left_out_and_other_tags_are_not(world: World) -> None:
    world.tell(
        *version("1", tags={"countersign.manifest": "{}", "team": "a"}),
        *version("2", tags={"countersign.manifest": "{1}", "team": "b"}),
    )
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert rows_of(found, "tag") == {"team": ("a", "b")}


class Reader:
    """The files of a model, by path."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def read(self, location: str, path: str, *, at_most: int) -> bytes:
        return self._files[path]


def test_packages_are_compared_line_by_line_where_the_registered_file_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = b"mlflow==3.1.0\nnumpy==1.26\n# x\n-r other.txt\nscikit-learn\n"
    new = b"mlflow==3.2.0\nscikit_learn\nevil @ http://x\n"
    world.tell(
        *version("1", files={"requirements.txt": old}),
        *version("2", files={"requirements.txt": new}),
    )
    given = iter([Reader({"requirements.txt": old}), Reader({"requirements.txt": new})])
    monkeypatch.setattr(runtime_packages, "artifact_reader", lambda *_: next(given))
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert rows_of(found, "runtime") == {
        "evil": ("", "any"),
        "mlflow": ("3.1.0", "3.2.0"),
        "numpy": ("1.26", ""),
    }
    assert found.unread == ()


def test_a_file_that_is_not_the_registered_one_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell(
        *version("1", files={"requirements.txt": b"a==1"}),
        *version("2", files={"requirements.txt": b"a==2"}),
    )
    monkeypatch.setattr(
        runtime_packages,
        "artifact_reader",
        lambda *_: Reader({"requirements.txt": b"a==3"}),
    )
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert rows_of(found, "runtime") == {}
    assert all("not the file that was registered" in text for text in found.unread)
    assert len(found.unread) == 2


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        (
            "python_env.yaml",
            "python: 3.11.7\nbuild_dependencies:\n- pip==24\n",
            {"python": "3.11.7"},
        ),
        (
            "conda.yaml",
            "channels:\n- conda-forge\ndependencies:\n- python=3.10\n- pip:\n"
            "  - numpy==1.2\nname: env\n",
            {"conda-forge": "any", "python": "3.10", "numpy": "1.2"},
        ),
        (
            "requirements.txt",
            "A.b_c[x] >= 1, <2 ; python_version > '3'",
            {"a-b-c": ">= 1, <2"},
        ),
        ("requirements.txt", "\x00\n==\n" + "[" * 5000, {}),
    ],
)
def test_needs_are_read_from_each_kind_of_file(
    path: str, text: str, found: dict[str, str]
) -> None:
    assert needs(path, text) == found


@pytest.fixture
def repository(world: World, tmp_path: Path) -> Callable[[], tuple[str, str]]:
    """Two commits, imported from where they are; the version 1 used the first."""

    def made(**files: str) -> tuple[str, str]:
        folder = new_repository(tmp_path / "code")
        first = committed(folder, "first", a="1\n2\n", b="x\n")
        committed(
            folder, HOSTILE.replace("\x1b", "").replace("\x07", ""), a="1\n3\n4\n"
        )
        git(folder, "rm", "-q", "b")
        second = committed(folder, "third", **files)
        import_address(world.store, service(world), str(folder))
        world.tell(*version("1", sha=first), *version("2", sha=second))
        return first, second

    return made


def test_code_is_compared_from_the_repository_it_was_imported_from(
    world: World, repository: Callable[..., tuple[str, str]]
) -> None:
    first, second = repository(**{"-c ;rm": "new\n"})
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert found.code is not None
    assert (found.code.commits, found.code.missing, found.code.all_files) == (2, 0, 3)
    assert {f.path: (f.added, f.removed) for f in found.code.files} == {
        "a": (2, 1),
        "b": (0, 1),
        "-c ;rm": (1, 0),
    }
    assert rows_of(found, "code") == {"commit": (first, second)}
    assert "other code (2 new commits, 3 files changed)" in found.summary
    back = compare(world.store, f"commit:{second}", f"commit:{first[:12]}")
    assert back.code is not None
    assert (back.code.commits, back.code.missing) == (0, 2)


def test_a_repository_that_is_gone_is_said_and_everything_else_is_compared(
    world: World, tmp_path: Path, repository: Callable[..., tuple[str, str]]
) -> None:
    first, second = repository()
    (tmp_path / "code").rename(tmp_path / "moved")
    found = compare(world.store, "model:fraud@1", "model:fraud@2")
    assert found.code is None
    assert "not where this machine read it" in found.unread[0]
    with pytest.raises(ConnectorError, match="not where this machine read it"):
        compare(world.store, f"commit:{first}", f"commit:{second}")


def test_things_of_two_kinds_and_things_that_are_not_there_are_refused(
    world: World, repository: Callable[..., tuple[str, str]]
) -> None:
    first, _ = repository()
    with pytest.raises(Misuse, match="cannot be compared"):
        compare(world.store, "model:fraud@1", f"commit:{first}")
    with pytest.raises(UnknownReference):
        compare(world.store, "model:fraud@1", "model:fraud@9")
    with pytest.raises(UnknownReference):
        compare(world.store, f"commit:{first}", "commit:0000000")


def test_textconv_and_external_diffs_of_a_repository_are_not_run(
    world: World, tmp_path: Path, repository: Callable[..., tuple[str, str]]
) -> None:
    first, second = repository(**{".gitattributes": "* diff=evil\n"})
    trace = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    for name in ("command", "textconv"):
        git(tmp_path / "code", "config", f"diff.evil.{name}", str(program))
    git(tmp_path / "code", "config", "diff.external", str(program))
    compared = GitSource("code", tmp_path / "code").compare(first, second)
    assert compared.all_files == 3
    assert not trace.exists()


@pytest.mark.parametrize("sha", ["--output=/tmp/x", "HEAD", "0" * 40, "", "a" * 41])
def test_what_is_no_commit_of_the_repository_is_refused(
    tmp_path: Path, sha: str
) -> None:
    folder = new_repository(tmp_path / "r")
    first = committed(folder, "one")
    with pytest.raises(ConnectorRefused):
        GitSource("r", folder).compare(first, sha)


def test_a_shallow_clone_says_that_it_does_not_reach_back(tmp_path: Path) -> None:
    folder = new_repository(tmp_path / "r")
    committed(folder, "one")
    last = committed(folder, "two")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{folder}", "shallow")
    with pytest.raises(ConnectorRefused, match="only a part of its history"):
        GitSource("r", tmp_path / "shallow").compare(last, last)


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_no_form_lets_a_hostile_name_out(
    world: World, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tell(
        *version("1", params={HOSTILE: "=1+1"}, tags={HOSTILE: "a"}),
        *version("2", params={HOSTILE: "=2+2"}),
    )
    command = ["diff", "model:fraud@1", "model:fraud@2", "--format", form]
    assert main(["--store", world.store.address, *command]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    if form == "markdown":
        assert "[x]" not in out
        assert "<b>" not in out
        assert all(
            line.count(" | ") == 4
            for line in out.splitlines()
            if "&#" in line and line.startswith("|")
        )
    if form == "csv":
        assert "'=1+1" in out


def test_sections_that_are_compared_are_all_shown() -> None:
    from console.reports.comparison_text import TITLES
    from console.services.differences import SECTIONS

    assert tuple(TITLES) == SECTIONS
