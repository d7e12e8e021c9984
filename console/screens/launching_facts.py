"""What was shown before somebody signs a launch, and what is asked of them then."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connectors.pipelines.protocols import CanLaunch, LaunchPlan
from console.screens.signing import SigningQuestion
from console.services.pipelines.asked import Asked, SeenPlan
from console.services.pipelines.launch_judging import JudgedLaunch
from console.widgets.plan_view import said_of


@dataclass(frozen=True, slots=True)
class PlannedLaunch:
    """What was shown before somebody signs, and the id that it is launched under."""

    asked: Asked
    launcher: CanLaunch
    plan: LaunchPlan
    judged: JudgedLaunch

    def to_launch(self) -> Asked:
        """Exactly what was shown."""
        seen = SeenPlan(self.plan.digest, self.judged.waits)
        return replace(self.asked, seen=seen)


def question(planned: PlannedLaunch) -> SigningQuestion:
    """What is shown before somebody signs: the same in short."""
    plan, judged, asked = planned.plan, planned.judged, planned.asked
    policy, times = judged.policy, asked.request.times
    again = f"{times.cron} in {times.time_zone}" if times else ""
    given = ", ".join(f"{name}={value}" for name, value in plan.parameters)
    return SigningQuestion(
        verb="launch",
        name=plan.pipeline,
        facts=(
            f"Launch {plan.pipeline} in {asked.environment} as {asked.launch}",
            f"Verdict: {said_of(judged)}",
            f"Policy: {f'{policy.id} version {policy.version}' if policy else '-'}",
            f"Plan: {plan.digest[:16]}  At: {plan.place}",
            f"Parameters: {given or 'none'}",
            *((f"Again and again: {again}",) if again else ()),
            *(f"Image: {image}" for image in plan.images),
        ),
        needs_reason=False,
        kind="pipeline",
    )
