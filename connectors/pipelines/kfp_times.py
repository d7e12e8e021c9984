"""Times as Kubeflow Pipelines keeps them: six fields, the seconds first.

Its controller reads five fields as six without the last, so that `0 3 * * *` would come
at three minutes past every hour. It takes a day of `*/2` for one that is left open,
which no other cron does; such days are written one by one.
"""

from __future__ import annotations

from connectors.errors import ConnectorRefused, MalformedInput
from connectors.pipelines.cron_times import check_cron, day_numbers, five_fields
from connectors.pipelines.protocols import Times

AT_ONCE = {"Forbid": "1", "Allow": "10"}
"""How many runs may go on at once; ten are the most that it takes."""
_SECONDS = "0"


def kept_cron(times: Times) -> str:
    """The cron of a recurring run that is due at some times.

    Raises:
        MalformedInput: they are none.
    """
    minute, hour, day, month, weekday = five_fields(times.cron)
    days = day_numbers(day, is_weekday=False)
    weekdays = day_numbers(weekday, is_weekday=True)
    return " ".join((_SECONDS, minute, hour, days, month, weekdays))


def kept_times(cron: str, most_at_once: str, time_zone: str) -> Times:
    """The times of a recurring run; the other way round.

    Raises:
        MalformedInput: it is due at others than these words can say.
    """
    seconds, _, five = cron.partition(" ")
    overlaps = [name for name, most in AT_ONCE.items() if most == most_at_once]
    if not overlaps:
        raise MalformedInput(f"{most_at_once[:20]!r} at once is no overlap")
    times = Times(five, time_zone, overlaps[0])
    check_cron(five, time_zone)
    if seconds != _SECONDS or kept_cron(times) != cron:
        raise MalformedInput(f"{cron[:80]!r} are not times as they are planned")
    return times


def require_kept(times: Times, time_zone: str) -> None:
    """Refuse what Kubeflow Pipelines cannot keep to, by its name.

    Raises:
        ConnectorRefused: it cannot keep to it.
        MalformedInput: they are no times.
    """
    check_cron(times.cron, times.time_zone)
    if times.overlap not in ("Forbid", "Allow", "Replace"):
        raise MalformedInput(
            f"{times.overlap[:40]!r} is none of {', '.join(AT_ONCE)}",
            hint="--overlap Forbid",
        )
    if times.overlap not in AT_ONCE:
        raise ConnectorRefused(
            f"Kubeflow Pipelines ends no run for the next one: --overlap "
            f"{times.overlap}",
            hint=f"--overlap {' or '.join(AT_ONCE)}",
        )
    if times.deadline_seconds:
        raise ConnectorRefused(
            "Kubeflow Pipelines starts what is late however late it is: no --deadline "
            f"of {times.deadline_seconds} seconds can be kept to",
            hint="Leave it out.",
        )
    if times.time_zone != time_zone:
        raise ConnectorRefused(
            f"Kubeflow Pipelines keeps all times in one zone, which is {time_zone} as "
            f"it is configured here, not {times.time_zone[:80]}",
            hint=f"--time-zone {time_zone}; or time_zone of its [kubeflow.NAME], if "
            "CRON_SCHEDULE_TIMEZONE of its controller is another.",
        )
