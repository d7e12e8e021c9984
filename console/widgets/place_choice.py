"""Where to launch: one of several places; where nothing can be is dim and says why."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import RadioButton, RadioSet

from console.rendering import one_line
from console.services.pipelines.launch_places import LaunchPlace


class PlaceChoice(RadioSet):
    """A button for each place, in words, which are all there is without colours."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._offered: list[tuple[LaunchPlace, RadioButton]] = []

    def offer(self, places: list[LaunchPlace], backend: str, context: str) -> None:
        """Show places; the one that is named is chosen, else one of its kind, else the
        first."""
        usable = [place for place in places if not place.why_not]
        named = [p for p in usable if (p.backend, p.context) == (backend, context)]
        of_kind = [p for p in usable if p.backend == backend and not context]
        chosen = next(iter([*named, *of_kind, *usable]), None)
        for place in places:
            is_chosen = place is chosen
            button = RadioButton(
                _label(place, is_chosen=is_chosen),
                value=is_chosen,
                disabled=bool(place.why_not),
            )
            self._offered.append((place, button))
            self.mount(button)

    @property
    def place(self) -> LaunchPlace | None:
        """The place that is chosen."""
        return next((place for place, button in self._offered if button.value), None)

    def mark(self) -> None:
        """Say in words which is chosen."""
        for place, button in self._offered:
            button.label = _label(place, is_chosen=button.value)


def _label(place: LaunchPlace, *, is_chosen: bool) -> Content:
    said = f"{place.label}: no; {place.why_not}" if place.why_not else place.label
    return Content(one_line(f"{said} (chosen)" if is_chosen else said))
