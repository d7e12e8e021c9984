"""The screen that says who may decide: people, services, and every key."""

from __future__ import annotations

from console.screens.lists import ListScreen
from console.services.trust_view import TrustView, trust_view
from console.widgets.title import TitleBar


class TrustScreen(ListScreen):
    """Keys in force and former ones, by person; changing them is the command line's."""

    VIEW = "Trust"
    HEADINGS = ("WHO", "KEY", "COUNTS", "ROLES", "KIND")

    def action_refresh(self) -> None:
        """Ask who may decide."""
        self.ask(trust_view, self._show)

    def _show(self, found: TrustView) -> None:
        self.query_one(TitleBar).say_more(
            f"root {found.version}, {found.root_threshold} must sign, "
            f"expires {found.expires[:10]}"
        )
        self.list_rows(
            [
                (
                    f"{holder.id}/{key.id}/{key.since_entry}",
                    (
                        holder.name,
                        key.id[:12],
                        key.standing,
                        ", ".join(holder.roles) or holder.kind,
                        key.algorithm,
                    ),
                )
                for holder in found.holders
                for key in holder.keys
            ]
        )
