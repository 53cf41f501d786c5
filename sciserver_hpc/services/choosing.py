"""The app of a session, what its form says, and what that asks of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.access import Action
from ..domain.app_fields import Value
from ..domain.app_resources import against_form, outside, ranges
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


def serves(app: App, domain: ComputeDomain, facts: Facts) -> bool:
    """Has `domain` what the app's services need, and may the person use it?"""
    return app.service_images <= set(domain.images) & facts.site.images.keys() and all(
        facts.may(Action.USE, "image", image) for image in app.service_images
    )


def choose(
    request: JobRequest, domain: ComputeDomain, asked: Resources, facts: Facts, findings: Findings
) -> Chosen | None:
    """Find the app and check its form; None where there is no such app here. What is wrong is in `findings`.

    asked: what is asked beside the form. What the form asks of a resource, nothing beside it may contradict.
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
    values = _values(app, request, findings)
    _check_volumes(app, values, request, findings)
    explicit = request.resources.model_fields_set if request.resources else frozenset[str]()
    usual = {
        name: bounds.default
        for name, bounds in ranges(app.resources, domain.limits, domain.defaults).items()
        if name not in explicit
    }
    by_form = app.resources_of(values)
    wanted = asked.model_copy(update=usual | {str(name): amount for name, amount in by_form.items()})
    wrong = against_form(asked, explicit, by_form, app.name) | outside(app.resources, wanted, app.name)
    for place, sentence in wrong.items():
        findings.invalid(place, sentence)
    return Chosen(app, values, wanted)


def _values(app: App, request: JobRequest, findings: Findings) -> dict[str, Value]:
    try:
        return app.check(request.values)
    except Invalid as error:
        for place, sentence in error.problems.items():
            findings.invalid(place, sentence)
        return {}


def _check_volumes(app: App, values: Mapping[str, Value], request: JobRequest, findings: Findings) -> None:
    mounted = {mount.volume for mount in request.volumes}
    for field, volume in app.volumes_of(values).items():
        if volume not in mounted:
            findings.invalid(f"values.{field}", f"mount {volume} too, under volumes")
