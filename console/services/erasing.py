"""Letting lineage facts about one thing go: each batch is replaced by one without."""

from __future__ import annotations

import io

from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.signing import Acting
from console.services.words import Erased, erase
from policies.predicates.upkeep import ErasedKind
from policies.topics import LINEAGE, erasable_topic
from store.objects import Objects


def erase_facts(
    store: OpenStore, acting: Acting, subject: str, reason: str
) -> list[Erased]:
    """Replace every batch that speaks of a thing, named by its key.

    Whole batches are left as they are where they do not name it. The projection of
    every machine is made anew once it reads the statement.

    Raises:
        Misuse: no batch speaks of it.
        StoreRefused: the signer may not.
    """
    from console.services.committed_batches import CommittedBatches

    done, batches = [], CommittedBatches(store)
    for entry in store.index.on_topics(LINEAGE):
        digest = batches.batch_at(entry.index).digest
        replacement = _without(store.objects, digest, subject)
        if replacement is not None:
            written = store.objects.put(replacement)
            done.append(erase(store, acting, digest, reason, replacement=written))
    if not done:
        raise Misuse(
            f"no facts speak of {subject!r}",
            hint="Give its key, such as run:mlflow/3f9c...; see: countersign show REF "
            "--format json",
        )
    return done


def is_batch(store: OpenStore, target: str) -> bool:
    """Whether the log names an object as a batch of facts."""
    return bool(store.index.on_topics(erasable_topic(target, ErasedKind.LINEAGE_BATCH)))


def give_up_batch(
    store: OpenStore, acting: Acting, digest: str, reason: str
) -> list[Erased]:
    """Put a batch of no facts in the place of one that is missing or is no batch.

    Raises:
        Misuse: it is a batch that every machine takes in.
        StoreRefused: the signer may not.
    """
    from store.projection.admission import admit_batch
    from store.projection.fact_checks import UnusableBatch

    data = store.objects.find(digest)
    try:
        if data is not None:
            admit_batch(data, None)
            raise Misuse(
                "that batch of facts can be used; it is not let go whole",
                hint="Let go what it says of one thing: countersign erase facts:KEY",
            )
    except UnusableBatch:
        """Nothing would be lost with it."""
    empty = store.objects.put(_no_facts())
    return [erase(store, acting, digest, reason, replacement=empty)]


def _no_facts() -> bytes:
    import pyarrow.parquet as pq

    from store.projection.batches import batch_schema

    target = io.BytesIO()
    pq.write_table(batch_schema().empty_table(), target, compression="zstd")
    return target.getvalue()


def _without(objects: Objects, digest: str, subject: str) -> bytes | None:
    """The batch without rows about a thing, or None if it has none, or is none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from store.projection.admission import admit_batch
    from store.projection.batches import ROWS_PER_GROUP
    from store.projection.fact_checks import UnusableBatch

    try:
        table = admit_batch(objects.get(digest), None)
    except UnusableBatch:
        return None
    speaks = pc.or_kleene(
        pc.equal(table["subject"], subject), pc.equal(table["object"], subject)
    )
    kept = table.filter(pc.invert(pc.fill_null(speaks, False)))
    if kept.num_rows == table.num_rows:
        return None
    target = io.BytesIO()
    pq.write_table(kept, target, compression="zstd", row_group_size=ROWS_PER_GROUP)
    return target.getvalue()
