"""Checks of everything outside: one line each, with a remedy."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import requests

from ..domain.errors import AgentError, Invalid, NotFound, SciServerError, Unavailable
from ..domain.people import Person
from ..domain.scheduling import Owner
from ..domain.volumes import RootVolume
from ..image_files import ImageFiles
from ..ports import GroupDirectory
from ..scheduler.commands import Commands
from ..secret_files import SecretProblem
from ..session_ca import SessionCa
from ..settings import SECRETS, ClusterSettings, Settings
from ..wiring import Services, build_apps

TIMEOUT_S = 10
LATE = timedelta(seconds=60)
"""A broker that has not looked at the cluster for so long is not at work."""


@dataclass(frozen=True)
class Verdict:
    """What was found out about `name`; `remedy`: what to do, also where it is well but could be better."""

    name: str
    ok: bool
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" — {self.remedy}" if self.remedy else ""
        return f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {self.text}{remedy}"


@dataclass(frozen=True)
class Site:
    """What is checked. `user`: as whom to try an agent, or empty."""

    settings: Settings
    services: Services
    user: str = ""


Check = Callable[[Site], Iterator[Verdict]]


def secrets(site: Site) -> Iterator[Verdict]:
    """Secret files: there, not empty, no default, not readable by others."""
    for field in SECRETS:
        try:
            kept = site.settings.secret(field)
        except Invalid as error:
            yield Verdict(f"secret {field}", False, error.problems.get(field, str(error)))
        else:
            if kept is not None:
                yield Verdict(f"secret {field}", True, "well kept")


def db(site: Site) -> Iterator[Verdict]:
    """The database answers and has this program's schema."""
    yield _answer("db", site.services.store.ping, "start it, or correct [database] in the settings")


def ldap(site: Site) -> Iterator[Verdict]:
    """The directory answers, over TLS, and lets us search, and write where Unix groups are kept."""
    remedy = "check [directory] url, ca_file, bind_dn and its password, user_base"
    yield _answer("ldap", site.services.directory.ping, remedy)
    if site.services.group_directory is not None:
        yield from _branch(site, site.services.group_directory)


_NUMBERS = 20
"""So many of the next free numbers are looked at: a range may hold millions."""


def _branch(site: Site, directory: GroupDirectory) -> Iterator[Verdict]:
    """The branch for groups of the portal can be written, its numbers and its prefix are nobody else's."""
    own = site.settings.unix_groups
    remedy = "make the branch and let [unix_groups] bind_dn add, change and delete entries in it"
    alive = _answer("ldap unix groups", directory.ping, remedy)
    yield alive
    if not alive.ok:
        return
    given, numbers = site.services.store.gids_given(), range(own.first_gid, own.last_gid + 1)
    free = list(islice((gid for gid in numbers if gid not in given), _NUMBERS))
    held = [f"{gid} is {holder}'s" for gid in free if (holder := directory.holder(gid))]
    text = held[0] if held else f"{len(given & set(numbers))} of {len(numbers)} given, the next is free"
    remedy = "widen first_gid to last_gid, or choose numbers nobody else is given"
    ok = bool(free) and not held
    yield Verdict("ldap unix groups numbers", ok, text if free else "all are given", "" if ok else remedy)
    known = {row.name for row in site.services.store.unix_groups()}
    strange = [one.name for one in directory.groups() if not one.ours or one.name not in known]
    others = directory.intruders(own.prefix)
    remedy = "rename the groups elsewhere, and move out of the branch what the portal did not make"
    text = (
        f"not the portal's: {', '.join([*others, *strange][:_NUMBERS])}" if others or strange else "none else"
    )
    yield Verdict(
        "ldap unix groups names", not (others or strange), text, remedy if others or strange else ""
    )


_SCHEDULER_REMEDY = {
    "slurm": "start slurmctld, and munge on this host; try: scontrol ping",
    "local": "run the portal as the person who uses it",
}


