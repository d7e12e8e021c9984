"""Letting lineage facts about one thing go: each batch is replaced by one without."""

from __future__ import annotations

import io

from console.services.opened import OpenStore
from console.services.problems import Misuse
from console.services.signing import Acting
from console.services.words import Erased, erase
from policies.topics import LINEAGE
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
    done = []
    for entry in store.index.on_topics(LINEAGE):
        _, digest = store.batch_at(entry.index)
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


def _without(objects: Objects, digest: str, subject: str) -> bytes | None:
    """The batch without rows about a thing, or None if it has none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from store.projection.batches import ROWS_PER_GROUP, read_batch

    table = read_batch(objects.get(digest), digest=digest)
    speaks = pc.or_kleene(
        pc.equal(table["subject"], subject), pc.equal(table["object"], subject)
    )
    kept = table.filter(pc.invert(pc.fill_null(speaks, False)))
    if kept.num_rows == table.num_rows:
        return None
    target = io.BytesIO()
    pq.write_table(kept, target, compression="zstd", row_group_size=ROWS_PER_GROUP)
    return target.getvalue()
