"""Who may send a launch to Kubeflow Pipelines, which takes the same run any number of
times.

What it does take only once is the name of an experiment. Whoever sends a launch first
makes an empty experiment named after it; who comes second finds the name taken, and
sends nothing. A claim without a run may be one whose run is still on its way. Only when
it is so old that nothing of it can be on its way any more may another go on from it, by
a claim that follows it. A launch that is cancelled before it was sent is claimed too,
by nobody: it is never sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.errors import ConnectorError, ConnectorUnavailable
from connectors.kubeflow.api import KfpApi
from connectors.kubeflow.objects import Experiment
from connectors.kubeflow.problems import NameTaken
from connectors.parsing import parse_json, text_of, well_formed

PREFIX = "countersign/"
ON_ITS_WAY = timedelta(minutes=10)
"""How long a run that was sent may need to appear, whatever lies between."""
_SEND, _NEVER = "send", "never"
_MOST = 20
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Claim:
    """Who sends a launch."""

    experiment: Experiment
    plan: str
    is_withdrawn: bool
    """Nobody: it was cancelled before."""
    number: int
    is_old: bool
    """Nothing that it sent can still be on its way."""

    @property
    def is_settled(self) -> bool:
        """What it sent was seen there."""
        return self.experiment.is_archived and not self.is_withdrawn

    @property
    def at(self) -> datetime | None:
        """When it was made, by the server's clock."""
        return self.experiment.created


class Claims:
    """The claims in one namespace of one installation."""

    def __init__(self, api: KfpApi) -> None:
        self._api = api

    def newest(self, launch: str) -> Claim | None:
        """The claim that counts; None: there is none.

        Raises:
            ConnectorError: it could not be told.
        """
        name = _name(launch, 1)
        found = {
            one.name: one
            for one in self._api.experiments(name)
            if one.name == name or one.name.startswith(f"{name}/")
        }
        claim = None
        for number in range(1, _MOST + 1):
            experiment = found.get(_name(launch, number))
            if experiment is None:
                return claim
            claim = self._claim(experiment, number)
        return claim

    def take(
        self, launch: str, plan: str, after: Claim | None, *, never: bool = False
    ) -> Claim | None:
        """Claim a launch that has no claim, or one that is old; None: somebody else
        was faster.

        Raises:
            ConnectorError: it is not known whether it was claimed, or nothing is left.
        """
        number = after.number + 1 if after else 1
        if number > _MOST:
            raise ConnectorUnavailable(f"{launch} was sent {_MOST} times without a run")
        token = secrets.token_hex(16)
        does = _NEVER if never else _SEND
        note = json.dumps({"does": does, "plan": plan, "token": token}, sort_keys=True)
        name = _name(launch, number)
        try:
            return self._claim(self._api.make_experiment(name, note), number)
        except NameTaken:
            mine = self.newest(launch)
            if mine is not None and mine.experiment.description == note:
                return mine
            return None

    def settle(self, claim: Claim) -> None:
        """Keep a claim that is done with out of the lists that people see."""
        with contextlib.suppress(ConnectorError):
            self._api.hide_experiment(claim.experiment.experiment_id)

    def give_up(self, claim: Claim) -> None:
        """Take a claim back of which nothing was sent. One that cannot be taken back
        stays, and becomes old."""
        with contextlib.suppress(ConnectorError):
            self._api.drop_experiment(claim.experiment.experiment_id)

    def _claim(self, experiment: Experiment, number: int) -> Claim:
        what = f"the claim {experiment.name}"
        told = parse_json(experiment.description.encode(), what)
        with well_formed(what):
            if told["does"] not in (_SEND, _NEVER):
                raise ValueError("it says neither to send nor never to")
            return Claim(
                experiment,
                text_of(told["plan"]),
                told["does"] == _NEVER,
                number,
                self._is_old(experiment),
            )

    def _is_old(self, experiment: Experiment) -> bool:
        now = self._api.client.server_time
        if now is None or experiment.created is None:
            return False
        return now - experiment.created > ON_ITS_WAY


def _name(launch: str, number: int) -> str:
    """As long as a name may be at most. Some databases do not tell upper from lower
    case, so part of a digest tells ids apart that differ in that alone."""
    digits = hashlib.sha256(launch.encode()).hexdigest()[:_DIGITS]
    return f"{PREFIX}{launch}.{digits}" + ("" if number == 1 else f"/{number}")
