"""What screens share that sign: the dialog, the key, and doing it in a thread."""

from __future__ import annotations

from collections.abc import Callable

from console.screens.asking import AskingScreen
from console.screens.signing import SigningAnswer, SigningDialog, SigningQuestion
from console.services.opened import OpenStore
from console.services.signing import Acting, act_as_person, find_key

Deed = Callable[[OpenStore, Acting, SigningAnswer], str]
"""Signs, and says what was done."""


class ActingScreen(AskingScreen):
    """A screen from which things are signed."""

    SIGNS: frozenset[str] = frozenset()
    """Textual actions that change the store."""

    def why_not(self, action: str) -> str:
        """Why something cannot be done now, or empty."""
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what cannot be done now."""
        return None if action in self.SIGNS and self.refusal(action) else True

    def refusal(self, action: str) -> str:
        """See AskingScreen; one that a screen has for itself comes after that."""
        return super().refusal(action) or self.why_not(action)

    def sign(self, question: SigningQuestion, deed: Deed) -> None:
        """Ask for key and reason, then do it and say so."""

        def carry_out(answer: SigningAnswer | None) -> None:
            if answer is None:
                return

            def perform(store: OpenStore) -> str:
                address = find_key(store.places, answer.key, store.configuration.key)
                acting = act_as_person(
                    store,
                    store.state(),
                    address,
                    lambda _: answer.passphrase.reveal(),
                )
                return deed(store, acting, answer)

            self.ask(perform, self.tell)

        self.app.push_screen(SigningDialog(question), carry_out)

    def tell(self, message: str) -> None:
        """Say what was done, and show what is now."""
        self.app.notify(message, markup=False)
        self.action_refresh()
