"""From a request's names to a job's spec: pure. Every failing item is found, nothing dropped or downgraded.

What is wrong with the request as such is `Invalid`, a sentence per field; what is only not granted is
`Refused`, a reason per item. When both occur, all of it stands in one Invalid. Names of the site's catalogue
are no secret: one that exists but is not granted is refused with the way to a grant. Another person's volume
is: whether it exists shows only to those who have a grant for it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ..domain import kernels
from ..domain.access import Action
from ..domain.apps import App
from ..domain.catalogue import ComputeDomain, Image
from ..domain.errors import Invalid
from ..domain.jobs import JobRequest, JobSpec, Kind, Mount, ServiceImage, check_notebook
from ..domain.limits import Load, load_of
from ..domain.people import Person
from ..domain.resources import Resources, over_limit
from ..domain.volumes import WORKSPACE
from ..render import SWEEP, parameters_text, sweep_text
from .choosing import Chosen, choose, serves
from .facts import Facts
from .findings import Findings, names
from .mounting import Mounting

_PAYLOAD_NAMES = {
    Kind.SHELL: "command.txt",
    Kind.SCRIPT: "script.sh",
    Kind.NOTEBOOK: "notebook.ipynb",
    Kind.SESSION: "app.sh",
}
_OWN_NAMES = {"parameters.txt", "provenance.json", "result.json"}


@dataclass(frozen=True)
class Resolved:
    """A request whose every name is known and granted."""

    domain: ComputeDomain
    image: Image
    kernel: str | None
    mounts: tuple[Mount, ...]
    results: Mount
    asked: Resources
    chosen: Chosen | None = None
    """Of a session."""

    services: tuple[ServiceImage, ...] = ()

    def load(self, request: JobRequest) -> Load:
        """What the job will count while it is not over."""
        return load_of(self.domain.name, self.asked, request.indices)

    def spec(self, request: JobRequest, person: Person, uuid: str, job_id: int, now: datetime) -> JobSpec:
        """The frozen spec of the job `job_id`, accepted at `now` (UTC, part of its folder's name)."""
        domain, image = self.domain, self.image
        return JobSpec(
            uuid=uuid,
            name=request.name,
            owner=person.username,
            uid=person.uid,
            gid=person.gid,
            domain=domain.name,
            cluster=domain.cluster,
            partition=domain.partition,
            account=domain.account,
            qos=domain.qos,
            image=image.name,
            image_version=image.version,
            image_path=image.path,
            image_sha256=image.sha256,
            image_size=image.size,
            image_mtime_ns=image.mtime_ns,
            kind=request.kind,
            kernel=self.kernel,
            filename=payload_name(request),
            arguments=request.arguments,
            app=self.chosen.app if self.chosen else None,
            values=dict(self.chosen.values) if self.chosen else {},
            services=self.services,
            deadline_s=self.chosen.deadline_s if self.chosen else None,
            mounts=self.mounts,
            resources=self.asked,
            array=request.indices,
            sweep=request.sweep.names() if request.sweep else (),
            dependencies=request.dependencies,
            results_root=self.results.source,
            folder=f"{now:%Y-%m-%d}/{now:%Y%m%d-%H%M%S}-{job_id}",
            results_target=self.results.target,
            results_volume=self.results.volume,
            workdir=request.workdir,
            stdout=request.stdout,
            stderr=request.stderr,
            warn_s=request.warn_s,
        )


def payload_name(request: JobRequest) -> str:
    """What the payload is called in the job folder."""
    chosen = request.filename if request.kind in (Kind.SCRIPT, Kind.NOTEBOOK) else None
    return chosen or _PAYLOAD_NAMES[request.kind]


def payload_files(request: JobRequest) -> dict[str, str]:
    """The texts that belong into the job folder, by name."""
    text = request.command or request.script or request.notebook
    files = {} if text is None else {payload_name(request): text}
    if request.parameters:
        files["parameters.txt"] = parameters_text(request.parameters)
    if request.sweep:
        files[SWEEP] = sweep_text(request.kind, request.sweep.rows())
    return files


def resolve(request: JobRequest, facts: Facts) -> Resolved:
    """Decide the whole request. Raises Invalid or Refused with every failing item."""
    findings = Findings()
    _check_files(request, findings)
    _check_dependencies(request, facts, findings)
    domain = _domain(request, facts, findings)
    resolved = _within(request, domain, facts, findings) if domain else None
    findings.raise_any()
    if resolved is None:
        raise Invalid({"request": "it could not be resolved; tell an administrator"})
    return resolved


def _asked(request: JobRequest, domain: ComputeDomain) -> Resources:
    """What is asked, the domain's defaults for what is left out."""
    if request.resources is None:
        return domain.defaults
    return domain.defaults.model_copy(update=request.resources.model_dump(exclude_unset=True))


def _within(request: JobRequest, domain: ComputeDomain, facts: Facts, findings: Findings) -> Resolved | None:
    """What depends on the domain; None when something could not be resolved, which is in `findings` then."""
    asked, chosen = _asked(request, domain), None
    if request.kind is Kind.SESSION:
        chosen = choose(request, domain, asked, facts, findings)
        if chosen is None:
            return None
        asked = chosen.asked
    for place, sentence in over_limit(asked, domain.limits, domain.name).items():
        findings.invalid(place, sentence)
    image = _image(request, domain, facts, findings)
    kernel = _kernel(request, image, findings) if image else None
    services = _services(chosen.app, domain, facts, findings) if chosen else ()
    mounting = Mounting(domain, facts, findings)
    mounts, results = mounting.mounts(request), mounting.results(request)
    if results is None or image is None:
        return None
    mounts = mounting.with_results(mounts, results)
    _check_workdir(request, mounts, findings)
    if chosen is not None:
        asked = chosen.extensible(domain)
    return Resolved(domain, image, kernel, tuple(mounts), results, asked, chosen, services)


def _check_files(request: JobRequest, findings: Findings) -> None:
    payload = payload_name(request)
    taken = {payload, *_OWN_NAMES}
    for place, name in (("stdout", request.stdout), ("stderr", request.stderr)):
        if name in taken:
            findings.invalid(place, f"{name} is taken in the job folder; choose another name")
    if payload in _OWN_NAMES:
        findings.invalid("filename", f"{payload} is taken in the job folder; choose another name")
    try:
        if request.parameters:
            parameters_text(request.parameters)
    except ValueError:
        findings.invalid("parameters", "hold a number that is not finite; JSON has none, give it as text")


def _check_dependencies(request: JobRequest, facts: Facts, findings: Findings) -> None:
    for index, dependency in enumerate(request.dependencies):
        if dependency.job not in facts.jobs:
            findings.invalid(f"dependencies.{index}", f"you have no job {dependency.job}")


def _domain(request: JobRequest, facts: Facts, findings: Findings) -> ComputeDomain | None:
    usable = (  # asked for only as far as it is looked at
        domain
        for domain in facts.site.domains.values()
        if _runs(domain, request) and facts.may(Action.USE, "domain", domain.name)
    )
    if request.domain is None:
        first = _first(usable, request, facts)
        if first is None:
            what = "sessions" if request.kind is Kind.SESSION else "jobs"
            words = f"you may use no compute domain for {what}; ask an administrator for a grant"
            findings.invalid("domain", words)
        return first
    domain = facts.site.domains.get(request.domain)
    if domain is None:
        offer = names(d.name for d in usable)
        findings.invalid("domain", f"unknown domain `{request.domain}`; {offer}")
        return None
    _decide(facts, findings, Action.USE, "domain", domain.name)
    if not _runs(domain, request):
        offer = names(d.name for d in usable)
        runs = "jobs only, no sessions" if request.kind is Kind.SESSION else "sessions only, no jobs"
        findings.invalid("domain", f"domain {domain.name} runs {runs}; {offer}")
    return domain


def _first(usable: Iterable[ComputeDomain], request: JobRequest, facts: Facts) -> ComputeDomain | None:
    """The first one; of a session, the first that has the images for it."""
    first = None
    for domain in usable:
        app = facts.site.apps.get(request.app or "")
        if app is None or (serves(app, domain, facts) and any(_usable_images(request, domain, facts))):
            return domain
        first = first or domain
    return first


def _runs(domain: ComputeDomain, request: JobRequest) -> bool:
    return domain.interactive if request.kind is Kind.SESSION else domain.batch


def _usable_images(request: JobRequest, domain: ComputeDomain, facts: Facts) -> Iterator[Image]:
    """In the domain's order; asked for only as far as it is looked at."""
    for name in domain.images:
        image = facts.site.images.get(name)
        fits = image is not None and (request.app is None or request.app in image.apps)
        if image is not None and fits and facts.may(Action.USE, "image", name):
            yield image


def _image(request: JobRequest, domain: ComputeDomain, facts: Facts, findings: Findings) -> Image | None:
    usable = _usable_images(request, domain, facts)

    def offer() -> str:
        return names((image.name for image in usable), f" in domain {domain.name}")

    if request.image is None:
        image = next(usable, None)
        if image is None:
            findings.invalid("image", f"no image is given, and {offer()}")
    else:
        image = facts.site.images.get(request.image)
        if image is None:
            findings.invalid("image", f"unknown image `{request.image}`; {offer()}")
        elif image.name not in domain.images:
            findings.invalid("image", f"image {image.name} does not run in domain {domain.name}; {offer()}")
        elif request.app is not None and request.app not in image.apps:
            findings.invalid("image", f"image {image.name} does not hold {request.app}; {offer()}")
    if image is not None:
        _decide(facts, findings, Action.USE, "image", image.name)
        if problem := facts.image_problem(image):
            findings.refuse("image", f"image {image.name}", problem)
    return image


def _services(app: App, domain: ComputeDomain, facts: Facts, findings: Findings) -> tuple[ServiceImage, ...]:
    """The images of the app's services: each is asked for as the session's own one is."""
    found = []
    for service in app.services:
        image = facts.site.images.get(service.image)
        if image is None or image.name not in domain.images:
            where = f"does not run in domain {domain.name}" if image else "is not in the catalogue"
            words = f"{app.name} needs image {service.image} for its {service.name}, and that {where}"
            findings.invalid("app", f"{words}; choose another domain, or ask an administrator")
            continue
        _decide(facts, findings, Action.USE, "image", image.name)
        if problem := facts.image_problem(image):
            findings.refuse("image", f"image {image.name}", problem)
        numbers = {"sha256": image.sha256, "size": image.size, "mtime_ns": image.mtime_ns}
        found.append(
            ServiceImage(
                service=service.name, image=image.name, version=image.version, path=image.path, **numbers
            )
        )
    return tuple(found)


def _kernel(request: JobRequest, image: Image, findings: Findings) -> str | None:
    if request.notebook is None:
        return None
    document = check_notebook(request.notebook)
    kernel = kernels.choose(document, image.kernels)
    if kernel is None:
        name, language = kernels.wanted(document)
        offers = f"offers {', '.join(image.kernels)}" if image.kernels else "runs no notebooks"
        asks = f"the notebook wants kernel `{name or language}`" if name or language else "this is a notebook"
        findings.invalid("image", f"image {image.name} {offers}, but {asks}; choose another image")
    return kernel


def _check_workdir(request: JobRequest, mounts: Iterable[Mount], findings: Findings) -> None:
    path = request.workdir
    if path is None:
        return
    plain = path.isprintable() and posixpath.normpath(path) == path
    if not plain or not any(f"{path}/".startswith(f"{mount.target}/") for mount in mounts):
        findings.invalid(
            "workdir", f"must be in a mounted volume, as in {WORKSPACE}/<Root>/<you>/<volume>/code"
        )


def _decide(facts: Facts, findings: Findings, action: Action, kind: str, name: str) -> None:
    decision = facts.may(action, kind, name)
    if not decision:
        findings.refuse(kind, f"{kind} {name}", decision.reason)
