"""What can be done about one launch from its screen: why not now, what is asked before,
and what is said after. The services decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from connectors.pipelines.protocols import CanCancel, CanLaunch, PipelineRun, RunState
from console.screens.acting import ActingScreen, Deed
from console.screens.confirming import ConfirmDialog
from console.screens.ending import logging_end, question_of_end
from console.screens.signing import SigningAnswer, SigningQuestion
from console.services.opened import OpenStore
from console.services.pipelines.cancelling import Ended, end_at
from console.services.pipelines.launch_sheet import LaunchSheet
from console.services.pipelines.launchers import launcher_of_all
from console.services.pipelines.launching import launch as launch_pipeline
from console.services.pipelines.releasing import Decided, release
from console.services.pipelines.repeating import once_more
from console.services.signing import Acting
from policies.predicates import Decision

GRACE_SECONDS = 10.0
IN_FORCE = "the one in force when it is sent"


@dataclass(frozen=True, slots=True)
class KnownLaunch:
    """What the log has of a launch, and who shows how it goes."""

    sheet: LaunchSheet
    place: CanLaunch
    is_schedule: bool
    """Whether its place starts it again and again."""


def why_not(action: str, known: KnownLaunch | None, run: PipelineRun | None) -> str:
    """Why something cannot be done now, or empty."""
    if action == "draft":
        return "" if known is not None else "it is still being read"
    if known is None:
        return "it is still being looked at"
    if action == "decide":
        return known.sheet.why_no_decision(run)
    if action == "start":
        return known.sheet.why_no_start(run)
    if run is None:
        return "nothing of it was seen here"
    state = run.state
    if action == "cancel_run":
        if not isinstance(known.place, CanCancel):
            return f"{known.place.backend} cancels nothing"
        return f"it is {state.value}" if state.is_final else ""
    if action == "repeat":
        return "" if state.is_final else f"it is {state.value}"
    return ""


def question(launch: str, sheet: LaunchSheet, verb: str) -> SigningQuestion:
    """What is shown before somebody signs."""
    intent = sheet.record.intent
    policy = sheet.judged.policy if sheet.judged else None
    under = f"{policy.id} version {policy.version}" if policy else IN_FORCE
    given = ", ".join(f"{name}={value}" for name, value in sheet.plan.parameters)
    return SigningQuestion(
        verb=verb,
        name=intent.pipeline,
        facts=(
            f"{verb.capitalize()}: {launch}",
            f"Pipeline: {intent.pipeline} in {intent.environment}",
            f"Policy: {under}",
            f"Plan: {intent.definition[:16]}  Parameters: {given or 'none'}",
            *(f"Image: {image}" for image in sheet.plan.images),
        ),
        needs_reason=verb in ("approve", "reject"),
        kind="pipeline",
    )


def deciding(launch: str, decision: Decision) -> Deed:
    """Release a held launch, or say that it must not go."""

    def decide(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
        decided = Decided(decision, answer.reason)
        done = release(store, acting, launcher_of_all(store), launch, decided)
        entry = f"entry {done.signed.index}" if done.signed else "nothing"
        if done.launched is not None:
            return f"Signed: {decision.value}, {entry}; it was started"
        return f"Signed: {decision.value}, {entry}. {done.waits_for}".strip()

    return decide


def starting(launch: str) -> Deed:
    """Start what others released."""

    def start(store: OpenStore, acting: Acting, _: SigningAnswer) -> str:
        release(store, acting, launcher_of_all(store), launch, None)
        return "It was started"

    return start


def repeating(launch: str) -> Deed:
    """Launch exactly the same once more."""

    def repeat(store: OpenStore, acting: Acting, _: SigningAnswer) -> str:
        place = launcher_of_all(store).of(launch)
        asked = once_more(store, place, launch)
        done = launch_pipeline(store, acting, place, asked)
        return f"Launched as {done.run.launch}, entry {done.intent.index}"

    return repeat


def before_ending(
    launch: str, run: PipelineRun, *, is_schedule: bool
) -> tuple[str, ...]:
    """What is shown before a launch is ended."""
    what = f"Its processes are asked to end, and killed after {GRACE_SECONDS:.0f} s."
    if run.state is RunState.SUSPENDED:
        what = "Nothing of it runs yet, and nothing ever will."
    elif is_schedule:
        what = "Nothing is started again, and what it started and still runs is ended."
    return (
        f"Ends the launch {launch}, which is {run.state.value}.",
        what,
        "It is never started again under this id.",
    )


class LaunchDeeds(ActingScreen):
    """A screen of one launch, with what its keys do."""

    SIGNS = frozenset({"decide", "start", "cancel_run", "repeat", "draft"})

    def __init__(self, launch: str) -> None:
        super().__init__()
        self._launch = launch
        self._known: KnownLaunch | None = None

    @property
    def _run(self) -> PipelineRun | None:
        """As it was seen last."""
        raise NotImplementedError

    def why_not(self, action: str) -> str:
        """See ActingScreen."""
        return why_not(action, self._known, self._run)

    def action_decide(self, decision: str) -> None:
        """Open the dialog for releasing it, or for saying that it must not go."""
        if self._known is not None:
            asked = question(self._launch, self._known.sheet, decision)
            self.sign(asked, deciding(self._launch, Decision(decision)))

    def action_start(self) -> None:
        """Open the dialog for starting what others released."""
        if self._known is not None:
            asked = question(self._launch, self._known.sheet, "start")
            self.sign(asked, starting(self._launch))

    def action_repeat(self) -> None:
        """Open the dialog for launching exactly the same once more."""
        if self._known is not None:
            asked = question(self._launch, self._known.sheet, "launch again")
            self.sign(asked, repeating(self._launch))

    def action_draft(self) -> None:
        """Open the dialog for launching it with changes, filled in as it was."""
        from console.screens.launching import LaunchDialog
        from console.services.pipelines.drafting import draft_of

        if self._known is not None:
            sheet = self._known.sheet
            draft = draft_of(sheet.plan, sheet.record.intent.environment)
            cause = f"changed from {self._launch}"
            self.app.push_screen(LaunchDialog(replace(draft, cause=cause)))

    def action_cancel_run(self) -> None:
        """Ask once more, then end it."""
        if self._known is None or self._run is None:
            return
        said = before_ending(
            self._launch, self._run, is_schedule=self._known.is_schedule
        )
        self.app.push_screen(
            ConfirmDialog(said, keep="Leave it as it is", do="End it"), self._cancel
        )

    def _cancel(self, is_sure: bool | None) -> None:
        place = self._known.place if self._known else None
        if not is_sure or not isinstance(place, CanCancel):
            return
        self.app.notify("Ending it…", markup=False)

        self.look(lambda: end_at(place, self._launch, GRACE_SECONDS), self._log_end)

    def _log_end(self, ended: Ended) -> None:
        """Say what came of it, and ask for the signature under that."""
        self.tell(ended.said if ended.run else f"{ended.said} {ended.hint}")
        if self._known is not None:
            asked = question_of_end(self._launch, self._known.sheet, ended)
            self.sign(asked, logging_end(self._launch, ended))