def slurm(site: Site) -> Iterator[Verdict]:
    """Each cluster: it answers, is accounted for, has the domains' partitions, enforces limits."""
    for name, cluster in site.settings.clusters.items():
        label = f"slurm {name}"
        scheduler = site.services.schedulers[name]
        alive = _answer(label, scheduler.ping, _SCHEDULER_REMEDY[cluster.kind])
        yield alive
        if alive.ok and cluster.kind == "slurm":
            yield from _age(label, alive.text)
            yield from _asked(label, site, name)
            commands = Commands(str(cluster.bin_dir), cluster.timeout_s, str(cluster.conf or ""))
            yield from _partitions(label, site, name, commands)
            yield from _configured(label, commands, cluster)


_MAINTAINED = (24, 11)
"""The oldest release that still gets security fixes: Debian 13's, by Debian. Debian 12's 22.05 lacks those of
CVE-2026-65107, -65108, -65109, -65138, -65139, -65140, -65165 and -65168."""


def _age(label: str, answer: str) -> Iterator[Verdict]:
    """A release without security fixes is no failure here, but is said."""
    release = re.match(r"slurm (\d+)\.(\d+)", answer)
    if release and (int(release[1]), int(release[2])) < _MAINTAINED:
        text = f"{release[0]} gets no security fixes any more"
        yield Verdict(f"{label} version", True, text, "keep it to development, or upgrade Slurm")


def _asked(label: str, site: Site, cluster: str) -> Iterator[Verdict]:
    seen = site.services.schedulers[cluster].observe(site.services.clock.now() - timedelta(minutes=1))
    remedy = "see that slurmdbd runs and AccountingStorageType is accounting_storage/slurmdbd"
    yield Verdict(f"{label} squeue", seen.live_complete, f"{len(seen.sightings)} jobs of ours", seen.problem)
    answers = "answers" if seen.ended_complete else seen.ended_problem
    yield Verdict(f"{label} sacct", seen.ended_complete, answers, "" if seen.ended_complete else remedy)


def _partitions(label: str, site: Site, cluster: str, commands: Commands) -> Iterator[Verdict]:
    try:
        there = set(commands.run("sinfo", ["--noheader", "--format=%R"]).split())
    except Unavailable as error:
        yield Verdict(f"{label} partitions", False, error.detail, "try: sinfo")
        return
    wanted = {d.partition: d.name for d in site.services.store.domains() if d.cluster == cluster}
    missing = sorted(set(wanted) - there)
    names = ", ".join(f"{partition} (domain {wanted[partition]})" for partition in missing)
    remedy = f"Slurm has {', '.join(sorted(there))}; correct the catalogue and apply it" if missing else ""
    text = f"missing: {names}" if missing else ", ".join(sorted(wanted)) or "no domain uses this cluster"
    yield Verdict(f"{label} partitions", not missing, text, remedy)


_ENFORCED = {"ConstrainRAMSpace": "memory", "ConstrainCores": "CPU"}


def _configured(label: str, commands: Commands, cluster: ClusterSettings) -> Iterator[Verdict]:
    try:
        lines = commands.run("scontrol", ["show", "config"]).splitlines()
    except Unavailable as error:
        yield Verdict(f"{label} limits", False, error.detail, "try: scontrol show config")
        return
    config = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    yield from _limits(label, config)
    if cluster.submit_through == "slurmrestd":
        yield from _passed_by(label, config)


def _limits(label: str, config: Mapping[str, str]) -> Iterator[Verdict]:
    """slurm.conf(5), cgroup.conf(5): limits that nothing enforces are no failure, but are said."""
    by_cgroup = "cgroup" in config.get("TaskPlugin", "")
    for option, what in _ENFORCED.items():
        enforced = by_cgroup and config.get(option, "no").lower() == "yes"
        remedy = f"set TaskPlugin=task/cgroup in slurm.conf and {option}=yes in cgroup.conf"
        text = f"{what} limits are {'' if enforced else 'NOT '}enforced by cgroups"
        yield Verdict(f"{label} limits", True, text, "" if enforced else remedy)


