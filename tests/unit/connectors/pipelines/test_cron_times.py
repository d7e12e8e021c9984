"""The times of five cron fields, held to a search minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from connectors.errors import MalformedInput
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.fired_runs import cause_of, fired_id, schedule_of
from tests.contract.kubernetes_server.cron import due

MARCH = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
A_MINUTE, A_SECOND = timedelta(minutes=1), timedelta(seconds=1)
AT_THREE = cron_times("0 3 * * *", "Etc/UTC")
ZONES = ("Etc/UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


def _field(low: int, high: int) -> some.SearchStrategy[str]:
    numbers = some.integers(low, high)
    spans = some.tuples(numbers, numbers).map(
        lambda pair: "{}-{}".format(*sorted(pair))
    )
    stepped = some.tuples(spans, some.integers(1, 9)).map("{0[0]}/{0[1]}".format)
    part = numbers.map(str) | spans | stepped
    listed = some.lists(part, min_size=1, max_size=3).map(",".join)
    return some.just("*") | listed


EXPRESSIONS = some.tuples(
    _field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)
).map(" ".join)


@settings(max_examples=60)
@given(
    EXPRESSIONS,
    some.sampled_from(ZONES),
    some.sampled_from([MARCH, OCTOBER]),
    some.integers(0, 3000),
)
def test_the_same_times_come_as_when_every_minute_is_looked_at(
    expression: str, zone: str, begin: datetime, minutes: int
) -> None:
    after = begin + timedelta(minutes=minutes)
    until = after + timedelta(days=3)
    found = list(cron_times(expression, zone).between(after, until, 10_000))
    assert found == due(expression, zone, after, until)
    assert all(cron_times(expression, zone).includes(at) for at in found)


def test_a_time_left_out_by_the_clocks_does_not_come_a_repeated_one_twice() -> None:
    times = cron_times("30 2 * * *", "Europe/Berlin")
    spring = list(times.between(MARCH, MARCH + timedelta(days=1), 10))
    assert spring == []
    autumn = list(times.between(OCTOBER, OCTOBER + timedelta(days=1), 10))
    assert [at.hour for at in autumn] == [0, 1]


def test_a_day_of_the_month_or_of_the_week_is_enough_where_both_are_named() -> None:
    times = cron_times("0 0 13 * fri", "Etc/UTC")
    begin = datetime(2026, 2, 1, tzinfo=UTC)
    found = [at.day for at in times.between(begin, begin + timedelta(days=20), 10)]
    assert found == [6, 13, 20]
    only = cron_times("0 0 */1 * fri", "Etc/UTC")
    found = [at.day for at in only.between(begin, begin + timedelta(days=20), 10)]
    assert found == [6, 13, 20]
    every_other = cron_times("0 0 */7 * fri", "Etc/UTC")
    assert every_other.after(begin) == datetime(2026, 2, 6, tzinfo=UTC)


def test_a_leap_day_is_found_and_a_day_that_never_comes_is_not() -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    assert cron_times("0 0 29 2 *", "Etc/UTC").after(begin) == datetime(
        2028, 2, 29, tzinfo=UTC
    )
    assert cron_times("0 0 30 2 *", "Etc/UTC").after(begin) is None


@pytest.mark.parametrize(
    "expression",
    [
        *("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *"),
        *("* * * 13 *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "1/-2 * * * *"),
        *("a * * * *", "* * * foo *", "@reboot", "@every 5m", "TZ=UTC * * * * *"),
        *("*  * * * *", "* * * * *\n", "\u0661 * * * *", "1,,2 * * * *", "*-5 * * * *"),
        *("1-2-3 * * * *", "1/2/3 * * * *", "9" * 300, "-1 * * * *", "1.5 * * * *"),
    ],
)
def test_what_names_no_times_is_refused(expression: str) -> None:
    with pytest.raises(MalformedInput):
        cron_times(expression, "Etc/UTC")


@pytest.mark.parametrize(
    "zone", ["", "Local", "UTC+1/../x", "/etc/passwd", "../x", "a" * 500, "Mars/Base"]
)
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(MalformedInput):
        cron_times("* * * * *", zone)


@settings(max_examples=60)
@given(some.text(max_size=30), some.text(max_size=30))
def test_whatever_is_written_is_taken_or_refused(expression: str, zone: str) -> None:
    try:
        cron_times(expression, zone).after(MARCH)
    except MalformedInput:
        return


@pytest.mark.parametrize("unit", [A_MINUTE, A_SECOND])
def test_a_run_is_called_by_its_schedule_and_its_time(unit: timedelta) -> None:
    at = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
    number = int(at.timestamp()) // int(unit.total_seconds())
    name = fired_id("nightly", "cs-1", f"cs-1-{number}", AT_THREE, unit)
    assert name == "nightly~20261127T0300Z"
    assert (schedule_of(name), cause_of(name)) == ("nightly", "schedule nightly")
    assert schedule_of("nightly") == ""


@pytest.mark.parametrize("unit", [A_MINUTE, A_SECOND])
@pytest.mark.parametrize(
    "job",
    [
        *("by-hand", "cs-1-", "cs-1-x", "cs-1-1", "cs-1-0", "cs-1-00029000000"),
        *("cs-1", "cs-1-" + "9" * 40, "cs-1-\u0662", "cs-2-29000000"),
        *("cs-1-99999999999", "cs-1-1795748401", "cs-1-1795748430"),
    ],
)
def test_a_job_that_no_time_names_was_started_by_hand(
    job: str, unit: timedelta
) -> None:
    name = fired_id("nightly", "cs-1", job, AT_THREE, unit)
    assert name == f"nightly~{job}"
    assert cause_of(name) == "schedule nightly, by hand"
