"""Commands that launch pipelines, let them go, end them and repeat them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from console.cli.context import Context, span_of
from console.cli.output import say, show, show_json
from console.cli.pipeline_archiving import add_archive
from console.cli.pipeline_cancelling import add_cancel
from console.cli.pipeline_following import wait_for
from console.cli.pipeline_pruning import add_prune
from console.cli.pipeline_recording import add_record
from console.cli.pipeline_schedules import add_schedule
from console.cli.pipeline_views import add_views
from console.cli.pipeline_words import state_line
from console.services.configuration import DEFAULT_ENVIRONMENT
from console.services.pipelines.named_values import TRACKING, pairs, tracking_address
from console.services.problems import Misuse

if TYPE_CHECKING:
    from connectors.pipelines.protocols import CanLaunch, LaunchRequest
    from console.services.pipelines.asked import Asked
    from console.services.pipelines.launch_judging import JudgedLaunch

_UNITS = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `pipeline`."""
    pipeline = commands.add_parser("pipeline", help="launch, release, watch, end")
    whats = pipeline.add_subparsers(dest="what", required=True, metavar="WHAT")
    _add_launch(whats)
    parser = whats.add_parser("release", help="let a held launch go")
    parser.add_argument("launch", metavar="LAUNCH")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--reason", metavar="TEXT")
    choice.add_argument(
        "--start", action="store_true", help="sign nothing; start what is released"
    )
    parser.add_argument("--reject", action="store_true", help="say that it must not go")
    parser.add_argument("--role", default="", metavar="ROLE")
    parser.add_argument("--key", metavar="KEY")
    parser.set_defaults(handler=release, decides=True)
    add_views(whats)
    add_cancel(whats)
    parser = whats.add_parser("retry", help="launch exactly the same once more")
    parser.add_argument("launch", metavar="LAUNCH")
    parser.add_argument("--id", default="", metavar="ID", help="of the new one")
    _add_waiting(parser)
    parser.set_defaults(handler=retry, decides=True, dry_run=False)
    add_schedule(whats)
    add_record(whats)
    add_archive(whats)
    add_prune(whats)


def _add_launch(whats: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = whats.add_parser("launch", help="run a project, if it may be run")
    parser.add_argument(
        "project",
        metavar="PROJECT",
        help="folder with an MLproject; for a cluster, the manifest of a job; for "
        "kfp, a compiled pipeline",
    )
    parser.add_argument(
        "--backend",
        default="local",
        metavar="local|kubernetes|kfp",
        help="where it runs; local",
    )
    parser.add_argument(
        "--context",
        default="",
        metavar="NAME",
        help="of the kubeconfig, or the [kubeflow.NAME] configured",
    )
    parser.add_argument(
        "--namespace", default="", metavar="NAME", help="default: the context's own"
    )
    parser.add_argument(
        "--entry", action="append", default=[], metavar="NAME", help="step; repeatable"
    )
    parser.add_argument(
        "-P",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter; repeatable",
    )
    parser.add_argument("--ref", default="", metavar="REF", help="run this commit")
    parser.add_argument("--name", default="", metavar="NAME", help="of the pipeline")
    parser.add_argument(
        "--env",
        default=DEFAULT_ENVIRONMENT,
        metavar="ENVIRONMENT",
        help=f"that policies know; {DEFAULT_ENVIRONMENT}",
    )
    parser.add_argument("--id", default="", metavar="ID", help="the same starts once")
    parser.add_argument(
        "--cause", default="a person", metavar="TEXT", help="why; it is recorded"
    )
    parser.add_argument(
        "--python",
        default="current",
        metavar="current|virtualenv|PATH",
        help="virtualenv: built as the project's python_env says; or one that is there",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="variable; shown and recorded",
    )
    parser.add_argument(
        "--pass",
        dest="passed",
        action="append",
        default=[],
        metavar="NAME",
        help="pass this variable on, and never show its value",
    )
    parser.add_argument(
        "--tracking", default="", metavar="SOURCE", help="MLflow server, or a source"
    )
    for name, what in (
        ("--time-limit", "of the whole run: 30m, 2h"),
        ("--cpu-limit", "processor time of each process"),
        ("--memory-limit", "of each process: 4GiB"),
        ("--file-limit", "size of each file that it writes"),
        ("--log-limit", "what is kept of what it prints"),
    ):
        parser.add_argument(name, default="", metavar="AMOUNT", help=what)
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, exactly"
    )
    parser.add_argument(
        "--plan", default="", metavar="DIGEST", help="send no other plan than this"
    )
    _add_waiting(parser)
    parser.set_defaults(handler=launch, decides=True)


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="until it has ended")
    parser.add_argument(
        "--timeout", default="", metavar="TIME", help="of --wait; the run goes on"
    )
    parser.add_argument("--key", metavar="KEY", help="that signs the intent")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def launch(context: Context) -> int:
    """`pipeline launch`"""
    from console.services.pipelines.asked import Asked, SeenPlan
    from console.services.pipelines.launchers import open_launcher

    given, store = context.arguments, context.store
    seen = SeenPlan(given.plan) if given.plan else None
    asked = Asked(_request(context), given.env, given.id, given.cause, seen)
    launcher = open_launcher(
        store, given.backend, context=given.context, namespace=given.namespace
    )
    if given.dry_run:
        return show_dry_run(context, asked, launcher)
    return launch_asked(context, asked, launcher)


