"""Times in the six fields of Kubeflow Pipelines, there and back."""

from __future__ import annotations

import pytest

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.pipelines.cron_times import cron_times
from connectors.pipelines.kfp_times import kept_cron, kept_times, require_kept
from connectors.pipelines.protocols import Times


@pytest.mark.parametrize(
    ("cron", "kept"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("*/15 8-18/2 * * mon-fri", "0 */15 8-18/2 * * mon-fri"),
        ("@daily", "0 0 0 * * *"),
        ("@weekly", "0 0 0 * * 0"),
        ("0 3 */10 * 1", "0 0 3 1,11,21,31 * 1"),
        ("0 3 1 * */3", "0 0 3 1 * 0,3,6"),
        ("0 3 ?/20,5 jan ?", "0 0 3 1,21,5 jan ?"),
        ("0 3 */1 * 1", "0 0 3 */1 * 1"),
    ],
)
def test_times_have_six_fields_and_no_star_with_a_step_for_a_day(
    cron: str, kept: str
) -> None:
    times = Times(cron)
    assert kept_cron(times) == kept
    again = kept_times(kept, "1", "Etc/UTC")
    assert kept_cron(again) == kept
    one, other = cron_times(cron, "Etc/UTC"), cron_times(again.cron, "Etc/UTC")
    assert (one.fields, one.is_any_day, one.is_any_weekday) == (
        other.fields,
        other.is_any_day,
        other.is_any_weekday,
    )


@pytest.mark.parametrize(
    ("cron", "most"),
    [
        ("0 3 * * *", "1"),
        ("30 0 3 * * *", "1"),
        ("* 0 3 * * *", "1"),
        ("0 0 3 */2 * *", "1"),
        ("0 @daily", "1"),
        ("TZ=Asia/Tokyo 0 0 3 * * *", "1"),
        ("0  0 3 * * *", "1"),
        ("0 0 3 * * *", "2"),
        ("0 0 3 * * *", ""),
        ("", "1"),
    ],
)
def test_what_is_not_as_it_is_planned_is_no_plan(cron: str, most: str) -> None:
    with pytest.raises(MalformedInput):
        kept_times(cron, most, "Etc/UTC")


@pytest.mark.parametrize(
    ("times", "why"),
    [
        (Times("0 3 * * *", overlap="Replace"), "--overlap Replace"),
        (Times("0 3 * * *", deadline_seconds=600), "--deadline"),
        (Times("0 3 * * *", "Europe/Berlin"), "one zone"),
    ],
)
def test_what_it_cannot_keep_to_is_refused_by_name(times: Times, why: str) -> None:
    with pytest.raises(ConnectorRefused, match=why):
        require_kept(times, "Etc/UTC")


def test_the_zone_of_an_installation_is_the_one_that_it_keeps() -> None:
    require_kept(Times("0 3 * * *", "Europe/Berlin", "Allow"), "Europe/Berlin")
    with pytest.raises(ConnectorRefused, match="Europe/Berlin"):
        require_kept(Times("0 3 * * *"), "Europe/Berlin")
