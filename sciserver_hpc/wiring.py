"""The one place that chooses adapters: settings in, services out.

Nothing is connected here. Each adapter connects at its first call, so that a check can tell of every part
whether it answers.
"""

from __future__ import annotations

import math
import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.errors import HeaderParseError
from functools import cache, partial

from pydantic import ValidationError

from . import app_files, image_files
from .agents import (
    LOCAL_SUBMIT_S,
    PROGRAM,
    AgentOptions,
    SelfTransport,
    SocketAgents,
    SudoTransport,
    Transport,
    submit_limit_s,
)
from .app_files import AppFiles
from .archive_files import ArchiveFolder
from .broker.attending import Tending
from .clock import SystemClock
from .directory.ldap import LdapDirectory
from .directory.ldap_groups import LdapGroups
from .directory.ldap_session import Server
from .directory.static import StaticDirectory
from .domain.apps import App
from .domain.errors import Invalid
from .domain.scheduling import Owner
from .domain.sessions import Gauge
from .gates import TlsGates
from .mailing import MailServer, SmtpMailer
from .ports import Clock, Directory, GroupDirectory, Scheduler
from .render import Surroundings
from .scheduler.local import LocalScheduler
from .scheduler.slurm import SlurmCommands
from .services.accepting import Acceptor
from .services.administering import Administering
from .services.administration import Administration
from .services.admitting import Admitting
from .services.archiving import Archiving
from .services.arrays import Arrays
from .services.audit import Audit
from .services.catalogue import Catalogue
from .services.disk import Disks
from .services.editing import Editing
from .services.entitled import Entitled
from .services.explaining import Explaining
from .services.facts import Gatherer
from .services.group_keeping import GroupKeeping, Terms
from .services.groups import Groups
from .services.heralding import Heralding
from .services.homes import Homes
from .services.jobs import Jobs
from .services.launch import Launch
from .services.login import Login
from .services.notifying import Notifying, Ways
from .services.projecting import Projecting
from .services.rendering import Doors, Renderer
from .services.results import Results
from .services.sending import Sending
from .services.service_accounts import ServiceAccounts
from .services.sessions import Sessions
from .services.sharing import Sharing
from .services.site import Site
from .services.straying import Straying
from .services.support import Support
from .services.tables import Tables
from .services.unix_groups import UnixGroups
from .services.watched_directory import WatchedDirectory
from .session_ca import SessionCa
from .settings import ClusterSettings, Settings, check_secrets
from .store.sql_store import SqlStore
from .waking import DatagramWaker
from .webhooks import Reach, Webhooks


@dataclass(frozen=True)
class Services:
    """All use cases, and the adapters that checks and the broker need themselves.

    directory: as it is; services ask it through a WatchedDirectory.
    """

    settings: Settings
    clock: Clock
    store: SqlStore
    directory: Directory
    agents: SocketAgents
    schedulers: Mapping[str, Scheduler]
    login: Login
    jobs: Jobs
    results: Results
    arrays: Arrays
    tables: Tables
    catalogue: Catalogue
    groups: Groups
    sharing: Sharing
    service_accounts: ServiceAccounts
    explaining: Explaining
    audit: Audit
    projecting: Projecting
    disks: Disks
    administration: Administration
    administering: Administering
    support: Support
    group_directory: GroupDirectory | None
    unix_groups: UnixGroups
    group_keeping: GroupKeeping
    sessions: Sessions
    admitting: Admitting
    straying: Straying
    heralding: Heralding
    mailer: SmtpMailer | None
    notifying: Notifying
    sending: Sending
    archiving: Archiving

    def session_origin(self, uuid: str) -> str:
        """Where browsers find the session with this uuid."""
        return session_origin(self.settings, uuid)

    def close(self) -> None:
        """Hang up on agents and database."""
        self.agents.close()
        self.store.close()


