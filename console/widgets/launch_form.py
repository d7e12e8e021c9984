"""The form of a launch: where, what, with which values. It holds texts and marks what
is wrong with them; whoever shows it reads what a project declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Button, Static

from connectors.pipelines.declarations import Declaration, Taken
from connectors.pipelines.protocols import Times
from console.rendering import one_line
from console.services.pipelines.draft_checks import (
    span_problem,
    steps_problem,
    times_said,
)
from console.services.pipelines.drafting import (
    Draft,
    changed_values,
    why_no_schedule,
)
from console.services.pipelines.launch_places import LaunchPlace
from console.services.problems import Misuse
from console.services.spans import span_of
from console.widgets.field import Field
from console.widgets.path_suggester import PathSuggester
from console.widgets.place_choice import PlaceChoice

_TAKEN = {
    "steps": Taken.STEPS,
    "ref": Taken.REF,
    "runtime": Taken.RUNTIME,
    "tracking": Taken.SETTINGS,
    "settings": Taken.SETTINGS,
    "passed": Taken.PASSED,
    "time_limit": Taken.TIME_LIMIT,
}
"""Which fields a place has to keep to."""
_PLAIN = (
    *("namespace", "project", "ref", "steps", "pipeline", "environment"),
    *("runtime", "tracking", "settings", "passed", "time_limit", "launch"),
)


MOST_PARAMETERS = 40
"""What a form shows; the command takes any number."""


class ParameterField(Field):
    """The value of a declared parameter."""


class LaunchForm(VerticalScroll, can_focus=False):
    """Fields of a draft, top to bottom in the order in which they are needed."""

    class Filled(Message):
        """Something else was typed."""

    class Moved(Message):
        """Another place or project, or another commit of it, is meant."""

    def __init__(self, draft: Draft, clock: Callable[[], datetime], *, id: str) -> None:
        super().__init__(id=id)
        self._draft, self._clock = draft, clock
        self._own: dict[str, Field] = {}
        self._declared: Declaration | None = None
        self._values = dict(draft.parameters)
        """Of parameters, also of those that are not shown now."""

    def compose(self) -> ComposeResult:
        """Where, what, values, the rest, times."""
        first, times = self._draft, self._draft.times or Times("")
        yield Static("reading where things could be launched…", id="asking")
        yield PlaceChoice(id="places")
        hint = "empty: the place's own"
        yield self._add("namespace", "Namespace", first.namespace, hint=hint)
        yield self._add(
            "project",
            "Project",
            first.project,
            hint="folder, manifest or compiled pipeline; right: complete",
            suggester=PathSuggester(),
        )
        yield self._add("ref", "Commit", first.ref, hint="empty: the files as they are")
        yield self._add("steps", "Steps", first.steps, hint="main")
        yield Vertical(id="parameters")
        yield Static("More", classes="heading")
        yield self._add("pipeline", "Name", first.pipeline, hint="as the project says")
        yield self._add("environment", "Environment", first.environment)
        hint = "current, or a virtual environment"
        yield self._add("runtime", "Python", first.runtime, hint=hint)
        hint = "server or source of MLflow"
        yield self._add("tracking", "Tracking", first.tracking, hint=hint)
        yield self._add("settings", "Variables", first.settings, hint="NAME=VALUE …")
        hint = "names of variables to pass on, unseen"
        yield self._add("passed", "Passed on", first.passed, hint=hint)
        yield self._add("time_limit", "Time limit", first.time_limit, hint="30m, 2h")
        yield self._add("launch", "Id", first.launch, hint="empty: a new one")
        yield Static("Again and again", classes="heading")
        yield self._add("cron", "Times", times.cron, hint="empty: once; or 0 3 * * *")
        yield self._add("zone", "Zone", times.time_zone, hint="Etc/UTC")
        yield self._add(
            "overlap", "Overlap", times.overlap, hint="Forbid, Allow, Replace"
        )
        late = f"{times.deadline_seconds}s" if times.deadline_seconds else ""
        yield self._add("deadline", "Late at most", late, hint="however late")
        yield Static("", id="crontab", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Leave", id="leave", compact=True)
            yield Button("Plan", id="plan", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Nothing is scheduled unless somebody says so."""
        self.query_one("#crontab").display = False
        self.query_one("#places").display = False

    def _add(
        self,
        key: str,
        label: str,
        value: str = "",
        *,
        hint: str = "",
        suggester: Suggester | None = None,
    ) -> Field:
        made = Field(key, label, value, hint=hint, suggester=suggester, id=key)
        self._own[key] = made
        return made

    def fields(self) -> Iterator[Field]:
        """Every field that is there, from top to bottom."""
        yield from self.query(Field).results(Field)

    def field(self, key: str) -> Field:
        """A field of the form itself by its key."""
        return self._own[key]

    def offer(self, places: list[LaunchPlace]) -> None:
        """Show where things could be launched; the draft's own place is chosen."""
        choice = self.query_one(PlaceChoice)
        choice.offer(places, self._draft.backend, self._draft.context)
        choice.display = True
        self.query_one("#asking").display = False

    @property
    def place(self) -> LaunchPlace | None:
        """The place that is chosen."""
        return self.query_one(PlaceChoice).place

    @property
    def draft(self) -> Draft:
        """What stands in the form now."""
        place = self.place
        typed = {key: self.field(key).value for key in _PLAIN}
        had = replace(
            self._draft,
            namespace=typed["namespace"],
            project=typed["project"],
            ref=typed["ref"],
            steps=typed["steps"],
            pipeline=typed["pipeline"],
            environment=typed["environment"],
            runtime=typed["runtime"],
            tracking=typed["tracking"],
            settings=typed["settings"],
            passed=typed["passed"],
            time_limit=typed["time_limit"],
            launch=typed["launch"],
        )
        if place is not None:
            had = replace(had, backend=place.backend, context=place.context)
        declared, values = self._declared, self._typed()
        given = changed_values(declared, had.step_names, values) if declared else values
        return replace(had, parameters=given, times=self._times())

    def _times(self) -> Times | None:
        cron = self.field("cron").value.strip()
        if not cron:
            return None
        late = self.field("deadline").value.strip()
        try:
            seconds = int(span_of(late, "time").total_seconds()) if late else 0
        except Misuse:
            seconds = -1  # told at its field, and refused by whoever keeps times
        default = Times(cron)
        zone = self.field("zone").value.strip() or default.time_zone
        overlap = self.field("overlap").value.strip() or default.overlap
        return Times(cron, zone, overlap, seconds)

    def _typed(self) -> Mapping[str, str]:
        for one in self.query(ParameterField):
            self._values[one.key] = one.value
        return self._values

    def keep_to(self, takes: frozenset[Taken], backend: str) -> None:
        """Dim what a place would refuse."""
        for key, what in _TAKEN.items():
            why = "" if what in takes else f"{backend} keeps to no {what.value}"
            self.field(key).dim(why)
        is_far = self.place is not None and self.place.is_far
        self.field("namespace").dim("" if is_far else f"{backend} has no namespaces")
        why = why_no_schedule(backend)
        for key in ("zone", "overlap", "deadline"):
            self.field(key).dim(why)

    async def declare(self, declared: Declaration | None, problem: str) -> None:
        """Show what a project declares, or why it is none."""
        project, self._declared = self.field("project"), declared
        self._typed()
        if declared is None:
            project.tell(problem)
        else:
            steps = ", ".join(declared.entry_points)
            told = declared.pipeline or "a project"
            project.tell(f"{told}: steps {steps}" if steps else told, is_wrong=False)
        form = self.query_one("#parameters")
        await form.remove_children()
        parameters = declared.parameters if declared else ()
        left = len(parameters) - MOST_PARAMETERS
        await form.mount_all(
            ParameterField(
                one.name,
                f"{one.name} ({one.type})" + (" *" if one.must_be_given else ""),
                self._values.get(one.name, ""),
                hint=(one.type if one.default is None else one.default) or "empty",
            )
            for one in parameters[:MOST_PARAMETERS]
        )
        if left > 0:
            more = f"and {left} more parameters: countersign pipeline launch -P"
            await form.mount(Static(more, classes="label", markup=False))
        self.check()

    def check(self) -> str:
        """Say at each field what is wrong; the first of it, or empty."""
        draft = self.draft
        if self._declared is not None:
            self._check_parameters(self._declared, draft)
        for key in ("time_limit", "deadline"):
            self.field(key).tell(span_problem(self.field(key).value))
        said, is_due = times_said(draft, self._clock())
        self.field("cron").tell(said, is_wrong=not is_due)
        wrong = [one.problem for one in self.fields() if one.problem and one.display]
        return wrong[0] if wrong else ""

    def _check_parameters(self, declared: Declaration, draft: Draft) -> None:
        steps = draft.step_names
        self.field("steps").tell(steps_problem(declared, steps))
        taken = {one.name: one for one in declared.taken_by(steps)}
        for shown in self.query(ParameterField):
            parameter = taken.get(shown.key)
            shown.display = parameter is not None
            shown.tell(parameter.problem_of(shown.value) if parameter else "")

    def why_no_schedule(self) -> str:
        """Why the place that is chosen keeps no times; empty: it does, or none are."""
        draft = self.draft
        return why_no_schedule(draft.backend) if draft.times is not None else ""

    def show_crontab(self, text: str) -> None:
        """Show what would do instead of a place that keeps times; empty: nothing."""
        shown = self.query_one("#crontab", Static)
        shown.display = bool(text)
        shown.update(one_line(text))

    def focus_problem(self) -> None:
        """To the first field with which something is wrong."""
        for one in self.fields():
            if one.problem and one.display:
                one.begin()
                return

    @on(PlaceChoice.Changed)
    def _choose(self, event: PlaceChoice.Changed) -> None:
        event.stop()
        self.query_one(PlaceChoice).mark()
        self.post_message(self.Moved())

    @on(Field.Changed)
    def _type(self, event: Field.Changed) -> None:
        event.stop()
        self.check()
        is_parameter = isinstance(event.field, ParameterField)
        if event.field.key in ("project", "ref") and not is_parameter:
            self.post_message(self.Moved())
        else:
            self.post_message(self.Filled())