def _passed_by(label: str, config: Mapping[str, str]) -> Iterator[Verdict]:
    """What acts inside sbatch does not see jobs that go through slurmrestd; a site may count on it."""
    stack = Path(config.get("PlugStackConfig", "(null)"))
    if not stack.is_absolute():
        stack = Path(config.get("SLURM_CONF", "/etc/slurm/slurm.conf")).with_name("plugstack.conf")
    filters = config.get("CliFilterPlugins", "(null)")
    found = [f"CliFilterPlugins={filters}"] if filters not in ("(null)", "") else []
    found += [str(stack)] if stack.exists() else []
    if found:
        text = (
            f"{' and '.join(found)} {'does' if len(found) == 1 else 'do'} not act when jobs are handed over"
        )
        remedy = f'if they must, set submit_through = "sbatch" in [clusters.{label.removeprefix("slurm ")}]'
        yield Verdict(f"{label} slurmrestd", True, text, remedy)


def images(site: Site) -> Iterator[Verdict]:
    """Apptainer runs; each image's file is the catalogued one."""
    program = site.settings.images.apptainer
    if program is None:
        yield Verdict("images", True, "jobs run without a container ([images] apptainer is empty)")
        return
    yield _answer("images apptainer", lambda: _version(program), "install Apptainer; see [images] apptainer")
    yield _squashfuse()
    files = ImageFiles()
    for image in site.services.store.images():
        problem = files.problem(image)
        remedy = f"put the right {image.path} back, or enter the new digest into the catalogue and apply it"
        text = problem.partition(";")[0] or f"version {image.version}, {image.size / 1e6:.0f} MB"
        yield Verdict(f"images {image.name}", not problem, text, remedy if problem else "")


def _squashfuse() -> Verdict:
    """Debian's apptainer does not depend on it: nothing fails without, but each start unpacks the image."""
    there = shutil.which("squashfuse_ll") or shutil.which("squashfuse")
    text = "images are mounted" if there else "missing on this host: each job's start unpacks its whole image"
    return Verdict("images squashfuse", True, text, "" if there else "install squashfuse on every node")


def _version(program: Path) -> str:
    if shutil.which(program) is None:
        raise Unavailable("apptainer", f"{program} is missing or cannot be executed")
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable("apptainer", str(error)) from error
    return done.stdout.strip()


def apps(site: Site) -> Iterator[Verdict]:
    """Each app's definition makes sense and nobody else may write it; what images offer is there."""
    files = build_apps(site.settings)
    there = files.apps()
    for problem in files.problems():
        path, _, text = problem.partition(": ")
        yield Verdict(f"apps {path}", False, text, "until this is mended nobody can start it")
    for app in there.values():
        untried = "" if app.tested else ", not tried by the project"
        yield Verdict(f"apps {app.name}", True, f"version {app.version}{untried}")
    for image in site.services.store.images():
        lost = ", ".join(sorted(set(image.apps) - there.keys()))
        if lost:
            remedy = "put it into a directory of [sessions] apps, or correct the catalogue and apply it"
            yield Verdict(f"apps of image {image.name}", True, f"there is no {lost}", remedy)


_ACLS = {"system.posix_acl_access": "ACLs", "system.posix_acl_default": "default ACLs"}
_NO_ACLS = (
    "grants cannot be kept there: mount it with POSIX ACLs (option acl; over the network NFS 3 keeps them, "
    "NFS 4 does not), or put the root volume on another filesystem"
)


