"""The portal over the real services, with SQLite, and fakes where the outside begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from portal import create_app
from portal.services import EXTENSION
from sciserver_hpc.app_files import AppFiles, shipped
from sciserver_hpc.archive_files import ArchiveFolder
from sciserver_hpc.domain.access import Action, Grant, Resource, Subject
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.catalogue import ComputeDomain, Image
from sciserver_hpc.domain.catalogue import Site as Offer
from sciserver_hpc.domain.gates import GateStatus
from sciserver_hpc.domain.jobs import EventKind, Job, JobEvent
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.resources import Limits
from sciserver_hpc.domain.sessions import Gauge, Session, SessionRequest
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.volumes import DataVolume, RootKind, RootVolume
from sciserver_hpc.image_files import ImageFiles
from sciserver_hpc.render import Surroundings
from sciserver_hpc.services.accepting import Acceptor
from sciserver_hpc.services.administering import Administering
from sciserver_hpc.services.administration import Administration
from sciserver_hpc.services.admitting import Admitting
from sciserver_hpc.services.archiving import Archiving
from sciserver_hpc.services.arrays import Arrays
from sciserver_hpc.services.audit import Audit
from sciserver_hpc.services.catalogue import Catalogue
from sciserver_hpc.services.disk import Disks
from sciserver_hpc.services.editing import Editing
from sciserver_hpc.services.entitled import Entitled
from sciserver_hpc.services.explaining import Explaining
from sciserver_hpc.services.facts import Gatherer
from sciserver_hpc.services.group_keeping import GroupKeeping, Terms
from sciserver_hpc.services.groups import Groups
from sciserver_hpc.services.heralding import Heralding
from sciserver_hpc.services.homes import Homes
from sciserver_hpc.services.jobs import Jobs
from sciserver_hpc.services.launch import Launch
from sciserver_hpc.services.login import Login
from sciserver_hpc.services.notifying import Notifying, Ways
from sciserver_hpc.services.projecting import Projecting
from sciserver_hpc.services.rendering import Doors, Renderer
from sciserver_hpc.services.results import Results
from sciserver_hpc.services.sending import Sending
from sciserver_hpc.services.service_accounts import ServiceAccounts
from sciserver_hpc.services.sessions import Sessions
from sciserver_hpc.services.sharing import Sharing
from sciserver_hpc.services.site import Site
from sciserver_hpc.services.straying import Straying
from sciserver_hpc.services.support import Support
from sciserver_hpc.services.tables import Tables
from sciserver_hpc.services.unix_groups import UnixGroups
from sciserver_hpc.services.watched_directory import WatchedDirectory
from sciserver_hpc.settings import Settings
from sciserver_hpc.store.sql_store import SqlStore
from sciserver_hpc.wiring import Services, session_origin
from tests.fakes.agents import FakeAgents
from tests.fakes.clock import FakeClock
from tests.fakes.database import new_database
from tests.fakes.directory import FakeDirectory
from tests.fakes.group_directory import FakeGroupDirectory
from tests.fakes.jobs import change_job
from tests.fakes.notifiers import FakeMailer, FakePoster
from tests.fakes.scheduler import FakeScheduler
from tests.fakes.waker import FakeWaker

URL = "https://localhost"
SESSIONS = "sessions.localhost"
APPS = Path(__file__).parent / "apps"
PASSWORD = "correct horse"
PEOPLE = {
    name: Person(username=name, uid=uid, gid=uid, full_name=full, email=f"{name}@example.org", groups=groups)
    for name, uid, full, groups in (
        ("alice", 2001, "Alice Adams", frozenset({"astro"})),
        ("bob", 2002, "Bob Brown", frozenset({"astro"})),
    )
}
TERMS = Terms("portal-", range(7001, 7010), False, timedelta(0), timedelta(seconds=50))
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)


def grants() -> tuple[Grant, ...]:
    """Everyone may use what there is, but the image `secret`."""
    everyone = Subject(kind="everyone")
    names = {"domain": ("batch", "interactive"), "image": ("python", "r"), "app": ("lab",)}
    wanted = [(kind, name) for kind, several in names.items() for name in several]
    use = [Grant(subject=everyone, action=Action.USE, resource=Resource(kind=k, name=n)) for k, n in wanted]
    data = Resource(kind="data_volume", name="sunspots")
    return (*use, Grant(subject=everyone, action=Action.READ, resource=data))


def offer() -> Offer:
    """A small site."""
    images = [
        Image(
            name=name,
            version="1.0",
            path=f"/images/{name}.sif",
            sha256=f"{number}" * 64,
            size=4096,
            mtime_ns=1,
            title=title,
            kernels=kernels,
            apps=("lab",) if name != "r" else (),
        )
        for number, (name, title, kernels) in enumerate(
            (("python", "Python", ("python3",)), ("r", "R", ("ir",)), ("secret", "Secret", ())), 1
        )
    ]
    limits = Limits(cpus=8, memory_mb=16384, time_limit_s=8 * 3600)
    roots = ("Storage", "Temporary")
    domains = [
        ComputeDomain(
            name=name,
            description=text,
            partition=name,
            images=("python", "r", "secret"),
            root_volumes=roots,
            data_volumes=("sunspots",),
            limits=limits,
            interactive=name == "interactive",
            extension_s=3600,
        )
        for name, text in (("batch", "long jobs"), ("interactive", "short jobs"))
    ]
    return Offer(
        domains=tuple(domains),
        images=tuple(images),
        root_volumes=(
            RootVolume(name="Storage", path="/shared/Storage"),
            RootVolume(name="Temporary", path="/shared/Temporary", kind=RootKind.TEMPORARY),
        ),
        data_volumes=(DataVolume(name="sunspots", path="/shared/data/sunspots", description="Since 1700"),),
        grants=grants(),
    )


class House:
    """`app` and `services`, and what a test sets or breaks: `clock`, `people`, `disk`, `scheduler`."""

    def __init__(
        self, folder: Path, url: str = URL, sessions: str = SESSIONS, database: str | None = None
    ) -> None:
        self.clock = FakeClock(datetime(2026, 1, 15, 12, tzinfo=UTC))
        self.store = SqlStore(database or new_database(folder / "portal.db"), now=self.clock.now)
        self.store.apply_site(offer())
        self.archive = folder / "archive"
        self.archive.mkdir()
        self.people, self.disk = FakeDirectory(), FakeAgents()
        self.branch = FakeGroupDirectory()
        self.mailer, self.poster = FakeMailer(), FakePoster()
        self.ways = Ways(True, self.poster, b"k" * 32)
        self.scheduler = FakeScheduler(self.clock)
        for person in PEOPLE.values():
            self.people.add(person, PASSWORD)
            for root in ("Storage", "Temporary"):
                self.disk.make_directory(f"/shared/{root}/{person.username}", person.uid)
        self.services = self._services(settings(folder, url, sessions))
        self.app: Flask = create_app(self.services)

    def close(self) -> None:
        self.store.close()

    def stands_at(self, url: str) -> None:
        """Browsers really find the portal there, and sessions below it."""
        old, own = self.services.settings, url.partition("://")[2]
        portal = old.portal.model_copy(update={"url": url})
        sessions = old.sessions.model_copy(update={"domain": own})
        chosen = old.model_copy(update={"portal": portal, "sessions": sessions})
        self.services = self.app.extensions[EXTENSION] = replace(self.services, settings=chosen)

    def browser(self, username: str | None = None) -> Browser:
        """A browser, logged in where a name is given."""
        browser = Browser(self.app.test_client())
        if username:
            assert browser.log_in(username).status_code == 303
        return browser

    def token(self, username: str) -> str:
        """A login token's secret."""
        return self.services.login.password(username, PASSWORD, "192.0.2.1")[1]

    def asker(self, username: str) -> Asker:
        """The person as the directory knows them, in a request of its own."""
        return Asker(self.people.person(username), "test")

    def personal(self, username: str, *scopes: Any, lifetime: timedelta = timedelta(days=1)) -> str:
        return self.services.login.personal_token(PEOPLE[username], "test", scopes, lifetime)[0]

    def move(self, job_id: int, state: JobState, text: str = "", **fields: Any) -> Job:
        """The broker saw the job in `state`."""
        old = self.store.job(job_id)
        assert old is not None
        now = self.clock.now()
        new = old.model_copy(update={"state": state, "changed_at": now, **fields})
        event = JobEvent(at=now, kind=EventKind.STATE, state=state, text=text or f"Now {state}")
        stored = change_job(self.store, old, new, [event])
        assert stored is not None
        return stored

    def session(self, username: str = "alice", name: str = "bench", **more: Any) -> int:
        """A session that was asked for, and that Slurm has not started."""
        asked = SessionRequest(app="lab", name=name, **more)
        return self.services.sessions.start(PEOPLE[username], asked).id

    def open_session(self, username: str = "alice", name: str = "bench", **more: Any) -> int:
        """One whose gate the broker has reached."""
        number = self.session(username, name, **more)
        now = self.clock.now()
        self.move(number, JobState.SUBMITTING)
        job = self.move(number, JobState.RUNNING, "Runs on n1", node="n1", slurm_id=7, started_at=now)
        self.reach(number, now + timedelta(seconds=job.spec.deadline_s or 0))
        return number

    def reach(self, number: int, ends_at: datetime) -> None:
        """The broker reached its gate: Slurm job 7 on n1."""
        status = GateStatus(
            uuid=self.uuid(number), slurm_id=7, restarts=0, idle_s=300, cpu_s=90, memory_bytes=3 * 2**28,
            passes={}, bytes_in=0, bytes_out=0,
        )  # fmt: skip
        now = self.clock.now()
        self.change_session(
            number,
            address="192.0.2.7:40001",
            ready_at=now,
            ends_at=ends_at,
            status=status,
            seen_at=now,
            cpu_percent=130.0,
        )

    def change_session(self, job_id: int, **fields: Any) -> Session:
        """The broker noted something of it."""
        found = self.store.session(job_id)
        assert found is not None
        kept = self.store.keep_session(found[1], found[1].model_copy(update=fields))
        assert kept is not None
        return kept

    def uuid(self, job_id: int) -> str:
        job = self.store.job(job_id)
        assert job is not None
        return job.uuid

    def write(self, job_id: int, path: str, data: bytes) -> None:
        """The job wrote a file to its folder."""
        job = self.store.job(job_id)
        assert job is not None
        self.disk.put(f"{job.spec.path}/{path}", data, job.uid)

    def _services(self, chosen: Settings) -> Services:
        url, has_sessions = chosen.portal.url, bool(chosen.sessions.domain)
        site = Site(self.store, self.clock, AppFiles((APPS, shipped())).apps if has_sessions else dict)
        homes = Homes(self.store, self.disk)
        gatherer = Gatherer(self.store, self.clock, site, lambda image: None)
        schedulers: Any = {"default": self.scheduler}
        doors = Doors(partial(session_origin, chosen), "certificate of {}".format, lambda: "authority")
        self.renderer = Renderer(self.store, Surroundings(claim_url=url), b"k" * 32, doors)
        acceptor = Acceptor(self.store, self.clock, gatherer, homes, self.renderer, 1000, 50)
        launch = Launch(self.store, self.clock, site)
        jobs = Jobs(self.store, self.clock, FakeWaker(), schedulers, acceptor, self.renderer, launch)
        directory = WatchedDirectory(self.store, self.people, self.clock)
        login = Login(self.store, directory, self.clock, homes)
        waker = FakeWaker()
        groups = Groups(self.store, directory, self.clock, waker)
        sharing = Sharing(self.store, directory, self.clock, site, waker)
        administration = Administration(self.store, self.clock)
        support = Support(self.store, self.clock, login, administration, timedelta(minutes=30))
        entitled = Entitled(self.store, directory, self.clock, unix=True)
        admitting = Admitting(self.store, self.clock, login.person)
        notifying = Notifying(self.store, self.clock, waker, self.ways, url)
        editing = Editing(self.store, self.clock, ImageFiles())
        return Services(
            settings=chosen,
            clock=self.clock,
            store=self.store,
            directory=self.people,
            agents=self.disk,  # type: ignore[arg-type]
            schedulers=schedulers,
            login=login,
            jobs=jobs,
            results=Results(jobs, self.disk),
            arrays=Arrays(self.store, self.clock, jobs),
            tables=Tables(jobs, Arrays(self.store, self.clock, jobs), self.disk),
            catalogue=Catalogue(self.store, site),
            groups=groups,
            sharing=sharing,
            service_accounts=ServiceAccounts(self.store, self.clock, timedelta(days=90)),
            explaining=Explaining(self.store, directory, self.clock, site),
            audit=Audit(self.store, groups, sharing, administration, support),
            projecting=Projecting(self.store, self.disk, self.clock, entitled, timedelta(days=1)),
            disks=Disks(self.store, self.clock, sharing, entitled),
            administration=administration,
            administering=Administering(self.store, editing, administration),
            support=support,
            group_directory=self.branch,
            unix_groups=UnixGroups(self.store, self.clock, waker, groups, "portal-"),
            group_keeping=GroupKeeping(self.store, self.disk, self.clock, self.branch, TERMS),
            sessions=Sessions(self.store, self.clock, waker, jobs, site, admitting, Gauge()),
            admitting=admitting,
            straying=Straying(self.store, self.disk, schedulers, acceptor, waker),
            heralding=Heralding(self.store, self.clock, notifying),
            mailer=None,
            notifying=notifying,
            sending=Sending(self.store, self.clock, directory, self.mailer, self.ways, url),
            archiving=Archiving(self.store, self.clock, ArchiveFolder(self.archive), timedelta(days=90)),
        )


