"""What every command is given: the parsed arguments and how to open things."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

from console.cli.output import say
from console.services.configuration import Configuration, load_configuration
from console.services.opened import OpenStore, open_store, rfc3339
from console.services.places import Places, standard_places
from console.services.problems import Misuse
from console.services.signing import (
    Acting,
    act_as_person,
    find_key,
    passphrase_source,
)
from console.services.spans import span_of as span_of
from policies.errors import MalformedStatement

SLOW_SECONDS = 1.0


class Context:
    """One invocation of the program."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments

    @cached_property
    def places(self) -> Places:
        """Where this person's files are."""
        return standard_places()

    @cached_property
    def configuration(self) -> Configuration:
        """countersign.toml, or nothing."""
        return load_configuration(self.places, explicit=self.arguments.config or "")

    @property
    def store_address(self) -> str:
        """`--store`, `$COUNTERSIGN_STORE`, or the configured one."""
        return (
            self.arguments.store
            or os.environ.get("COUNTERSIGN_STORE", "")
            or self.configuration.store
        )

    @property
    def anchor(self) -> str:
        """`--anchor`, `$COUNTERSIGN_ANCHOR`, or the configured one; in hex.

        Raises:
            Misuse: it is neither a fingerprint in hex nor in words.
        """
        given = (
            self.arguments.anchor
            or os.environ.get("COUNTERSIGN_ANCHOR", "")
            or self.configuration.anchor
        )
        return unspoken_anchor(given) if given.strip() else ""

    @cached_property
    def store(self) -> OpenStore:
        """The store, read on to its end."""
        opened = open_store(
            self.store_address,
            self.places,
            self.configuration,
            anchor=self.anchor,
            max_age=self._max_age(),
            progress=progress("reading the log", "entries"),
        )
        if not opened.is_answering:
            when = opened.confirmed_at
            say(
                f"{opened.address} does not answer; this is what this machine read "
                f"{'' if when is None else rfc3339(when)}"
            )
        if getattr(self.arguments, "decides", False):
            self._confirm_anchor(opened)
        return opened

    def _max_age(self) -> timedelta:
        """`--max-age` as seconds, or with s, m, h or d."""
        return span_of(getattr(self.arguments, "max_age", None) or "0", "age")

    def _confirm_anchor(self, store: OpenStore) -> None:
        """In a terminal, a person may confirm a first root that is new here."""
        from console.services.opened import confirm_anchor, confirmed_anchor
        from policies.spoken import spoken

        if confirmed_anchor(store) or not self.is_interactive:
            return
        say(f"This machine has not used the store {store.address} before.")
        say(f"Its first trust root is {store.first_root}")
        say(spoken(store.first_root))
        say("Compare it with what the store's owner tells you, by another way.")
        if input("Is it the right one? Type yes: ").strip() == "yes":
            confirm_anchor(store)

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask_secret(self) -> Callable[[str], str] | None:
        """A prompt that does not echo, where there is a terminal."""
        return getpass.getpass if self.is_interactive else None

    def key_address(self) -> str:
        """The key to sign with."""
        named = getattr(self.arguments, "key", None) or ""
        return find_key(self.places, named, self.configuration.key)

    def person(self) -> Acting:
        """Whoever holds the key that was named."""
        return act_as_person(
            self.store,
            self.store.state(),
            self.key_address(),
            passphrase_source(self.ask_secret()),
        )


def unspoken_anchor(given: str) -> str:
    """A fingerprint that was typed as hex or as words, in hex.

    Raises:
        Misuse: it is neither.
    """
    from policies.spoken import unspoken

    try:
        return unspoken(given)
    except MalformedStatement as cause:
        raise Misuse(f"the anchor: {cause}", hint=cause.hint) from cause


def progress(doing: str, what: str) -> Callable[[int], None]:
    """Tell a terminal how far a long thing is, once it takes more than a second."""
    started = last = time.monotonic()

    def report(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - started > SLOW_SECONDS and now - last > SLOW_SECONDS:
            last = now
            say(f"{doing}: {count} {what}, {now - started:.0f} s")

    return report


def watcher() -> Callable[[str, int], None]:
    """Progress of an import, told with the source's name."""
    reports: dict[str, Callable[[int], None]] = {}

    def watch(source: str, count: int) -> None:
        if source not in reports:
            reports[source] = progress(f"reading {source}", "facts")
        reports[source](count)

    return watch
