"""After a launch was ended from the screen: having the log say who did, and why."""

from __future__ import annotations

from console.screens.acting import Deed
from console.screens.signing import Blank, SigningAnswer, SigningQuestion
from console.services.opened import OpenStore
from console.services.pipelines.cancelling import Ended, log_end
from console.services.pipelines.launch_sheet import LaunchSheet
from console.services.signing import Acting


def question_of_end(launch: str, sheet: LaunchSheet, ended: Ended) -> SigningQuestion:
    """What is shown before somebody signs that they ended it; it is ended already."""
    intent = sheet.record.intent
    return SigningQuestion(
        verb="log",
        name=intent.pipeline,
        facts=(
            f"{launch}: {ended.said}",
            "Sign who had it ended, for the log. Without that, later: "
            f"countersign pipeline cancel {launch}",
            f"Pipeline: {intent.pipeline} in {intent.environment}",
        ),
        needs_reason=False,
        blanks=(Blank("reason", "why, for the log; may be left out", is_needed=False),),
        kind="pipeline",
    )


def logging_end(launch: str, ended: Ended) -> Deed:
    """Have the log say what came of it."""

    def log(store: OpenStore, acting: Acting, answer: SigningAnswer) -> str:
        reason = answer.filled.get("reason", "")
        entry, _ = log_end(store, lambda: acting, launch, ended, reason)
        return f"Logged: {ended.result.value}, entry {entry}"

    return log
