"""The command that holds what there is against what the log approves: status."""

from __future__ import annotations

from console.cli.context import Context
from console.cli.forms import show_rows
from console.cli.output import moment, say, show_json
from console.rendering import one_line
from console.services.problems import Misuse, Undecided


def status(context: Context) -> int:
    """`status`: 0 when every registry says what the log approves, and every schedule
    would be allowed today; 1 when one does not, or would not; 3 when no policy names a
    stage to compare."""
    if context.arguments.watch:
        if context.arguments.format not in ("table", "json"):
            raise Misuse("--watch prints lines or JSON", hint="--format json")
        from console.cli.watching import watch

        return watch(context)
    if context.arguments.every:
        raise Misuse("--every goes with --watch", hint="countersign status --watch")
    from console.cli.pipeline_schedules import tell_objections
    from console.cli.waiting import tell_waiting, waiting_for_me
    from console.services.pipelines.keeping_record import ended_unrecorded
    from console.services.pipelines.launch_words import unrecorded_lines
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.schedules import list_schedules
    from console.services.standing import governed_stages, unapproved_changes
    from console.services.unusable_batches import unusable_batches

    everywhere = launcher_of_all(context.store)
    kept = list_schedules(context.store, everywhere)
    schedules = [line for line in kept if line.is_objected_to]
    unrecorded = [
        run.launch for run in ended_unrecorded(context.store, everywhere).runs
    ]
    for_me = waiting_for_me(context)
    tell_waiting(for_me)
    is_governed = bool(governed_stages(context.store))
    if not is_governed and not schedules and not unrecorded and not for_me:
        raise Undecided(
            "no policy in force names a stage, so no registry can be compared",
            hint="Put one in force: countersign policy activate FILE",
        )
    found = unapproved_changes(context.store) if is_governed else []
    for batch in unusable_batches(context.store):
        say(f"Entry {batch.entry} changes nothing, its batch: {batch.reason}.")
    if context.arguments.format == "json":
        show_json(
            "status",
            unapproved_changes=found,
            schedules=schedules,
            unrecorded_launches=unrecorded,
            waiting_for_me=for_me,
        )
    elif found:
        is_one_source = len({c.model.partition("/")[0] for c in found}) == 1
        is_short = is_one_source and context.arguments.format == "table"
        show_rows(
            context.arguments.format,
            ("MODEL", "ENVIRONMENT", "STAGE", "REGISTRY", "LOG", "SEEN"),
            [
                (
                    c.model.partition("/")[2] if is_short else c.model,
                    c.environment,
                    c.stage,
                    c.registry or "nothing",
                    c.approved or "nothing",
                    moment(c.since),
                )
                for c in found
            ],
        )
    elif is_governed:
        say("Every registry says what the log approves, as of the last import.")
    tell_objections(
        [line for line in kept if line.is_objected_to or line.is_cancelled_in_silence]
    )
    for text in unrecorded_lines(unrecorded):
        say(one_line(text))
    return 1 if found or schedules else 0
