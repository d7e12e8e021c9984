"""Attacks by somebody with a role who commits a batch of facts that is none.

Its entry is accepted and stays for ever; it must change nothing and stop nobody.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.cli import main
from console.reports import lineage_scope
from console.reports.audit_report import Scope
from console.reports.bundle import export_audit, write_zip
from console.reports.members import members_of
from console.reports.openlineage_events import openlineage_events
from console.reports.prov_document import prov_document
from console.reports.verification import verify_file
from console.services import catalogue
from console.services.checkpoints import make_checkpoint, verify_log
from console.services.doctor import Health, examine
from console.services.erasing import give_up_batch
from console.services.gathering import provenance_of
from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.searching import find
from console.services.signing import append
from console.services.unusable_batches import WAITING, unusable_batches
from policies.predicates import LineageBatch
from store.backend import object_path
from store.facts import TEXT_COLUMNS, Fact, FactKind, Relation
from store.identifiers import model_version_key, run_key
from store.objects import sha256_hex
from store.projection import admission, fact_checks
from store.projection.batches import batch_schema, write_facts
from store.projection.committed import BatchMissing
from store.queries.facets import columns_of, facets_of
from store.queries.lineage import Direction, walk
from store.queries.models import list_versions
from store.queries.tenures import alias_changes, spans
from tests.worlds import World

VERSION = model_version_key("mlflow", "fraud", "7")
RUN = Fact(kind=FactKind.RUN, subject=run_key("mlflow", "stolen"), name="stolen")
HONEST = Fact(kind=FactKind.RUN, subject=run_key("mlflow", "honest"), name="honest")
Row = Mapping[str, object]


def commit(world: World, digest: str, rows: int) -> int:
    """Dana signs that an object is a batch; our own program does not mind."""
    batch = LineageBatch("mlflow", "by hand", digest, rows, "2026-03-01T12:00:00Z")
    dana = world.people["dana"]
    return append(world.store, dana, batch, ("mlflow", digest)).index


def parquet(table: pa.Table, compression: str = "zstd") -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target, compression=compression)
    return target.getvalue()


def facts(*rows: Row, schema: pa.Schema | None = None) -> bytes:
    """A batch of rows after an honest one, some fields made worse."""
    plain: dict[str, object] = dict.fromkeys(batch_schema().names)
    plain |= {n: "" for n in TEXT_COLUMNS if n != "text"}
    plain |= {"kind": "run", "subject": RUN.subject, "name": "stolen"}
    return parquet(
        pa.Table.from_pylist([plain | dict(r) for r in rows], schema or batch_schema())
    )


def broken_text() -> bytes:
    """A name that is not in UTF-8."""
    table = pq.read_table(io.BytesIO(facts({})))
    bad = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    place = table.column_names.index("name")
    return parquet(table.set_column(place, batch_schema().field("name"), bad))


def with_column(name: str) -> bytes:
    table = pq.read_table(io.BytesIO(facts({})))
    return parquet(table.append_column(name, pa.array(["x"])))


EDGE: Row = {"kind": "edge", "name": "read", "strength": "observed"}
LONG_AGO = pa.array([-(2**62)], pa.timestamp("us"))


def outside_time() -> bytes:
    table = pq.read_table(io.BytesIO(facts({})))
    place = table.column_names.index("started")
    return parquet(table.set_column(place, batch_schema().field("started"), LONG_AGO))


GARBAGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no Parquet"),
    "text": (lambda: b"PAR1 and so on PAR1", "no Parquet"),
    "the end cut off": (lambda: facts({})[:-9], "no Parquet"),
    "a page overwritten": (lambda: _overwritten(facts({})), "no Parquet"),
    "another table": (lambda: parquet(pa.table({"x": [1]})), "columns"),
    "one column more": (lambda: with_column("more"), "columns"),
    "a column twice": (lambda: with_column("name"), "columns"),
    "a column of another type": (lambda: _step_as_text(), "columns"),
    "no subject": (lambda: facts({"subject": None}), "lacks its subject"),
    "a kind nobody knows": (lambda: facts({"kind": "gift"}), "unknown kind"),
    "a subject that is no key": (lambda: facts({"subject": "run"}), "no key"),
    "a key with too few parts": (
        lambda: facts({"kind": "model_version", "subject": "model-version:x"}),
        "no key",
    ),
    "a key with markup in it": (lambda: facts({"subject": "run:[/x]/\x1b]"}), "no key"),
    "an object that is no key": (lambda: facts({"object": "x\n"}), "no key"),
    "a run that is a model": (lambda: facts({"subject": "model:a/b"}), "something"),
    "text that is not UTF-8": (broken_text, "no Parquet"),
    "a time before all dates": (outside_time, "years 1 to 9999"),
    "a size that is no number": (
        lambda: facts({"kind": "file", "subject": VERSION, "number": float("nan")}),
        "no size",
    ),
    "a link nobody knows": (lambda: facts({**EDGE, "name": "stole"}), "unknown kind"),
    "a link to nothing": (lambda: facts(EDGE), "leads to something else"),
    "a link of no strength": (
        lambda: facts({**EDGE, "object": "dataset-version:a/b", "strength": "x"}),
        "came to be known",
    ),
    "another name that leads nowhere": (
        lambda: facts({"kind": "symlink", "subject": "dataset:a", "object": ""}),
        "leads to something else",
    ),
    "a column of a run": (
        lambda: facts({"kind": "column_lineage", "object": "dataset:a"}),
        "about something else",
    ),
    "a column that came of a run": (
        lambda: facts(
            {
                "kind": "column_lineage",
                "subject": "dataset-version:a/b",
                "object": RUN.subject,
            }
        ),
        "leads to something else",
    ),
    "columns of no version": (
        lambda: facts({"kind": "column_map", "object": "dataset:a"}),
        "leads to something else",
    ),
    "a facet of a model": (
        lambda: facts({"kind": "facet", "subject": "model:a/b", "text": "{}"}),
        "about something else",
    ),
    "a facet by a dataset": (
        lambda: facts({"kind": "facet", "object": "dataset:a", "text": "{}"}),
        "something else than a run",
    ),
    "a facet without a word": (lambda: facts({"kind": "facet"}), "says nothing"),
    "one bad row among good ones": (
        lambda: facts({}, {"subject": run_key("mlflow", "b")}, {"kind": "x"}),
        "unknown kind",
    ),
}


def _overwritten(data: bytes) -> bytes:
    return data[:4] + b"\x00" * 40 + data[44:]


def _step_as_text() -> bytes:
    place = batch_schema().names.index("step")
    schema = batch_schema().set(place, pa.field("step", pa.string()))
    return facts({"step": "1"}, schema=schema)


def names(store: OpenStore) -> list[str]:
    return [run.name for run in catalogue.runs(store, limit=10)]


@pytest.mark.parametrize("what", GARBAGE)
def test_bytes_that_are_no_batch_are_refused_with_the_reason(what: str) -> None:
    make, reason = GARBAGE[what]
    with pytest.raises(fact_checks.UnusableBatch, match=reason):
        admission.admit_batch(make(), None)


def test_batches_that_are_none_change_nothing_and_later_ones_go_on(
    world: World,
) -> None:
    made = {what: make() for what, (make, _) in GARBAGE.items()}
    entries = {
        commit(world, world.store.objects.put(data), 3 if "among" in what else 1): what
        for what, data in made.items()
    }
    world.tell(HONEST)
    assert names(world.store) == ["honest"]
    left = unusable_batches(world.store)
    assert {batch.entry: batch.digest for batch in left} == {
        entry: sha256_hex(made[what]) for entry, what in entries.items()
    }
    report = verify_log(world.store, deep=True)
    assert (report.problems, report.unusable_batches) == ((), left)
    elsewhere = world.reopened(world.elsewhere("other"))
    assert unusable_batches(elsewhere) == left
    assert names(elsewhere) == ["honest"]
    elsewhere.close()


def test_a_batch_of_other_rows_than_its_statement_says_is_left_out(
    world: World,
) -> None:
    commit(world, world.store.objects.put(facts({})), 2)
    (left,) = unusable_batches(world.store)
    assert left.reason == "it has 1 rows; its statement says 2"
    assert names(world.store) == []


def test_a_batch_that_unpacks_without_end_is_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {"text": "x" * 100_000}
    data = facts(*({"subject": run_key("mlflow", str(n)), **long} for n in range(200)))
    assert len(data) < 40_000
    monkeypatch.setattr(admission, "MOST_BYTES", 10_000_000)
    commit(world, world.store.objects.put(data), 200)
    assert "unpacks to more" in unusable_batches(world.store)[0].reason


def test_a_machine_without_memory_leaves_nothing_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tell(HONEST)

    def exhausted(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc failed")

    other = world.reopened(world.elsewhere("small"))
    with monkeypatch.context() as patch:
        patch.setattr(admission, "_parts", exhausted)
        with pytest.raises(Exception, match="lacks the memory"):
            unusable_batches(other)
    assert unusable_batches(other) == ()
    assert names(other) == ["honest"]
    other.close()


def test_a_missing_batch_is_waited_for_and_named_and_may_come_late(
    world: World,
) -> None:
    world.tell(HONEST)
    data = facts({})
    digest = sha256_hex(data)
    entry = commit(world, digest, 1)
    with pytest.raises(BatchMissing, match=f"entry {entry}, object {digest}"):
        names(world.store)
    (waiting,) = unusable_batches(world.store)
    assert (waiting.entry, waiting.reason) == (entry, WAITING)
    finding = next(f for f in examine(world.store) if "batch" in f.what)
    assert finding.health is Health.WRONG
    assert f"entry {entry}" in finding.found
    assert digest in finding.next_step
    world.store.objects.put(data)
    assert sorted(names(world.store)) == ["honest", "stolen"]
    assert unusable_batches(world.store) == ()


def test_a_batch_that_will_never_come_is_given_up_by_a_root_holder(
    world: World,
) -> None:
    digest = "0" * 64
    commit(world, digest, 1)
    give_up_batch(world.store, world.people["dana"], digest, "nobody has it")
    world.tell(HONEST)
    assert names(world.store) == ["honest"]
    assert unusable_batches(world.store) == ()
    assert verify_log(world.store, deep=True).problems == ()


def test_a_batch_that_can_be_used_is_not_given_up(world: World) -> None:
    world.tell(HONEST)
    digest = world.store.index.batches(0)[0].judgement.batch
    with pytest.raises(Misuse, match="can be used"):
        give_up_batch(world.store, world.people["dana"], digest, "away with it")


def test_a_batch_taken_in_half_and_then_missing_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from store.projection import windows

    monkeypatch.setattr(windows, "ROWS_PER_TRANSACTION", 1)
    world.tell(HONEST, RUN)
    digest = world.store.index.batches(0)[0].judgement.batch
    other = world.reopened(world.elsewhere("other"))
    kept = windows.TakingIn._apply_part

    def interrupted(*args: object) -> bool:
        kept(*args)  # type: ignore[arg-type]  # the same arguments
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(windows.TakingIn, "_apply_part", interrupted)
        with pytest.raises(KeyboardInterrupt):
            other.projection.catch_up()
    place = Path(world.store.address) / object_path(digest)
    data = place.read_bytes()
    place.unlink()
    with pytest.raises(BatchMissing):
        other.projection.catch_up()
    place.write_bytes(data)
    assert sorted(names(other)) == ["honest", "stolen"]
    other.close()


def test_the_auditor_is_told_what_was_left_out_and_the_file_verifies(
    world: World,
) -> None:
    entry = commit(world, world.store.objects.put(b"junk"), 1)
    target = world.folder / "audit.zip"
    checkpoint = make_checkpoint(world.store)
    target.write_bytes(export_audit(world.store, Scope(), checkpoint))
    assert b"Batches of facts that change nothing" in target.read_bytes()
    assert verify_file(target, world.store.first_root).problems == ()
    members = members_of(target.read_bytes())
    told = b'"entry":%d,' % entry
    assert told in members["export.json"]
    members["export.json"] = members["export.json"].replace(told, b'"entry":0,')
    target.write_bytes(write_zip(members))
    assert not verify_file(target, world.store.first_root).is_good


def test_log_doctor_and_status_say_why_an_entry_changes_nothing(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(world, world.store.objects.put(b"junk"), 1)
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    for command in (["log", "show"], ["log", "verify", "--deep"], ["doctor"]):
        assert main(command) in (0, 1)
        assert "no Parquet file" in capsys.readouterr().out, command


_KEYS = st.sampled_from(
    [
        RUN.subject,
        VERSION,
        "model:mlflow/fraud",
        "commit:a",
        "commit:",
        "job://",
        "",
        "dataset:a",
        "dataset-version:a/b",
        "dataset-version:a/none%3Aunversioned",
        run_key("ol", "0" * 32),
    ]
)
_TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "\x00",
        "[/x]",
        "\x1b]52;c;x\x07",
        "7",
        "{}",
        "[" * 5000,
        '[{"type":1}]',
        '{"fields":7}',
        '{"run":{"runId":1},"version":[]}',
        "columnLineage",
        "lineage",
        "parent",
        "schema",
        "version",
        "sourceCodeLocation",
    ]
)
_TIMES = st.none() | st.datetimes()
_ROWS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([kind.value for kind in FactKind]),
        "subject": _KEYS,
        "object": _KEYS,
        "name": _TEXTS | st.sampled_from([r.value for r in Relation] + ["samples"]),
        "text": st.none() | _TEXTS,
        "number": st.none() | st.floats(),
        "step": st.none() | st.integers(-(2**63), 2**63 - 1),
        "strength": st.sampled_from(["", "observed", "declared"]),
        "actor": _TEXTS,
        "digest": _TEXTS,
        "status": st.sampled_from(["", "deleted", "FINISHED", "RUNNING"]),
        "location": st.sampled_from(["", "inputFacets", "outputFacets", "run"]),
        "started": _TIMES,
        "high": _TIMES,
    }
)


def read_all(store: OpenStore) -> None:
    """Everything that reads rows; none may break on what was admitted."""
    catalogue.runs(store, limit=100)
    catalogue.models(store)
    catalogue.datasets(store)
    catalogue.commits(store, limit=9)
    find(store, "a")
    find(store, "tag:zzzz")
    find(store, "misspelt")
    with store.projection.reading() as connection:
        for version in list_versions(connection):
            provenance_of(connection, version)
            for changes in alias_changes(connection, version.model_key).values():
                spans(changes, None)
        edges = connection.execute("SELECT subject, object FROM edge").fetchall()
        columns_of(connection)
        told = connection.execute("SELECT subject FROM facet").fetchall()
        for facet in (f for row in told for f in facets_of(connection, row[0])):
            assert isinstance(facet.said, str)
    openlineage_events(store, lineage_scope.Scope())
    prov_document(store, lineage_scope.Scope()).to_bytes()
    for key in {str(key) for row in edges for key in row if key}:
        with store.projection.reading() as connection:
            for direction in Direction:
                walk(connection, key, direction)


@pytest.mark.slow
def test_whatever_is_admitted_can_be_read_by_everything(world: World) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(_ROWS, min_size=1, max_size=6))
    def search(rows: list[Row]) -> None:
        # Versions and links that lead somewhere, so that more than rows are read.
        ground = (
            {"kind": "model", "subject": "model:mlflow/fraud", "name": "fraud"},
            {
                "kind": "model_version",
                "subject": VERSION,
                "object": "model:mlflow/fraud",
                "name": "7",
            },
            {**EDGE, "name": "produced", "object": VERSION},
        )
        data = facts(*ground, *rows)
        try:
            admission.admit_batch(data, len(rows) + 3)
        except fact_checks.UnusableBatch:
            return
        commit(world, world.store.objects.put(data), len(rows) + 3)
        assert unusable_batches(world.store) == ()
        read_all(world.store)

    search()


def test_an_honest_batch_is_admitted_row_for_row(tmp_path: Path) -> None:
    told = tmp_path / "batch"
    write_facts([RUN, HONEST], told)
    found = admission.admit_batch(told.read_bytes(), 2)
    assert found.column("name").to_pylist() == ["stolen", "honest"]
