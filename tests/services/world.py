"""A small site to test services in.

People: alice (group astro), bob, carol. Domains: batch (python, r), quick (sessions only), closed (granted to
nobody). Images: python, r, plain (no kernels, runs in batch), hidden (granted to nobody).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sciserver_hpc.domain.access import Action, Grant, Resource, Subject
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.catalogue import ComputeDomain, Image, Site
from sciserver_hpc.domain.errors import BadCredentials, NotFound, Unavailable
from sciserver_hpc.domain.jobs import Job, JobRequest, Kind
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.resources import Limits, Resources
from sciserver_hpc.domain.scheduling import Submission
from sciserver_hpc.domain.volumes import DataVolume, RootKind, RootVolume
from sciserver_hpc.render import Surroundings
from sciserver_hpc.services.accepting import Acceptor
from sciserver_hpc.services.administration import Administration
from sciserver_hpc.services.audit import Audit
from sciserver_hpc.services.catalogue import Catalogue
from sciserver_hpc.services.disk import Disks
from sciserver_hpc.services.entitled import Entitled
from sciserver_hpc.services.facts import Gatherer
from sciserver_hpc.services.group_keeping import GroupKeeping, Terms
from sciserver_hpc.services.groups import Groups
from sciserver_hpc.services.homes import Homes
from sciserver_hpc.services.jobs import Jobs
from sciserver_hpc.services.launch import Launch
from sciserver_hpc.services.login import Login
from sciserver_hpc.services.projecting import Projecting
from sciserver_hpc.services.rendering import Renderer
from sciserver_hpc.services.results import Results
from sciserver_hpc.services.sharing import Sharing
from sciserver_hpc.services.site import Site as SiteView
from sciserver_hpc.services.support import Support
from sciserver_hpc.services.unix_groups import UnixGroups
from sciserver_hpc.services.watched_directory import WatchedDirectory
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.agents import FakeAgents
from tests.fakes.clock import FakeClock
from tests.fakes.database import new_database
from tests.fakes.group_directory import FakeGroupDirectory
from tests.fakes.scheduler import FakeScheduler
from tests.fakes.waker import FakeWaker

ALICE = Person(username="alice", uid=2001, gid=2001, full_name="Alice", groups=frozenset({"astro"}))
BOB = Person(username="bob", uid=2002, gid=2002, full_name="Bob")
CAROL = Person(username="carol", uid=2003, gid=2003, full_name="Carol")
PASSWORDS = {"alice": "wonderland", "bob": "builder", "carol": "christmas"}


class FakePeople:
    """A directory of alice, bob and carol (`ports.Directory`). `down`: silent; `asked`: whose logins."""

    def __init__(self) -> None:
        self.people = {person.username: person for person in (ALICE, BOB, CAROL)}
        self.gids = {"astro": 3001}
        self.down = False
        self.asked: list[str] = []
        self.calls = 0

    def authenticate(self, username: str, password: str) -> Person:
        self._answer()
        self.asked.append(username)
        if username not in self.people or PASSWORDS[username] != password:
            raise BadCredentials("User name or password is wrong.")
        return self.people[username]

    def person(self, username: str) -> Person:
        self._answer()
        if username not in self.people:
            raise NotFound(f"no {username}")
        return self.people[username]

    def has_group(self, name: str) -> bool:
        self._answer()
        return name.casefold() in {group.casefold() for p in self.people.values() for group in p.groups}

    def gid(self, group: str) -> int:
        self._answer()
        if group not in self.gids:
            raise NotFound(f"The directory tells no gid for a group {group}.")
        return self.gids[group]

    def ping(self) -> str:
        self._answer()
        return "people in memory"

    def _answer(self) -> None:
        self.calls += 1
        if self.down:
            raise Unavailable("ldap", "timed out")


def grant(action: Action, kind: str, name: str, subject: Subject | None = None, **more: Any) -> Grant:
    """A grant, to everyone unless told otherwise."""
    who = subject or Subject(kind="everyone")
    return Grant(subject=who, action=action, resource=Resource(kind=kind, name=name), **more)


def image(name: str, kernels: tuple[str, ...]) -> Image:
    return Image(
        name=name,
        version="1.0",
        path=f"/images/{name}.sif",
        sha256="a" * 64,
        size=4096,
        mtime_ns=1,
        kernels=kernels,
    )


ROOTS = ("Storage", "Temporary")

BATCH = ComputeDomain(
    name="batch",
    partition="batch",
    account="science",
    images=("python", "r", "plain", "hidden"),
    root_volumes=ROOTS,
    data_volumes=("sdss", "secret"),
    limits=Limits(cpus=8, nodes=1, memory_mb=4096, time_limit_s=8 * 3600),
    defaults=Resources(cpus=2, memory_mb=2048, time_limit_s=7200),
)

SITE = Site(
    domains=(
        ComputeDomain(name="closed", partition="closed", images=("python",), root_volumes=ROOTS),
        ComputeDomain(
            name="quick",
            partition="interactive",
            interactive=True,
            batch=False,
            images=("python",),
            root_volumes=ROOTS,
        ),
        BATCH,
    ),
    images=(
        image("python", ("python3",)),
        image("r", ("ir",)),
        image("plain", ()),
        image("hidden", ("python3",)),
    ),
    root_volumes=(
        RootVolume(name="Storage", path="/shared/Storage", kind=RootKind.STORAGE),
        RootVolume(name="Temporary", path="/shared/Temporary", kind=RootKind.TEMPORARY),
        RootVolume(name="Elsewhere", path="/elsewhere", kind=RootKind.STORAGE),
    ),
    data_volumes=(
        DataVolume(name="sdss", path="/data/sdss", description="Sky survey"),
        DataVolume(name="secret", path="/data/secret"),
        DataVolume(name="far", path="/data/far"),
    ),
    grants=(
        grant(Action.USE, "domain", "batch"),
        grant(Action.USE, "domain", "quick"),
        grant(Action.USE, "image", "python"),
        grant(Action.USE, "image", "r"),
        grant(Action.USE, "image", "plain"),
        grant(Action.READ, "data_volume", "sdss"),
        grant(Action.READ, "data_volume", "far"),
        grant(Action.READ, "user_volume", "Storage/bob/shared", Subject(kind="group", name="astro")),
        grant(Action.READ, "user_volume", "Storage/bob/gone", Subject(kind="user", name="alice")),
    ),
)


class World:
    """Everything wired, with handles on the fakes."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = SqlStore(new_database(folder / "sciserver.db"), now=self.clock.now)
        self.store.apply_site(SITE)
        self.agents = FakeAgents()
        for root in SITE.root_volumes:
            for person in (ALICE, BOB, CAROL):
                self.agents.make_directory(f"{root.path}/{person.username}", person.uid)
        self.store.add_user_volume("Storage", "bob", "shared", "Bob's")
        self.store.add_user_volume("Storage", "bob", "private", "Bob's own")
        self.people = FakePeople()
        directory = WatchedDirectory(self.store, self.people, self.clock)
        self.scheduler = FakeScheduler(self.clock)
        self.waker = FakeWaker()
        self.image_problem = ""
        self.homes = Homes(self.store, self.agents)
        self.apps: dict[str, App] = {}
        self.site = SiteView(self.store, self.clock, lambda: self.apps)
        self.login = Login(self.store, directory, self.clock, self.homes)
        self.catalogue = Catalogue(self.store, self.site)
        self.renderer = Renderer(self.store, Surroundings("https://portal:8443"), b"k" * 32)
        self.jobs = self.make_jobs()
        self.results = Results(self.jobs, self.agents)
        self.groups = Groups(self.store, directory, self.clock, self.waker)
        self.sharing = Sharing(self.store, directory, self.clock, self.site, self.waker)
        self.administration = Administration(self.store, self.clock)
        half_an_hour = timedelta(minutes=30)
        self.support = Support(self.store, self.clock, self.login, self.administration, half_an_hour)
        self.audit = Audit(self.store, self.groups, self.sharing, self.administration, self.support)
        self.branch = FakeGroupDirectory()
        self.unix_groups = UnixGroups(self.store, self.clock, self.waker, self.groups, "portal-")
        self.terms = Terms("portal-", range(7001, 7004), False, timedelta(hours=24), timedelta(seconds=50))
        self.group_keeping = GroupKeeping(self.store, self.agents, self.clock, self.branch, self.terms)
        self.entitled = Entitled(self.store, directory, self.clock, unix=True)
        every = timedelta(days=1)
        self.projecting = Projecting(self.store, self.agents, self.clock, self.entitled, every)
        self.disks = Disks(self.store, self.clock, self.sharing, self.entitled)

    def make_jobs(self, max_active: int = 100, max_sessions: int = 0) -> Jobs:
        gatherer = Gatherer(self.store, self.clock, self.site, lambda _image: self.image_problem)
        most = max_active, max_sessions
        acceptor = Acceptor(self.store, self.clock, gatherer, self.homes, self.renderer, *most)
        launch = Launch(self.store, self.clock, self.site)
        schedulers = {"default": self.scheduler}
        return Jobs(self.store, self.clock, self.waker, schedulers, acceptor, self.renderer, launch)

    def submission(self, job: Job, slurm_ids: dict[int, int]) -> Submission:
        """What the agent gets for `job`."""
        made = self.jobs.submissions([(job, slurm_ids)])[job.uuid]
        assert isinstance(made, Submission), made
        return made

    def apply(self, **changes: Any) -> None:
        """Change the site, and let what is remembered of it grow old."""
        self.store.apply_site(SITE.model_copy(update=changes))
        self.clock.advance(2)


def shell(**fields: Any) -> JobRequest:
    """A shell job's request."""
    return JobRequest(**{"kind": Kind.SHELL, "command": "echo hello"} | fields)