def show_dry_run(context: Context, asked: Asked, launcher: CanLaunch) -> int:
    """Print the plan, byte for byte; the verdict goes beside it."""
    from console.services.pipelines.declaring import ENROL_THEM
    from console.services.pipelines.launching import plan_launch
    from console.services.pipelines.release_hopes import undivided
    from policies.verdict import Verdict, exit_code, tree_lines

    plan, judged = plan_launch(context.store, launcher, asked, "")
    hopeless = undivided(judged) if judged.waits else ""
    if context.arguments.format == "json":
        show_json(
            "pipeline-plan",
            digest=plan.digest,
            plan=plan,
            verdict=judged.tree.verdict,
            waits=judged.waits,
            hopeless=hopeless,
            tree=judged.tree.to_json(),
        )
    else:
        show(plan.to_bytes().decode())
        say(f"plan {plan.digest}; nothing was sent")
        for built in plan.virtualenv:
            if built.unlocked:
                say(f"the environment is not locked: {built.unlocked}")
        say("\n".join(tree_lines(judged.tree)))
        if judged.waits and not hopeless:
            say("It would be held until it is released.")
        tell_too_few(context, judged, plan.pipeline, asked.environment)
    if hopeless:
        say(f"It would be refused: {hopeless}. {ENROL_THEM}")
        return 1
    may_go = judged.tree.verdict is Verdict.YES or judged.waits
    return 0 if may_go else exit_code(judged.tree)


def launch_asked(context: Context, asked: Asked, launcher: CanLaunch) -> int:
    """Launch, and say what became of it.

    Raises:
        Misuse: a time to wait was given, and not that it should.
    """
    from connectors.pipelines.protocols import RunState
    from console.services.pipelines.launching import launch as launch_pipeline

    if context.arguments.timeout and not context.arguments.wait:
        raise Misuse("--timeout is for --wait", hint="Add --wait, or leave it out.")
    acting = context.person()
    done = launch_pipeline(context.store, acting, launcher, asked)
    run = done.run
    if done.outcome is None:
        say(f"It was launched before: entry {done.intent.index}.")
    else:
        say(f"Intent: entry {done.intent.index}. Outcome: entry {done.outcome.index}.")
    if run.state is RunState.SUSPENDED:
        say(
            "It is held until it is released: countersign pipeline release "
            f"{run.launch} --reason TEXT"
        )
        if done.judged is not None:
            tell_too_few(context, done.judged, done.plan.pipeline, done.environment)
    code = 0
    if context.arguments.wait:
        code, run = wait_for(context, run.launch, acting)
    if context.arguments.format == "json":
        show_json(
            "pipeline-launch",
            launch=run.launch,
            environment=done.environment,
            plan=done.plan.digest,
            intent=done.intent.statement_id,
            run=run,
        )
    else:
        show(run.launch)
    return code


def tell_too_few(
    context: Context, judged: JudgedLaunch, pipeline: str, environment: str
) -> None:
    """Say so where too few people could release what waits to be released."""
    from console.services.pipelines.release_hopes import too_few

    lack = too_few(context.store, judged, pipeline, environment)
    if judged.waits and lack:
        say(f"As things are nobody can let it go: {lack}.")


def release(context: Context) -> int:
    """`pipeline release`: 0 when it was started, or signed as asked."""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.releasing import Decided
    from console.services.pipelines.releasing import release as release_launch
    from policies.predicates import Decision

    given, store = context.arguments, context.store
    decision = Decision.REJECT if given.reject else Decision.APPROVE
    decided = None if given.start else Decided(decision, given.reason, given.role)
    if given.start and given.reject:
        raise Misuse("--start and --reject say the contrary")
    done = release_launch(
        store, context.person(), launcher_of_all(store), given.launch, decided
    )
    if done.signed is not None:
        say(f"Signed to {decision.value} it; entry {done.signed.index}.")
        show(f"statement:{done.signed.statement_id[:12]}")
    if done.launched is not None:
        say(state_line(done.launched.run))
    elif not given.reject:
        say(done.waits_for)
    return 0


def retry(context: Context) -> int:
    """`pipeline retry`"""
    from console.services.pipelines.launchers import launcher_of_all
    from console.services.pipelines.repeating import once_more
    from console.services.pipelines.viewing import launch_line

    store = context.store
    everywhere = launcher_of_all(store)
    line = launch_line(store, everywhere, context.arguments.launch)
    launcher = everywhere.of(line.launch)
    asked = once_more(store, launcher, line.launch)
    return launch_asked(context, replace(asked, launch=context.arguments.id), launcher)


def _request(context: Context) -> LaunchRequest:
    from connectors.pipelines.protocols import LaunchRequest, Limits

    given = context.arguments
    settings = pairs(given.settings, "--set")
    if given.tracking:
        settings[TRACKING] = tracking_address(context.store, given.tracking)
    amounts = {
        "wall_seconds": _seconds(given.time_limit),
        "cpu_seconds": _seconds(given.cpu_limit),
        "memory_bytes": _bytes(given.memory_limit),
        "file_bytes": _bytes(given.file_limit),
    }
    log_bytes = _bytes(given.log_limit)
    return LaunchRequest(
        project=given.project,
        pipeline=given.name,
        entry_points=tuple(given.entry) or ("main",),
        parameters=pairs(given.parameters, "-P"),
        ref=given.ref,
        runtime=given.python,
        settings=settings,
        passed=tuple(given.passed),
        limits=Limits(**amounts, **({"log_bytes": log_bytes} if log_bytes else {})),
    )


def _seconds(given: str) -> int:
    return int(span_of(given, "time").total_seconds()) if given else 0


def _bytes(given: str) -> int:
    number = given.rstrip("KMGTiB")
    unit = given[len(number) :]
    if not given:
        return 0
    if not (number.isascii() and number.isdecimal()) or unit not in _UNITS:
        raise Misuse(f"{given[:40]!r} is no size", hint="Write 512MiB or 4GiB.")
    return int(number) * _UNITS[unit]