class Browser:
    """A test client that knows the form token."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, base_url=URL, buffered=True, **more)

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
        """A form as a page of ours would send it."""
        form = {"csrf_token": self.form_token(), **(data or {})}
        headers = {"Referer": f"{URL}/", **more.pop("headers", {})}
        return self.client.post(path, base_url=URL, data=form, headers=headers, **more)

    def form_token(self) -> str:
        page = self.get("/login")
        if page.status_code == 302:
            page = self.get("/me")
        return page.text.partition('name="csrf_token" value="')[2].partition('"')[0]

    def log_in(self, username: str, password: str = PASSWORD, **more: str) -> Any:
        return self.post("/login", {"username": username, "password": password, **more})


def settings(folder: Path, url: str, sessions: str = SESSIONS) -> Settings:
    """Settings with a key in a file, as a site has them."""
    key = folder / "portal.key"
    key.write_text("0f" * 32)
    key.chmod(0o600)
    return Settings.model_validate(
        {
            "portal": {"url": url, "secret_key_file": str(key), "runtime_dir": str(folder)},
            "sessions": {"domain": sessions},
            "directory": {"kind": "static", "users_file": str(folder / "users.toml")},
        }
    )


def shell(command: str = "hostname", **more: Any) -> dict[str, Any]:
    """The least a shell job asks for, as JSON."""
    return {"kind": "shell", "command": command, **more}