def volumes(site: Site) -> Iterator[Verdict]:
    """Each root volume is there, its filesystem keeps the ACLs that grants become, and the folder of the user
    named is theirs."""
    person = _person(site)
    for root in site.services.store.root_volumes():
        try:
            missing = [what for attribute, what in _ACLS.items() if not _keeps(root.path, attribute)]
        except OSError as error:
            text = f"{root.path}: {(error.strerror or str(error)).lower()}"
            yield Verdict(
                f"volumes {root.name}", False, text, "mount it here, or correct the catalogue's path"
            )
        else:
            text = f"{root.path} keeps {'no POSIX ' + ' and no '.join(missing) if missing else 'POSIX ACLs'}"
            yield Verdict(f"volumes {root.name}", not missing, text, _NO_ACLS if missing else "")
            if person is not None and not missing:
                yield _folder(site, root, person)


def _folder(site: Site, root: RootVolume, person: Person) -> Verdict:
    """What stands on a person's folder, as their own agent finds it."""
    name, place = f"volumes {root.name} {person.username}", f"{root.path}/{person.username}"
    try:
        found = site.services.agents.of(_owner(person)).acl_show(root.path, person.username)
    except SciServerError as error:
        if isinstance(error, AgentError) and error.reason == "not_found":
            return Verdict(name, True, f"{place} is not there yet; it is made when they log in")
        return Verdict(name, False, str(error), f"see: sciserver-hpc check agent --user {person.username}")
    if found.uid != person.uid:
        return Verdict(name, False, f"{place} belongs to uid {found.uid}", f"chown it to {person.username}")
    return Verdict(name, True, f"{place} names {len(found.access.named)} others in its ACL")


def _person(site: Site) -> Person | None:
    """The user named, where the directory knows them."""
    try:
        return site.services.directory.person(site.user) if site.user else None
    except NotFound:
        return None


def _owner(person: Person) -> Owner:
    return Owner(username=person.username, uid=person.uid, gid=person.gid)


def _keeps(path: str, attribute: str) -> bool:
    """Reading an ACL says whether there can be one.

    Raises OSError.
    """
    try:
        os.getxattr(path, attribute)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return False
        if error.errno != errno.ENODATA:
            raise
    return True


def agent(site: Site) -> Iterator[Verdict]:
    """An agent can be started as the user named."""
    transport = site.settings.agents.transport
    if not site.user:
        yield Verdict("agent", True, f"not tried ({transport})", "name somebody: --user alice")
        return
    person = _person(site)
    if person is None:
        words = f"the directory knows no {site.user}"
        yield Verdict("agent", False, words, "name a person of the directory with --user")
        return
    owner = _owner(person)
    remedy = f"check the sudoers line of this account: sudo -n -l -U {person.username}"
    alive = _answer("agent", lambda: site.services.agents.ping(owner), remedy if transport == "sudo" else "")
    yield alive
    if alive.ok and any(
        cluster.submit_through == "slurmrestd" for cluster in site.settings.clusters.values()
    ):
        yield _door(site, owner)


def _door(site: Site, owner: Owner) -> Verdict:
    """A door that is shut is no failure: jobs go by sbatch."""
    try:
        shut = site.services.agents.of(owner).door()
    except SciServerError as error:
        return Verdict("agent slurmrestd", False, str(error).rstrip("."), "see that slurmrestd -V answers")
    remedy = 'install it with openapi/v0.0.38 and rest_auth/local, or set submit_through = "sbatch"'
    text = f"jobs go by sbatch, more slowly: {shut}" if shut else "jobs are handed over through it"
    return Verdict("agent slurmrestd", True, text, remedy if shut else "")


