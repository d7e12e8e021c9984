"""Hashes that came before are told from the others, whatever slots they share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store.projection import seen
from store.projection.seen import SeenHashes

HASHES = st.lists(st.integers(0, 40) | st.integers(0, 2**63 - 1), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(HASHES, max_size=6))
def test_a_hash_was_seen_if_an_earlier_call_had_it(
    monkeypatch: pytest.MonkeyPatch, calls: list[list[int]]
) -> None:
    monkeypatch.setattr(seen, "SLOTS", 16)
    hashes, before = SeenHashes(), set[int]()
    for call in calls:
        found = hashes.note(np.array(call, np.int64))
        assert found.tolist() == [one in before for one in call]
        before |= set(call)
