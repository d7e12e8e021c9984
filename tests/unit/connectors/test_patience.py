"""Calls that do not come back are left behind, and cleaned up after when they do."""

from __future__ import annotations

import threading

import pytest

from connectors.mlflow.patience import Patience, Stalled


def test_what_comes_back_is_passed_on() -> None:
    patience = Patience(10, lambda: None)
    assert patience.wait_for(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        patience.wait_for(lambda: 1 // 0)
    assert patience.is_free


def test_late_call_is_cleaned_up_after_when_it_ends_and_not_before() -> None:
    release, cleaned = threading.Event(), threading.Event()
    patience = Patience(0.05, cleaned.set)
    with pytest.raises(Stalled):
        patience.wait_for(lambda: release.wait(20))
    assert not patience.is_free
    assert not cleaned.is_set()
    release.set()
    assert cleaned.wait(20)


def test_call_in_time_is_not_cleaned_up_after() -> None:
    cleaned = threading.Event()
    patience = Patience(10, cleaned.set)
    patience.wait_for(lambda: None)
    assert patience.is_free
    assert not cleaned.is_set()
