"""The ports: what services ask of the outside world, as Protocols that adapters fulfil.

Every call may raise `Unavailable` when the outside system does not answer in time; nothing else of an
adapter's own library leaks through. All calls are synchronous and safe to make from several threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from .domain.access import Grant, Resource, Subject
from .domain.acl import Inode
from .domain.acl_walk import AclSlice
from .domain.archive import ArchivedJob, ArchiveRecord
from .domain.arrays import MAX_INDEX
from .domain.audit import Entry, Sieve
from .domain.catalogue import ComputeDomain, Image, Site
from .domain.errors import Conflict
from .domain.files import FileEntry
from .domain.gates import GateStatus, SessionRecord
from .domain.gpu_hours import GpuJob
from .domain.groups import Group, Membership, Status
from .domain.jobs import Job, JobEvent, NewJob
from .domain.limits import Limit, Load
from .domain.listing import ALL, LOOK, NEWEST, Found, Place, Sought
from .domain.notifications import Channel, Kept, Notification, Outgoing
from .domain.people import Person
from .domain.projection import Projection
from .domain.scheduling import (
    EndRecord,
    Observation,
    Owner,
    Sighting,
    Submission,
    SubmitOutcome,
)
from .domain.service_accounts import ServiceAccount
from .domain.sessions import Pass, Session
from .domain.sharing import Share
from .domain.states import JobState
from .domain.support import SupportSession
from .domain.tasks import Task
from .domain.tokens import Scope, Token, TokenKind
from .domain.unix_groups import Ensured, GroupDue, UnixEntry, UnixGroup
from .domain.upkeep import Due, Upkeep
from .domain.volumes import DataVolume, RootVolume, UserVolume


class Clock(Protocol):
    """Time, so that tests can move it."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Directory(Protocol):
    """Who people are."""

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person.

        Raises BadCredentials (unknown user, wrong or empty password alike), Unavailable.
        """
        ...

    def person(self, username: str) -> Person:
        """Return the person as the directory knows them now.

        Raises NotFound, Unavailable.
        """
        ...

    def has_group(self, name: str) -> bool:
        """Is there a group of this name, whatever its capitals? Raises Unavailable."""
        ...

    def gid(self, group: str) -> int:
        """The number of the Unix group of this very name. Raises NotFound (it has none), Unavailable."""
        ...

    def ping(self) -> str:
        """Return a line saying what answered.

        Raises Unavailable.
        """
        ...


class GroupDirectory(Protocol):
    """The branch of the directory that holds groups of the portal as Unix groups, and nothing else.

    Writes there alone, and there only to entries it made. Unavailable also says that the directory would not
    do as it was asked.
    """

    def ensure(self, name: str, gid: int, members: Collection[str]) -> Ensured:
        """Group `name` with this number has exactly these members; who is no member goes before anybody
        comes.

        Raises Conflict: another entry has the name or the number, a person's own group too; Unavailable.
        """
        ...

    def remove(self, name: str) -> bool:
        """The group is not there; True: it was. Raises Conflict (not one of ours), Unavailable."""
        ...

    def holder(self, gid: int) -> str:
        """Who has this number, as a group or as their own group; "" where nobody does. Raises Unavailable."""
        ...

    def groups(self) -> list[UnixEntry]:
        """What stands in the branch, by name. Raises Unavailable."""
        ...

    def intruders(self, prefix: str) -> list[str]:
        """Names of groups elsewhere in the directory that begin so. Raises Unavailable."""
        ...

    def ping(self) -> str:
        """Write an entry that is nobody's group and take it away again; return a line saying what answered.

        Raises Unavailable.
        """
        ...


class Agent(Protocol):
    """A small process that acts as one user.

    Raises AgentError for what it refuses, Unavailable when unreachable.     File calls take a trusted
    absolute `root` and an untrusted relative `path` ('' is the root itself); the walk     below root follows
    no symbolic link.
    """

    def submit(self, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """Make each job's folder and files, then run sbatch with its options.

        One outcome per job, in order.
        """
        ...

    def test_only(self, job: Submission) -> str:
        """Run `sbatch --test-only`; return Slurm's words.

        Raises Refused with Slurm's words when it would not run.
        """
        ...

    def door(self) -> str:
        """Why jobs are not handed to Slurm in the way that is set; empty when they are."""
        ...

    def cancel(self, slurm_ids: Sequence[int]) -> None:
        """scancel.

        Ids that are already over are no error.
        """
        ...

    def end_records(self, folders: Sequence[tuple[str, str]]) -> list[tuple[EndRecord, ...]]:
        """For each (root, folder): the end records found there (one, or one per array task), unreadable ones
        left out."""
        ...

    def results(self, root: str, folder: str, names: Sequence[str]) -> list[tuple[str, str]]:
        """For each name (text, "") of the file in the folder, or ("", why there is none); "absent" where
        nothing of that name is. At most 256 names, of each file 16 KiB. Raises AgentError for the folder.
        """
        ...

    def session_records(self, folders: Sequence[tuple[str, str]]) -> list[SessionRecord | None]:
        """For each (root, folder): what the gate of a session published there; None where nothing can be
        read."""
        ...

    def make_volume(self, root: str, owner: str, name: str) -> None:
        """Make directory `<root>/<owner>/<name>` 0700 where absent.

        `<root>/<owner>` must exist and be the user's.
        """
        ...

    def listing(self, root: str, path: str, limit: int = 10_000) -> list[FileEntry]:
        """Entries of a directory, sorted by name.

        Raises AgentError not_found, denied, invalid (no directory).
        """
        ...

    def stat(self, root: str, path: str) -> FileEntry:
        """One entry.

        Raises AgentError not_found, denied.
        """
        ...

    def read(self, root: str, path: str, offset: int = 0, length: int = 1_000_000) -> tuple[bytes, int]:
        """Bytes from `offset` (negative: from the end) and the file's size.

        Regular files only; ≤ 4 MiB a call.
        """
        ...

    def acl_show(self, root: str, path: str) -> Inode:
        """The ACLs of a file or directory.

        Raises AgentError not_found, denied, invalid (a link, a pipe), unsupported (no ACLs there).
        """
        ...

    def acl_apply(
        self,
        root: str,
        path: str,
        projection: Projection,
        cursor: str = "",
        limit: int = 10_000,
        milliseconds: int = 1_000,
    ) -> AclSlice:
        """Bring the directory `path` and what is below it nearer to `projection`, as its owner.

        One slice of a walk: at most `limit` steps (≥ 1), and no longer than `milliseconds` after the first.
        `cursor`: '' to begin, then what the slice before returned. A slice may be done again; inodes that
        come meanwhile inherit. Other people's inodes are left to their own agents, which may walk the same
        way (`Projection.host`). Raises AgentError where nothing at all can be done: not_found, denied,
        invalid, unsupported, no_space, too_large (the message says how many entries the filesystem allows).
        """
        ...

    def acl_verify(
        self,
        root: str,
        path: str,
        projection: Projection,
        cursor: str = "",
        limit: int = 10_000,
        milliseconds: int = 1_000,
    ) -> AclSlice:
        """The same, changing nothing."""
        ...

    def unix_group(self, name: str) -> int | None:
        """The gid this machine knows a Unix group of this name by; None where it knows none, or where that
        number leads to another name."""
        ...

    def local_submit(self, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """Without a scheduler: run each job's script as a child process.

        `slurm_id` is a number the agent chose.
        """
        ...

    def local_observe(self) -> list[Sighting]:
        """Every job `local_submit` ever started here that is alive or ended within the last day."""
        ...

    def local_cancel(self, slurm_ids: Sequence[int]) -> None:
        """End the processes of these jobs."""
        ...


class Agents(Protocol):
    """Starts agents on demand and hands out those that live."""

    def of(self, owner: Owner) -> Agent:
        """The agent of `owner`.

        Raises Refused for a system account (uid below the setting), Unavailable.
        """
        ...

    def ping(self, owner: Owner) -> str:
        """Return a line saying what answered, as which uid.

        Raises Unavailable, Refused.
        """
        ...


class Gates(Protocol):
    """The gates of running sessions, each at an `address` ("ip:port") that the caller knows from Slurm and
    the record.

    What answers there proves to be the gate of session `uuid`; what it tells is its owner's word all the
    same.
    """

    def status(self, address: str, uuid: str) -> GateStatus:
        """How it is used. Raises Unavailable."""
        ...

    def close(self, address: str, uuid: str, passes: Sequence[int]) -> int:
        """End all connections of these passes at once, for good; how many there were. Raises Unavailable."""
        ...

    def stop(self, address: str, uuid: str, cause: str) -> None:
        """Save and end; `cause`: stopped, idle or time. Raises Unavailable."""
        ...


class Scheduler(Protocol):
    """One cluster's scheduler."""

    def submit(self, owner: Owner, jobs: Sequence[Submission]) -> list[SubmitOutcome]:
        """Submit as `owner`.

        Never raises for a single job: one outcome each, in order. At most 64 jobs a call.
        """
        ...

    def test_only(self, owner: Owner, job: Submission) -> str:
        """What the scheduler says it would do, e.g. its expected start.

        Raises Refused, Unavailable.
        """
        ...

    def cancel(self, owner: Owner, slurm_ids: Sequence[int]) -> None:
        """Cancel; ids that are over are no error.

        Raises Unavailable.
        """
        ...

    def observe(self, since: datetime | None) -> Observation:
        """All live jobs, and those that ended after `since`: one live and one accounting call for any number.

        None asks for the live half alone (`ended_complete` is False then). Never raises: what failed is told
        in the Observation.
        """
        ...

    def ended(self, since: datetime) -> frozenset[str] | None:
        """Uuids that the names of jobs carry which ended after `since`, asked without the controller.

        A hint, worth a look: names can be forged. Never raises: None when accounting does not answer, empty
        where there is none.
        """
        ...

    def look_up(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        """Find jobs by uuid and uid, live or ended, in a constant number of calls: uuid → sighting.

        None when the scheduler or its accounting could not be asked: nothing is known then. A uuid absent
        from a dict is certainly unknown to both at this moment.
        """
        ...

    def tasks(self, jobs: Sequence[Job]) -> dict[str, Sighting] | None:
        """What accounting knows of every task of these arrays, by uuid; None where it does not answer.

        It costs the controller nothing. Those it does not know are left out.
        """
        ...

    def folder(self, slurm_id: int) -> str | None:
        """The working directory of a live job, as its owner gave it; None when there is none of this id.

        Raises Unavailable.
        """
        ...

    def address(self, node: str) -> str | None:
        """A node's IP address, as the scheduler's own configuration has it; None for a name it does not know.

        Raises Unavailable.
        """
        ...

    def ping(self) -> str:
        """Return a line saying what answered (name, version).

        Raises Unavailable.
        """
        ...


class Store(Protocol):
    """The database.

    Each method is one transaction unless called inside `transaction()` on the same thread.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Group calls of this thread into one transaction; rolled back when an exception leaves the block."""
        ...

    def ping(self) -> str:
        """Return a line saying what answered (engine, schema version).

        Raises Unavailable.
        """
        ...

    # people -------------------------------------------------------------------------------------
    def remember_person(self, person: Person) -> None:
        """Insert or refresh what the directory said at this login, and note the groups it named."""
        ...

    def people_like(self, prefix: str, limit: int) -> list[Person]:
        """People known here whose username, or a part of whose name, starts with `prefix`, by username."""
        ...

    def person(self, username: str) -> Person | None:
        """What was remembered at the last login."""
        ...

    def people_named(self, usernames: Iterable[str]) -> list[Person]:
        """Those of them who logged in here, in no order."""
        ...

    def people_with(self, uids: Iterable[int]) -> list[Person]:
        """Those who logged in here with one of these uids, in no order."""
        ...

    def seen_last(self, usernames: Sequence[str]) -> dict[str, datetime]:
        """When a token of theirs was last used, or made; those without any are left out."""
        ...

    # tokens and lockout ---------------------------------------------------------------------------
    def add_token(
        self,
        username: str,
        kind: TokenKind,
        name: str,
        scopes: frozenset[Scope],
        digest: str,
        now: datetime,
        expires_at: datetime,
    ) -> Token:
        """Store a token's hash."""
        ...

    def token(self, digest: str, now: datetime) -> Token | None:
        """The live token with this hash.

        Notes `last_used_at` at most once a minute.
        """
        ...

    def token_lives(self, token_id: int, now: datetime) -> bool:
        """Is the token there, and not expired?"""
        ...

    def tokens(self, username: str, now: datetime) -> list[Token]:
        """A person's live tokens, newest first."""
        ...

    def revoke_token(self, username: str, token_id: int) -> bool:
        """Delete; True when there was one."""
        ...

    def rotate_token(
        self, username: str, token_id: int, digest: str, now: datetime, expires_at: datetime
    ) -> Token | None:
        """Give a live token another secret and end, the rest unchanged; None when there is none."""
        ...

    def add_support(self, session: SupportSession) -> SupportSession:
        """Store a support session with an id of its own."""
        ...

    def support(self, digest: str) -> SupportSession | None:
        """The session with this hash that has not ended; its time may be over."""
        ...

    def supports_open(self) -> list[SupportSession]:
        """All that have not ended, oldest first."""
        ...

    def supports_over(self, now: datetime) -> list[SupportSession]:
        """Those of them whose time is over, or whose login ended."""
        ...

    def end_support(self, session_id: int, now: datetime) -> bool:
        """End it; True when it had not ended before."""
        ...

    def note_seen(self, session_id: int, group: str) -> bool:
        """Note that a group of pages was looked at; True when it was not before."""
        ...

    def count_failure(self, key: str, now: datetime) -> None:
        """Note a failed login for `key` (`user:alice`, `addr:192.0.2.1`)."""
        ...

    def failures(self, key: str, since: datetime) -> tuple[int, datetime | None]:
        """How many failures after `since`, and when the last was."""
        ...

    def clear_failures(self, key: str) -> None:
        """Forget them (after a success)."""
        ...

    # catalogue ------------------------------------------------------------------------------------
    def apply_site(self, site: Site) -> None:
        """Replace the catalogue and the site's own grants with these; people's grants stay.

        Raises Invalid when a name, grant or limit is there twice.
        """
        ...

    def site(self) -> Site:
        """The catalogue with the site's own grants, as they stand."""
        ...

    def domains(self) -> list[ComputeDomain]: ...
    def images(self) -> list[Image]: ...
    def root_volumes(self) -> list[RootVolume]: ...
    def data_volumes(self) -> list[DataVolume]: ...
    def limits(self) -> list[Limit]: ...

    def user_volumes(self, owner: str) -> list[UserVolume]: ...
    def user_volume(self, root: str, owner: str, name: str) -> UserVolume | None: ...

    def user_volumes_at(self, addresses: Sequence[tuple[str, ...]]) -> list[UserVolume]:
        """Those of these (root, owner, name) that are there, in the same order."""
        ...

    def add_user_volume(self, root: str, owner: str, name: str, description: str) -> UserVolume:
        """Insert, or return the one that is there."""
        ...

    def count_user_volumes(self, root: str) -> int:
        """How many there are in a root volume."""
        ...

    # groups ---------------------------------------------------------------------------------------
    def hold_access(self) -> None:
        """Wait for one's turn to change groups or grants; held until the transaction ends."""
        ...

    def add_group(self, group: Group) -> None:
        """Insert. Raises Conflict when its name is, or ever was, in use."""
        ...

    def change_group(self, group: Group) -> None:
        """Write the portal's group of that name."""
        ...

    def delete_group(self, name: str, now: datetime) -> None:
        """End a group of the portal with its memberships, its place in others and the grants to it."""
        ...

    def group(self, name: str) -> Group | None:
        """The portal's group of that name, while it lives."""
        ...

    def directory_group(self, name: str) -> bool:
        """Is somebody who logged in here in a group of the directory of that name?"""
        ...

    def group_gid(self, name: str) -> int | None:
        """The gid of a group of the directory, as noted last."""
        ...

    def note_group_gid(self, name: str, gid: int | None) -> None:
        """Note it, where somebody who logged in here is in that group."""
        ...

    def groups_alike(self, name: str) -> list[Group]:
        """Living groups of both sources whose name reads like `name`."""
        ...

    def count_owned(self, username: str) -> int:
        """How many groups of the portal the person owns."""
        ...

    def group_once(self, name: str) -> bool:
        """Was there a group of the portal that read like `name`, deleted since?"""
        ...

    def public_groups(self, after: str = "", limit: int = 100) -> list[Group]:
        """Groups anybody may join, by name; paged by the last name of the page before."""
        ...

    def groups_like(self, prefix: str, limit: int, *, hidden: bool) -> list[Group]:
        """Groups whose name starts so, whatever its capitals, by name: public ones, or `hidden` ones of both
        sources too."""
        ...

    def membership(self, group: str, member: Subject) -> Membership | None: ...

    def put_memberships(self, changed: Sequence[Membership]) -> None:
        """Insert or replace."""
        ...

    def members(
        self, group: str, statuses: Sequence[Status], after: Subject | None = None, limit: int = 100
    ) -> list[Membership]:
        """By kind and name; paged by the last member of the page before."""
        ...

    def memberships_of(self, members: Sequence[Subject], statuses: Sequence[Status]) -> list[Membership]:
        """What these have in any group, by group."""
        ...

    def administered(self, username: str) -> list[str]:
        """Names of the groups that this person owns or is an admin of."""
        ...

    def offered(self, username: str) -> list[tuple[Group, Membership]]:
        """The groups whose heir this person is, with their own memberships, by name; from an index."""
        ...

    def count_invitations(self, username: str) -> int:
        """Open invitations to this person, also to own a group, and to groups they own or are an admin of;
        from indices."""
        ...

    def reach(self, seeds: Iterable[Subject]) -> frozenset[Subject]:
        """The seeds, and every group reached from them by accepted memberships."""
        ...

    def edges(self, seeds: Iterable[Subject]) -> list[tuple[Subject, Subject]]:
        """(member, group) of each accepted membership that `reach` follows."""
        ...

    def groups_reached(self, seeds: Iterable[Subject]) -> list[Group]:
        """The groups of both sources among what `reach` finds, by name."""
        ...

    def inside(self, group: str) -> list[Subject]:
        """The users and directory groups in a group of the portal, at any depth."""
        ...

    # service accounts -----------------------------------------------------------------------------
    def add_service_account(self, account: ServiceAccount) -> None:
        """Insert. Raises Conflict when a name like its own is, or ever was, in use."""
        ...

    def change_service_account(self, account: ServiceAccount) -> None:
        """Write the account of that name."""
        ...

    def delete_service_account(self, account: ServiceAccount, now: datetime) -> None:
        """End it with its tokens, its memberships and the grants to it."""
        ...

    def service_account(self, name: str) -> ServiceAccount | None:
        """The account of that name, while it lives."""
        ...

    def service_account_once(self, name: str) -> bool:
        """Is or was there one that reads like `name`?"""
        ...

    def service_accounts_of(self, owners: Sequence[Subject]) -> list[ServiceAccount]:
        """Those that any of these own, by name."""
        ...

    def service_accounts(self, after: str, limit: int) -> list[ServiceAccount]:
        """All, by name; paged by the last name of the page before."""
        ...

    def service_accounts_like(self, prefix: str, limit: int) -> list[ServiceAccount]:
        """Those whose name starts so, by name."""
        ...

    def answering(self, account: ServiceAccount) -> list[str]:
        """Who manages it: its owner; of a group, that one's owner, then its admins."""
        ...

    # grants ---------------------------------------------------------------------------------------
    def reaching(
        self, seeds: Iterable[Subject], things: Sequence[Resource] | None = None
    ) -> tuple[frozenset[Subject], list[Grant]]:
        """What `reach` finds, and all grants to these, expired ones too; only those on `things` where given.

        Costs what is reached, whatever others were granted.
        """
        ...

    def grants(self, subjects: Sequence[tuple[str, str]]) -> list[Grant]:
        """All grants to any of these (kind, name) subjects themselves, expired ones too."""
        ...

    def add_grants(self, given: Sequence[Grant], now: datetime) -> list[Share]:
        """Insert; one given before by the same person gets the new end."""
        ...

    def share(self, share_id: int) -> Share | None: ...

    def shares_on(self, resource: Resource, after: int = 0, limit: int = 100) -> list[Share]:
        """Grants on a thing, oldest first; paged by the last id of the page before, as all that follow."""
        ...

    def shares_on_each(self, resources: Sequence[Resource]) -> list[Share]:
        """All grants on any of these things."""
        ...

    def shares_between(self, resource: Resource, subject: Subject) -> list[Share]:
        """All grants on a thing to this very subject."""
        ...

    def shares_by(self, username: str, after: int = 0, limit: int = 100) -> list[Share]:
        """Grants this person made."""
        ...

    def shares_with(self, seeds: Iterable[Subject], after: int = 0, limit: int = 100) -> list[Share]:
        """Grants by people that reach the seeds otherwise than as everyone."""
        ...

    def named_in_grants(self, group: str) -> bool:
        """Does any grant name a group of the portal of that name, whether it exists or not?"""
        ...

    def drop_grants(self, ids: Sequence[int]) -> int:
        """Delete; how many there were."""
        ...

    # what filesystems are to follow ------------------------------------------------------------------
    # Whatever changes grants on user volumes, or who is in a group that has some, marks these volumes by
    # itself: their rows are made where absent, and are due at once.
    def upkeep(self, root: str, owner: str, name: str) -> Upkeep | None: ...

    def upkeeps_of(self, root: str, owner: str) -> list[Upkeep]:
        """All rows of one owner in one root volume."""
        ...

    def upkeeps_due(self, now: datetime, limit: int) -> list[Due]:
        """Those with work at `now` and no call under way, longest due first."""
        ...

    def keep_up(self, old: Upkeep, new: Upkeep) -> Upkeep | None:
        """Compare and set: write `new` (version + 1) where the row still has `old.version`.

        Returns what was written, None when somebody else was first. A volume marked since `old` was read
        stays due, whatever `new` says.
        """
        ...

    # groups of the portal that are Unix groups ------------------------------------------------------
    # Whatever changes who is in a group makes its row due by itself.
    def unix_group(self, group: str) -> UnixGroup | None: ...

    def unix_groups(self) -> list[UnixGroup]:
        """All rows, by group."""
        ...

    def unix_groups_due(self, now: datetime, limit: int) -> list[GroupDue]:
        """Those with work at `now`, longest due first."""
        ...

    def groups_not_unix(self, limit: int) -> list[str]:
        """Names of living groups of the portal that have no row."""
        ...

    def add_unix_group(self, row: UnixGroup) -> None:
        """Insert, where its group has no row."""
        ...

    def keep_unix_group(self, old: UnixGroup, new: UnixGroup) -> UnixGroup | None:
        """Compare and set, as `keep_up`: one marked since `old.marks` was read stays due.

        Where what files are to name changes, the volumes concerned are marked with it.
        """
        ...

    def gids_given(self) -> frozenset[int]:
        """Every number a group of the portal ever had."""
        ...

    # audit ----------------------------------------------------------------------------------------
    def record(self, entries: Sequence[Entry]) -> None:
        """Append to the audit trail, in the transaction of what is told."""
        ...

    def refused_since(self, entry: Entry, since: datetime) -> bool:
        """Was the same person refused the same act on the same thing with the same words, at `since` or
        later?"""
        ...

    def audit(
        self,
        *,
        on: Resource | None = None,
        about: str | None = None,
        before: int | None = None,
        limit: int = 100,
        sieve: Sieve | None = None,
    ) -> list[Entry]:
        """Newest first; paged by the last id of the page before.

        `about`: what this person did or was refused, what others did about them, and what anybody did with
        things that were theirs then.
        """
        ...

    # jobs -----------------------------------------------------------------------------------------
    def next_job_ids(self, count: int) -> list[int]:
        """Reserve job ids: integers, growing, never used twice."""
        ...

    def add_jobs(self, new: Sequence[NewJob]) -> list[Job | Conflict]:
        """Insert each with its first event, and its whole request in a table of its own; answers in order.

        A key that was used before, also earlier in `new`, inserts nothing: the earlier job is the answer,
        unchanged, or a Conflict when that one's request has another fingerprint.
        """
        ...

    def requests(self, job_ids: Sequence[int]) -> dict[int, str]:
        """The JSON given to `add_jobs`, by job id: command, script or notebook text and parameters.

        They live here and not in the job's row, since they may be megabytes and only submission, preview and
        "run again" want them.
        """
        ...

    def hold_jobs(self, owner: str) -> None:
        """Wait for one's turn to add jobs of `owner`; held until the transaction ends."""
        ...

    def count_jobs(self, owner: str, states: Sequence[JobState]) -> int:
        """How many jobs of `owner` stand in one of `states`; from an index, without loading them."""
        ...

    def count_jobs_of(self, owners: Sequence[str], states: Sequence[JobState]) -> dict[str, int]:
        """The same for several; owners without any are left out."""
        ...

    def loads(self, owner: str, states: Sequence[JobState]) -> list[Load]:
        """What these count against limits, those that ask the same summed up: few of thousands of jobs."""
        ...

    def gpu_jobs(self, owner: str, since: datetime) -> list[GpuJob]:
        """The jobs of `owner` with GPUs that are not over, or ended at `since` or later; from an index."""
        ...

    def job(self, job_id: int) -> Job | None: ...
    def uuids_known(self, uuids: Sequence[str]) -> frozenset[str]:
        """Those of them that are a job's, also one in the archive."""
        ...

    def job_by_uuid(self, uuid: str) -> Job | None: ...
    def jobs_by_key(self, owner: str, keys: Sequence[str]) -> dict[str, tuple[Job, str]]:
        """By idempotency key the job made with it, and the request's fingerprint."""
        ...

    def jobs(
        self, sought: Sought = ALL, place: Place = NEWEST, *, limit: int = 50, look: int = LOOK
    ) -> Found:
        """Newest first (id descending), paged by key.

        By owner and states a page is full unless it is the last. Otherwise it holds what is found among the
        next `look` jobs of the owner.
        """
        ...

    def active_jobs(self) -> list[Job]:
        """All jobs the broker has work with, oldest first.

        Those not in a final state, those LOST within the last day, and those that ended within the last ten
        minutes without usage: accounting's numbers come late.
        """
        ...

    def waiting_jobs(self) -> list[Job]:
        """Active jobs that wait for the broker to act: not submitted yet, or with a cancel under way.

        Oldest first.
        """
        ...

    def jobs_by_id(self, job_ids: Sequence[int]) -> dict[int, Job]: ...

    # sessions -------------------------------------------------------------------------------------
    def session(self, job_id: int) -> tuple[Job, Session] | None:
        """The session that a job is. `add_jobs` makes its row."""
        ...

    def session_by_uuid(self, uuid: str) -> tuple[Job, Session] | None: ...

    def sessions_of(self, owner: str, limit: int) -> list[tuple[Job, Session]]:
        """A person's, newest first, without those they took away."""
        ...

    def sessions_by_id(self, job_ids: Sequence[int]) -> list[tuple[Job, Session]]:
        """Those of these jobs that are sessions, newest first."""
        ...

    def sessions_to_tend(self) -> list[tuple[Job, Session]]:
        """Of everybody: those that started, or ended without, and are not closed yet; and those that were
        closed and run again."""
        ...

    def count_sessions(self, owner: str) -> int:
        """How many of the person's are not over."""
        ...

    def keep_session(self, old: Session, new: Session) -> Session | None:
        """Compare and set: write `new` (version + 1) where the row has `old.version`; else None."""
        ...

    def presets(self, owner: str, app: str) -> dict[str, str]:
        """Forms the person kept for an app: name → SessionRequest as JSON."""
        ...

    def keep_preset(self, owner: str, app: str, name: str, request: str) -> None:
        """Insert, or write over the one of this name."""
        ...

    def remove_preset(self, owner: str, app: str, name: str) -> bool:
        """Delete; True when there was one."""
        ...

    def add_ticket(self, ticket: Pass, digest: str) -> Pass:
        """Store a ticket with an id of its own. digest: of its secret."""
        ...

    def use_ticket(self, job_id: int, ticket: str, cookie: str, now: datetime) -> Pass | None:
        """Once, in its time and while its login lives: from now on `cookie` is the digest it is known by."""
        ...

    def live_pass(self, job_id: int, digest: str, now: datetime) -> Pass | None:
        """The pass with this digest, used, not closed, of a login that lives."""
        ...

    def live_passes(self, job_ids: Sequence[int]) -> list[Pass]:
        """All that were used and not closed, whatever became of their logins."""
        ...

    def orphaned_passes(self, now: datetime) -> list[Pass]:
        """Those of them whose login is over."""
        ...

    def close_passes(self, pass_ids: Sequence[int], now: datetime) -> None:
        """They count no more."""
        ...

    # changing jobs --------------------------------------------------------------------------------

    def change_jobs(self, changes: Sequence[tuple[Job, Job, Sequence[JobEvent]]]) -> list[Job | None]:
        """Compare and set many (old, new, events) in one transaction: write `new` (version + 1) where the row
        still has `old.version`, with its events.

        Returns in order the job as stored, or None where somebody else changed it first.
        """
        ...

    def events(self, job_id: int) -> list[JobEvent]: ...

    # tasks of arrays ------------------------------------------------------------------------------
    def tasks(self, job_id: int, first: int = 0, last: int = MAX_INDEX) -> list[Task]:
        """Those of which something is known, with an index from `first` to `last`, by index."""
        ...

    def task_states(self, job_id: int) -> dict[int, JobState]:
        """The state of each of them, by index."""
        ...

    def keep_tasks(self, tasks: Sequence[tuple[int, Sequence[Task]]]) -> None:
        """Write tasks of jobs, by job id, over what stands of them; in few statements, however many.

        Called in the transaction that changes their jobs: a job that somebody else changed keeps its tasks.
        """
        ...

    def claim(
        self,
        uuid: str,
        claim_digest: str,
        slurm_id: int,
        restarts: int,
        task: int | None,
        now: datetime,
    ) -> str:
        """The start fence: `run` for the first (slurm_id) to claim this uuid (and again for its restarts and
        tasks), `duplicate` for any other, `unknown` when uuid or digest fit no job.

        The first claim sets the job's `claimed_by` and its version grows by one.
        """
        ...

    # the archive: see `services.archiving` for the order -----------------------------------------------
    def archivable(self, ended_before: datetime, limit: int) -> list[tuple[int, datetime]]:
        """Jobs that may go, with when they ended, longest over first: of one month, few megabytes together.

        Over and unchanged since, sessions closed and nobody in them.
        """
        ...

    def count_archivable(self, ended_before: datetime) -> int:
        """How many may go. Reads them all: for a person who asks."""
        ...

    def archive_records(self, job_ids: Sequence[int], file: str, now: datetime) -> list[ArchiveRecord]:
        """All there is of these jobs, to be written to `file`."""
        ...

    def begin_archive_file(self, name: str, now: datetime) -> None:
        """Note that it is being written."""
        ...

    def unfinished_archive_files(self) -> list[str]:
        """Those noted that do not count."""
        ...

    def bar_archive_file(self, name: str) -> bool:
        """It shall never count; False when it does already, or is not noted."""
        ...

    def forget_archive_files(self, begun_before: datetime) -> None:
        """Take away the notes of those barred."""
        ...

    def archive(self, records: Sequence[ArchiveRecord], file: str, now: datetime) -> bool:
        """The file, written and noted, counts, and the rows are gone.

        Nothing of it, and False, where one of the jobs changed since it was read, or the file was barred.
        """
        ...

    def archived_by_id(self, job_ids: Sequence[int]) -> dict[int, ArchivedJob]:
        """Those of them that are in the archive."""
        ...

    def archived_by_key(self, owner: str, keys: Sequence[str]) -> dict[str, ArchivedJob]:
        """By idempotency key the job in the archive that was made with it."""
        ...

    def archived_jobs(self, owner: str | None, before_id: int | None, limit: int) -> list[ArchivedJob]:
        """Newest first, of one person or all; paged by the last id of the page before."""
        ...

    # notifications --------------------------------------------------------------------------------
    def notification_choices(self, username: str) -> Kept | None:
        """What the person chose; None before they chose anything."""
        ...

    def keep_notification_choices(self, username: str, kept: Kept) -> None:
        """Insert or replace."""
        ...

    def add_notifications(self, channels: Sequence[Channel], notification: Notification) -> None:
        """Put it into the outbox, once for each of these ways, due at once; one of the same key, person and
        way is there once, however often it is added."""
        ...

    def notifications_waiting(self, now: datetime, limit: int) -> list[tuple[Channel, str]]:
        """Ways and persons with something due, longest due first."""
        ...

    def notifications_due(self, channel: Channel, username: str, now: datetime, limit: int) -> list[Outgoing]:
        """What is due of these, oldest first."""
        ...

    def notifications_of(self, username: str, limit: int) -> list[Outgoing]:
        """The last of a person's, newest first."""
        ...

    def keep_notification(self, old: Outgoing, new: Outgoing) -> bool:
        """Compare and set: write how far `new` is where the row still has `old.attempts` and is not over."""
        ...

    def put_notifications_off(self, channel: Channel, username: str, until: datetime) -> None:
        """None of these is due before `until`."""
        ...

    def forget_notifications(self, before: datetime) -> int:
        """Delete those made before; how many there were."""
        ...

    # broker ---------------------------------------------------------------------------------------
    def lead(self, holder: str, now: datetime, lease: timedelta) -> bool:
        """Take or renew the one broker lease; False while another holder's lease lives."""
        ...

    def release(self, holder: str) -> None:
        """Give the lease up if held."""
        ...

    def note(self, key: str, value: dict[str, Any]) -> None:
        """Keep a small fact about a service (broker's last tick, a system that is down) for others to
        show."""
        ...

    def notes(self) -> dict[str, dict[str, Any]]: ...


class ArchiveFolder(Protocol):
    """Where archived jobs are kept. Every method raises Unavailable."""

    def write(self, name: str, lines: Iterable[str]) -> None:
        """A new file, on disk when this returns, whole or not there."""
        ...

    def read(self, name: str) -> Iterator[str]:
        """Its lines."""
        ...

    def remove(self, name: str) -> None:
        """Where it is there, whole or in part."""
        ...


class Waker(Protocol):
    """Tells the broker that there is work, so that it need not wait for its next tick.

    Losing a call is harmless.
    """

    def wake(self) -> None: ...


class Mailer(Protocol):
    """Sends mail."""

    def send(self, address: str, notification: Notification, footer: str) -> None:
        """Hand it over; footer: a line below its text. Its Message-ID is made of `notification.ident`.

        Raises Unavailable (try again later), Refused (it will never be taken).
        """
        ...

    def ping(self) -> str:
        """Return a line saying what answered, as whom one is known there. Raises Unavailable."""
        ...


class Poster(Protocol):
    """Posts to webhooks."""

    def problem(self, url: str) -> str:
        """What is wrong with the address as such, as a sentence; "" for nothing. Asks nobody."""
        ...

    def post(self, url: str, secret: str, notification: Notification) -> None:
        """Post it, signed with `secret`.

        Raises Unavailable (no answer of success: try again later), Refused (nothing may be posted there).
        """
        ...