def build(settings: Settings) -> Services:
    """Wire everything by `settings`.

    Raises Invalid: every bad secret file, or a part of the settings no adapter can work with.
    """
    check_secrets(settings)
    clock = SystemClock()
    store = build_store(settings)
    directory = build_directory(settings)
    watched = WatchedDirectory(store, directory, clock)
    agents = build_agents(settings)
    schedulers = {name: _scheduler(cluster, agents) for name, cluster in settings.clusters.items()}
    homes, site = Homes(store, agents), Site(store, clock, _apps(settings))
    jobs, acceptor = _jobs(settings, clock, store, schedulers, homes, site)
    arrays = Arrays(store, clock, jobs)
    waker = DatagramWaker(settings.portal.runtime_dir)
    groups = Groups(store, watched, clock, waker)
    everyone = settings.sharing.everyone_group
    sharing = Sharing(store, watched, clock, site, waker, everyone)
    unix = settings.unix_groups
    entitled = Entitled(store, watched, clock, everyone, unix=bool(unix.branch))
    group_directory = build_group_directory(settings)
    prefix = unix.prefix if unix.branch else ""
    administration, login = Administration(store, clock), Login(store, watched, clock, homes)
    longest = timedelta(minutes=settings.support.minutes)
    support = Support(store, clock, login, administration, longest)
    admitting = Admitting(store, clock, login.person)
    every = timedelta(hours=settings.sharing.look_hours)
    mailer, url = build_mailer(settings), settings.portal.url
    ways = _ways(settings, mail=mailer is not None)
    notifying = Notifying(store, clock, waker, ways, url)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        directory=directory,
        agents=agents,
        schedulers=schedulers,
        login=login,
        jobs=jobs,
        results=Results(jobs, agents),
        arrays=arrays,
        tables=Tables(jobs, arrays, agents),
        catalogue=Catalogue(store, site),
        groups=groups,
        sharing=sharing,
        service_accounts=ServiceAccounts(
            store, clock, timedelta(days=settings.service_accounts.longest_days)
        ),
        explaining=Explaining(store, watched, clock, site),
        audit=Audit(store, groups, sharing, administration, support),
        projecting=Projecting(store, agents, clock, entitled, every),
        disks=Disks(store, clock, sharing, entitled),
        administration=administration,
        administering=Administering(store, build_editing(settings, store, clock), administration),
        support=support,
        group_directory=group_directory,
        unix_groups=UnixGroups(store, clock, waker, groups, prefix),
        group_keeping=GroupKeeping(store, agents, clock, group_directory, _terms(settings)),
        sessions=Sessions(store, clock, waker, jobs, site, admitting, build_gauge(settings)),
        admitting=admitting,
        straying=Straying(store, agents, schedulers, acceptor, waker),
        heralding=Heralding(store, clock, notifying),
        mailer=mailer,
        notifying=notifying,
        sending=Sending(store, clock, watched, mailer, ways, url),
        archiving=build_archiving(settings, store),
    )


def build_apps(settings: Settings) -> AppFiles:
    """The site's own apps, then those that come with the program."""
    return AppFiles((*settings.sessions.apps, app_files.shipped()))


def _apps(settings: Settings) -> Callable[[], Mapping[str, App]]:
    return build_apps(settings).apps if settings.sessions.domain else dict


def build_tending(services: Services) -> Tending | None:
    """What the broker needs for sessions; None where the site has none."""
    own = services.settings.sessions
    if not own.domain:
        return None
    gates, gauge = TlsGates(own.ca_dir), build_gauge(services.settings)
    return Tending(gates, services.admitting, services.heralding, gauge)


def build_gauge(settings: Settings) -> Gauge:
    """When sessions are stopped, and when their owners are warned."""
    own = settings.sessions
    return Gauge(
        idle_s=60 * own.idle_minutes,
        grace_s=60 * own.grace_minutes,
        time_warning_s=60 * own.time_warning_minutes,
    )


def session_origin(settings: Settings, uuid: str) -> str:
    """The origin of the session with this uuid."""
    return f"{settings.portal.url.partition('://')[0]}://{uuid}.{settings.sessions.domain}"


def build_editing(settings: Settings, store: SqlStore, clock: Clock) -> Editing:
    """Edits of the site's declaration, by page or command."""
    return Editing(store, clock, image_files.ImageFiles(sif=settings.images.apptainer is not None))


def build_store(settings: Settings) -> SqlStore:
    """The database."""
    return SqlStore(settings.database.url, settings.secret("database.password_file"))


def build_archiving(settings: Settings, store: SqlStore) -> Archiving:
    """What moves jobs to the archive, and finds them there."""
    own = settings.history
    keep = timedelta(days=own.keep_days) if own.keep_days else None
    return Archiving(store, SystemClock(), ArchiveFolder(own.archive_dir), keep)


def build_directory(settings: Settings) -> Directory:
    """LDAP, or the file of users."""
    own, unix = settings.directory, settings.unix_groups
    if own.users_file is not None and own.kind == "static":
        return StaticDirectory(own.users_file)
    return LdapDirectory(
        _server(settings),
        own.user_base,
        own.group_base,
        bind_dn=own.bind_dn,
        bind_password=settings.secret("directory.bind_password_file") or "",
        admin_group=own.admin_group,
        apart=(unix.branch, unix.prefix) if unix.branch else None,
    )


def build_group_directory(settings: Settings) -> GroupDirectory | None:
    """The branch for groups of the portal; None where the site has none."""
    own, people = settings.unix_groups, settings.directory
    if not own.branch:
        return None
    secret = settings.secret("unix_groups.bind_password_file") or ""
    try:
        bases = (people.user_base, people.group_base)
        return LdapGroups(_server(settings), own.branch, bases, bind_dn=own.bind_dn, bind_password=secret)
    except ValueError as error:
        raise Invalid({"unix_groups.branch": str(error)}) from error


def _server(settings: Settings) -> Server:
    own = settings.directory
    try:
        return Server(
            own.url, own.starttls, str(own.ca_file) if own.ca_file else None, timeout_s=own.timeout_s
        )
    except ValueError as error:
        raise Invalid({"directory.url": str(error)}) from error


_REQUESTS = 10
"""More than one call of the branch sends, each of which may take as long as the directory may (ldap3 counts
whole seconds)."""


