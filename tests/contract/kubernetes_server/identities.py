"""Who asks and what they may do: bearer tokens with an expiry and an allow list."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from tests.contract.kubernetes_server.problems import ApiError, qualified


@dataclass(frozen=True)
class Rule:
    """One thing that is allowed, as a role says it."""

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    """`jobs.batch`, `pods`, `pods/log`, or `*`."""
    namespaces: tuple[str, ...] = ("*",)

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether it allows this."""
        return (
            bool({verb, "*"} & set(self.verbs))
            and bool({resource, "*"} & set(self.resources))
            and bool({namespace, "*"} & set(self.namespaces))
        )


EVERYTHING = (Rule(("*",), ("*",)),)


@dataclass(frozen=True)
class Identity:
    """Whom a token stands for."""

    user: str
    rules: tuple[Rule, ...] = EVERYTHING
    expires: float = float("inf")
    """Seconds since the epoch."""


ANONYMOUS = Identity("system:anonymous")


@dataclass
class Identities:
    """The tokens that are known; while there are none, anybody may do anything."""

    by_token: dict[str, Identity] = field(default_factory=dict)

    def of(self, authorization: str) -> Identity:
        """Whose request this is.

        Raises:
            ApiError: the token is missing, unknown or has expired.
        """
        if not self.by_token:
            return ANONYMOUS
        found = self.by_token.get(authorization.removeprefix("Bearer "))
        if found is None or found.expires <= time.time():
            raise ApiError(401, "Unauthorized")
        return found

    def issue(self, user: str, seconds: int) -> tuple[str, float]:
        """A token for somebody, with the time at which it expires."""
        token = f"issued-{secrets.token_hex(12)}"
        expires = time.time() + seconds
        known = [one for one in self.by_token.values() if one.user == user]
        rules = known[0].rules if known else EVERYTHING
        if self.by_token:
            self.by_token[token] = Identity(user, rules, expires)
        return token, expires


def check_allowed(
    identity: Identity,
    verb: str,
    group: str,
    plural: str,
    subresource: str,
    namespace: str,
    name: str,
) -> None:
    """Raises ApiError unless a rule allows it."""
    asked = f"{plural}/{subresource}" if subresource else plural
    resource = qualified(group, asked)
    if any(rule.covers(verb, resource, namespace) for rule in identity.rules):
        return
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    shown = f' "{name}"' if name else ""
    raise ApiError(
        403,
        f'{qualified(group, plural)}{shown} is forbidden: User "{identity.user}" '
        f'cannot {verb} resource "{asked}" in API group "{group}"{where}',
        details={"name": name, "group": group, "kind": plural},
    )
