"""The one place that chooses adapters: settings in, services out.

Nothing is connected here. Each adapter connects at its first call, so that a check can tell of every part
whether it answers.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from . import image_files
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
from .clock import SystemClock
from .directory.ldap import LdapDirectory
from .directory.ldap_session import Server
from .directory.static import StaticDirectory
from .domain.errors import Invalid
from .domain.scheduling import Owner
from .ports import Clock, Directory, Scheduler
from .render import Surroundings
from .scheduler.local import LocalScheduler
from .scheduler.slurm import SlurmCommands
from .services.accepting import Acceptor
from .services.audit import Audit
from .services.catalogue import Catalogue
from .services.disk import Disks
from .services.entitled import Entitled
from .services.explaining import Explaining
from .services.facts import Gatherer
from .services.groups import Groups
from .services.homes import Homes
from .services.jobs import Jobs
from .services.launch import Launch
from .services.login import Login
from .services.projecting import Projecting
from .services.rendering import Renderer
from .services.results import Results
from .services.service_accounts import ServiceAccounts
from .services.sharing import Sharing
from .services.site import Site
from .settings import ClusterSettings, Settings, check_secrets
from .store.sql_store import SqlStore
from .waking import DatagramWaker


@dataclass(frozen=True)
class Services:
    """All use cases, and the adapters that checks and the broker need themselves."""

    settings: Settings
    clock: Clock
    store: SqlStore
    directory: Directory
    agents: SocketAgents
    schedulers: Mapping[str, Scheduler]
    login: Login
    jobs: Jobs
    results: Results
    catalogue: Catalogue
    groups: Groups
    sharing: Sharing
    service_accounts: ServiceAccounts
    explaining: Explaining
    audit: Audit
    projecting: Projecting
    disks: Disks

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
    agents = build_agents(settings)
    schedulers = {name: _scheduler(cluster, agents) for name, cluster in settings.clusters.items()}
    homes, site = Homes(store, agents), Site(store, clock)
    jobs = _jobs(settings, clock, store, schedulers, homes, site)
    waker = DatagramWaker(settings.portal.runtime_dir)
    groups = Groups(store, directory, clock, waker)
    everyone = settings.sharing.everyone_group
    sharing = Sharing(store, directory, clock, site, waker, everyone)
    entitled = Entitled(store, directory, clock, everyone)
    every = timedelta(hours=settings.sharing.look_hours)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        directory=directory,
        agents=agents,
        schedulers=schedulers,
        login=Login(store, directory, clock, homes),
        jobs=jobs,
        results=Results(jobs, agents),
        catalogue=Catalogue(store, site),
        groups=groups,
        sharing=sharing,
        service_accounts=ServiceAccounts(
            store, clock, timedelta(days=settings.service_accounts.longest_days)
        ),
        explaining=Explaining(store, directory, clock, site),
        audit=Audit(store, groups, sharing),
        projecting=Projecting(store, agents, clock, entitled, every),
        disks=Disks(store, clock, sharing, entitled),
    )


def build_store(settings: Settings) -> SqlStore:
    """The database."""
    return SqlStore(settings.database.url, settings.secret("database.password_file"))


def build_directory(settings: Settings) -> Directory:
    """LDAP, or the file of users."""
    own = settings.directory
    if own.users_file is not None and own.kind == "static":
        return StaticDirectory(own.users_file)
    try:
        server = Server(
            own.url, own.starttls, str(own.ca_file) if own.ca_file else None, timeout_s=own.timeout_s
        )
    except ValueError as error:
        raise Invalid({"directory.url": str(error)}) from error
    return LdapDirectory(
        server,
        own.user_base,
        own.group_base,
        bind_dn=own.bind_dn,
        bind_password=settings.secret("directory.bind_password_file") or "",
        admin_group=own.admin_group,
    )


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
        local_path=own.local_path,
    )
    try:
        return SocketAgents(settings.portal.runtime_dir, transports[own.transport], options)
    except ValueError as error:
        raise Invalid({"portal.runtime_dir": str(error)}) from error


def hand_over_s(settings: Settings) -> float:
    """The longest one call that hands jobs to an agent may take, in seconds."""
    clusters = settings.clusters.values()
    return max(LOCAL_SUBMIT_S if one.kind == "local" else submit_limit_s(one.timeout_s) for one in clusters)


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
) -> Jobs:
    containers = settings.images.apptainer is not None
    check = image_files.ImageFiles().problem if containers else image_files.no_containers
    key = settings.secret("portal.secret_key_file") or ""
    renderer = Renderer(store, _surroundings(settings), key.encode())
    gatherer = Gatherer(store, clock, site, check)
    acceptor = Acceptor(store, clock, gatherer, homes, renderer, settings.jobs.max_active)
    waker = DatagramWaker(settings.portal.runtime_dir)
    return Jobs(store, clock, waker, schedulers, acceptor, renderer, Launch(store, clock, site))


def _surroundings(settings: Settings) -> Surroundings:
    return Surroundings(
        claim_url=settings.claim_url(),
        ca_file=str(settings.jobs.ca_file or ""),
        apptainer=str(settings.images.apptainer or ""),
        verify=settings.images.verify,
    )