def _terms(settings: Settings) -> Terms | None:
    own = settings.unix_groups
    if not own.branch:
        return None
    return Terms(
        prefix=own.prefix,
        gids=range(own.first_gid, own.last_gid + 1),
        all=own.all,
        overlap=timedelta(hours=own.overlap_hours),
        busy=timedelta(seconds=_REQUESTS * math.ceil(settings.directory.timeout_s)),
    )


def build_mailer(settings: Settings) -> SmtpMailer | None:
    """The mail server; None where there is none."""
    own = settings.mail
    if not own.host:
        return None
    server = MailServer(
        host=own.host,
        port=own.port,
        security=own.security,
        ca_file=own.ca_file,
        username=own.username,
        password=settings.secret("mail.password_file") or "",
        timeout_s=own.timeout_s,
    )
    try:
        return SmtpMailer(server, own.sender, settings.portal.title)
    except (ValueError, HeaderParseError) as error:
        raise Invalid({"mail.sender": f"is no address, or portal.title no name for it: {error}"}) from error


def _ways(settings: Settings, *, mail: bool) -> Ways:
    own, key = settings.webhooks, settings.secret("portal.secret_key_file") or ""
    reach = Reach(own.allow_http, own.allowed_networks, own.ca_file, own.timeout_s)
    return Ways(mail, Webhooks(reach) if own.enabled else None, key.encode())


def build_agents(settings: Settings) -> SocketAgents:
    """Agents as the settings start them, for the Slurm cluster where there is one."""
    own = settings.agents
    program = own.program or PROGRAM
    transports: dict[str, Transport] = {
        "sudo": SudoTransport(str(own.python), program),
        "self": SelfTransport(str(own.python), program),
    }
    slurm = next((c for c in settings.clusters.values() if c.kind == "slurm"), ClusterSettings())
    options = AgentOptions(
        idle_s=own.idle_s,
        min_uid=own.min_uid,
        bin_dir=str(slurm.bin_dir),
        slurm_conf=str(slurm.conf or ""),
        timeout_s=slurm.timeout_s,
        submit_through=slurm.submit_through,
        local_path=own.local_path,
    )
    try:
        return SocketAgents(settings.portal.runtime_dir, transports[own.transport], options)
    except ValueError as error:
        raise Invalid({"portal.runtime_dir": str(error)}) from error


def rest_s(settings: Settings) -> float:
    """How long a doubt about a submission rests, in seconds: until nothing of it can still be on its way.

    A call to an agent may take so long, and a controller may be deaf for a look's time-out before that is
    noticed (docs/explanation/exactly-once.md).
    """
    on_its_way = [
        LOCAL_SUBMIT_S if one.kind == "local" else submit_limit_s(one.timeout_s) + one.timeout_s
        for one in settings.clusters.values()
    ]
    return max(settings.broker.quiet_s, *on_its_way)


def _scheduler(cluster: ClusterSettings, agents: SocketAgents) -> Scheduler:
    if cluster.kind == "local":
        return LocalScheduler(agents, _myself())
    return SlurmCommands(
        agents, bin_dir=str(cluster.bin_dir), timeout_s=cluster.timeout_s, conf=str(cluster.conf or "")
    )


def _myself() -> Owner:
    """Whom this process runs as: the one user of single-user mode."""
    uid, gid = os.getuid(), os.getgid()
    try:
        return Owner(username=pwd.getpwuid(uid).pw_name, uid=uid, gid=gid)
    except (KeyError, ValidationError):
        return Owner(username="user", uid=uid, gid=gid)


def _jobs(
    settings: Settings,
    clock: Clock,
    store: SqlStore,
    schedulers: Mapping[str, Scheduler],
    homes: Homes,
    site: Site,
) -> tuple[Jobs, Acceptor]:
    containers = settings.images.apptainer is not None
    check = image_files.ImageFiles().problem if containers else image_files.no_containers
    key = settings.secret("portal.secret_key_file") or ""
    renderer = Renderer(store, _surroundings(settings), key.encode(), _doors(settings, clock))
    gatherer = Gatherer(store, clock, site, check)
    most = settings.jobs.max_active, settings.sessions.max_active
    acceptor = Acceptor(store, clock, gatherer, homes, renderer, *most)
    waker = DatagramWaker(settings.portal.runtime_dir)
    launch = Launch(store, clock, site)
    return Jobs(store, clock, waker, schedulers, acceptor, renderer, launch), acceptor


def _doors(settings: Settings, clock: Clock) -> Doors | None:
    if not settings.sessions.domain:
        return None
    # Read at the first session: the portal, which submits none, has no need of the authority's key.
    ca = cache(lambda: SessionCa(settings.sessions.ca_dir))
    return Doors(
        origin=partial(session_origin, settings),
        certificate=lambda uuid: ca().issue(uuid, clock.now()),
        ca=lambda: ca().ca_pem(),
    )


def _surroundings(settings: Settings) -> Surroundings:
    return Surroundings(
        claim_url=settings.claim_url(),
        ca_file=str(settings.jobs.ca_file or ""),
        apptainer=str(settings.images.apptainer or ""),
        verify=settings.images.verify,
    )
