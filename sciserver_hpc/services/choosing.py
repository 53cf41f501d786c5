"""The app of a session, what its form says, and what that asks of the cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..domain.access import Action
from ..domain.app_fields import ResourceName, Value
from ..domain.app_resources import outside
from ..domain.apps import App
from ..domain.catalogue import ComputeDomain
from ..domain.errors import Invalid
from ..domain.jobs import JobRequest
from ..domain.resources import Resources
from .facts import Facts
from .findings import Findings, names


@dataclass(frozen=True)
class Chosen:
    """An app with checked values. asked: resources as the person wants them."""

    app: App
    values: Mapping[str, Value]
    asked: Resources

    @property
    def deadline_s(self) -> int:
        """So long after its start the portal ends the session."""
        return self.asked.time_limit_s

    def extensible(self, domain: ComputeDomain) -> Resources:
        """What Slurm is asked: with the time by which the person may extend the session later."""
        longest, limit = self.asked.time_limit_s + (domain.extension_s or 0), domain.limits.time_limit_s
        time_limit_s = longest if limit is None else max(min(longest, limit), self.asked.time_limit_s)
        return self.asked.model_copy(update={"time_limit_s": time_limit_s})


def choose(
    request: JobRequest, domain: ComputeDomain, asked: Resources, facts: Facts, findings: Findings
) -> Chosen | None:
    """Find the app and check its form; None when that cannot be, which is in `findings` then.

    asked: what is asked beside the form; the form's own fields go before it.
    """
    app = facts.site.apps.get(request.app or "")
    if app is None:
        offered = (name for name in facts.site.apps if facts.may(Action.USE, "app", name))
        findings.invalid("app", f"unknown app `{request.app}`; {names(offered)}")
        return None
    decision = facts.may(Action.USE, "app", app.name)
    if not decision:
        findings.refuse("app", f"app {app.name}", decision.reason)
    if not domain.interactive:
        return None
    try:
        values = app.check(request.values)
    except Invalid as error:
        for place, sentence in error.problems.items():
            findings.invalid(place, sentence)
        return None
    _check_volumes(app, values, request, findings)
    explicit = request.resources.model_fields_set if request.resources else frozenset[str]()
    return Chosen(app, values, _resources(app, asked, explicit, app.resources_of(values), findings))


def _check_volumes(app: App, values: Mapping[str, Value], request: JobRequest, findings: Findings) -> None:
    mounted = {mount.volume for mount in request.volumes}
    for field, volume in app.volumes_of(values).items():
        if volume not in mounted:
            findings.invalid(f"values.{field}", f"mount {volume} too, under volumes")


def _resources(
    app: App,
    asked: Resources,
    explicit: Collection[str],
    by_form: Mapping[ResourceName, int],
    findings: Findings,
) -> Resources:
    """The app's own defaults where the person said nothing, then what the form sets; within its bounds."""
    changed: dict[str, Any] = {
        name: bounds.default
        for name, bounds in app.resources.items()
        if bounds.default is not None and name not in explicit
    }
    changed.update((str(name), amount) for name, amount in by_form.items())
    wanted = asked.model_copy(update=changed)
    for place, sentence in outside(app.resources, wanted, app.name).items():
        findings.invalid(place, sentence)
    return wanted