def proxy(site: Site) -> Iterator[Verdict]:
    """The portal answers at its public address, through TLS."""
    url, ca = site.settings.portal.url, site.settings.jobs.ca_file
    name = f"proxy {url}"
    try:
        answer = requests.get(f"{url}/healthz", timeout=TIMEOUT_S, verify=str(ca) if ca else True)
        healthy = answer.ok and answer.json().get("status") == "ok"
        text = "healthy" if healthy else f"answers {answer.status_code}"
        yield Verdict(name, healthy, text, "" if healthy else "see that nginx passes on to `serve`")
    except requests.exceptions.SSLError as error:
        text = str(error).rpartition("SSLError(")[2].strip(")(")
        yield Verdict(name, False, f"TLS fails: {text}", "check the certificate, and [jobs] ca_file")
    except (requests.RequestException, OSError, ValueError) as error:
        why = "no JSON" if isinstance(error, ValueError) else "no connection"
        yield Verdict(name, False, f"no answer ({why})", "start nginx and `sciserver-hpc serve`")


def sessions(site: Site) -> Iterator[Verdict]:
    """Their keys are there and kept well, and nginx asks the portal about who comes to a session."""
    own, url = site.settings.sessions, site.settings.portal.url
    if not own.domain:
        yield Verdict("sessions", True, "there are none ([sessions] domain is empty)")
        return
    try:
        SessionCa(own.ca_dir)
        yield Verdict("sessions keys", True, f"in {own.ca_dir}")
    except SecretProblem as error:
        yield Verdict("sessions keys", False, str(error), "run `sciserver-hpc sessions-ca` as this account")
    ca = site.settings.jobs.ca_file
    nobodys = "0" * 32
    headers = {"Host": f"{nobodys}.{own.domain}", "Sec-Fetch-Mode": "navigate"}
    verify = str(ca) if ca else True
    try:
        answer = requests.get(
            f"{url}/", headers=headers, timeout=TIMEOUT_S, verify=verify, allow_redirects=False
        )
        led = answer.headers.get("Location") == f"{url}/sessions/at/{nobodys}"
        text = "strangers are led to the portal" if led else f"a stranger gets {answer.status_code}"
        remedy = "" if led else "give nginx the server of sessions (docs/how-to/offer-sessions.md)"
        yield Verdict(f"sessions {own.domain}", led, text, remedy)
    except (requests.RequestException, OSError) as error:
        yield Verdict(f"sessions {own.domain}", False, f"no answer ({type(error).__name__})", "start nginx")


def broker(site: Site) -> Iterator[Verdict]:
    """A broker has looked at the cluster a moment ago."""
    note = site.services.store.notes().get("broker")
    if note is None:
        yield Verdict("broker", False, "it has never run", "start: sciserver-hpc broker")
        return
    age = site.services.clock.now() - datetime.fromisoformat(str(note["at"]))
    text = f"last turn {age.total_seconds():.0f} s ago, {note.get('active', 0)} jobs"
    yield Verdict("broker", age <= LATE, text, "" if age <= LATE else "start: sciserver-hpc broker")


def mail(site: Site) -> Iterator[Verdict]:
    """The mail server answers, over TLS, and lets us log in. Nothing is sent."""
    if site.services.mailer is None:
        yield Verdict("mail", True, "none is sent ([mail] host is empty)")
        return
    remedy = "check [mail] host, port, security, ca_file, username and its password"
    yield _answer("mail", site.services.mailer.ping, remedy)


def _answer(name: str, ask: Callable[[], str], remedy: str) -> Verdict:
    try:
        return Verdict(name, True, ask())
    except SciServerError as error:
        return Verdict(name, False, str(error).rstrip("."), remedy)


CHECKS: dict[str, Check] = {
    "secrets": secrets,
    "db": db,
    "ldap": ldap,
    "slurm": slurm,
    "images": images,
    "apps": apps,
    "volumes": volumes,
    "agent": agent,
    "proxy": proxy,
    "sessions": sessions,
    "broker": broker,
    "mail": mail,
}


def run(names: list[str], site: Site) -> Iterator[Verdict]:
    """The verdicts of the checks called `names`. A check that itself meets a system that is away, fails."""
    for name in names:
        try:
            yield from CHECKS[name](site)
        except SciServerError as error:
            yield Verdict(name, False, str(error).rstrip("."), "repair that first")
