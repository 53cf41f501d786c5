"""The site's settings: one TOML file, overridden by the environment, secrets in files of their own.

The file is the one SCISERVER_CONFIG names, else /etc/sciserver/sciserver.toml. Every field can be set by the
environment too, as `SCISERVER_<SECTION>__<FIELD>` (`SCISERVER_DATABASE__URL`); the environment wins. The page
docs/reference/settings.md is printed from these models: `python -m sciserver_hpc.settings_page`.
"""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .domain.archive import LEAST_DAYS
from .domain.errors import Invalid
from .domain.names import Slug
from .secret_files import KEY_BYTES, SecretProblem, read_secret

DEFAULT_FILE = Path("/etc/sciserver/sciserver.toml")


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is relative; give the whole path, from /")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
OptionalPath = Annotated[AbsolutePath | None, BeforeValidator(lambda value: value or None)]
"""An absolute path, or "" for none."""


class Section(BaseModel):
    """A table of the file: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PortalSettings(Section):
    """The web application."""

    url: str = Field(pattern=r"^https?://[^/?#]+\z", description="Public base URL, without a path.")
    bind: str = Field(
        "unix:/run/sciserver/portal.sock",
        description='Where gunicorn listens, behind nginx: `unix:<path>` or `"127.0.0.1:8000"`.',
    )
    secret_key_file: AbsolutePath = Field(
        Path("/etc/sciserver/secrets/portal.key"),
        description="File with the key that signs cookies and jobs' claim secrets; at least 32 bytes.",
    )
    runtime_dir: AbsolutePath = Field(
        Path("/run/sciserver"),
        description="Directory for sockets, mode 0700, owned by the portal's own user.",
    )
    title: str = Field("SciServer HPC", description="Name of the site, shown on every page.")
    workers: int = Field(2, ge=1, le=64, description="Number of gunicorn's worker processes.")
    log_format: Literal["json", "console"] = Field(
        "json", description="`json` for machines, `console` for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level logged."
    )


class DatabaseSettings(Section):
    """Where jobs, tokens and the catalogue are kept."""

    url: str = Field(
        "sqlite:////var/lib/sciserver/sciserver.db",
        pattern=r"^(sqlite:///|postgresql\+psycopg://)",
        description="`sqlite:////path` (WAL mode) or `postgresql+psycopg://user@/db?host=/run/postgresql`. "
        "Never with a password.",
    )
    password_file: OptionalPath = Field(
        None, description="File with PostgreSQL's password, where one is needed."
    )

    @model_validator(mode="after")
    def _no_password(self) -> Self:
        if ":" in self.url.partition("://")[2].rpartition("@")[0]:
            raise ValueError("url holds a password; put it in a file and name that in `password_file`")
        return self


class DirectorySettings(Section):
    """Who may log in."""

    kind: Literal["ldap", "static"] = Field(
        "ldap", description="`ldap`, or `static`: a file of users, for single-user mode only."
    )
    url: str = Field("", description="`ldaps://host[:port]`, or `ldap://…` together with `starttls`.")
    starttls: bool = Field(
        False, description="Turn an `ldap://` connection to TLS before any password is sent."
    )
    ca_file: OptionalPath = Field(
        None, description="CA bundle to check the server with; default: the system's."
    )
    user_base: str = Field("", description="Where people are, as a distinguished name.")
    group_base: str = Field("", description="Where groups are, as a distinguished name.")
    bind_dn: str = Field("", description="As whom to search; default: anonymously.")
    bind_password_file: OptionalPath = Field(None, description="File with the password of `bind_dn`.")
    admin_group: str = Field("admins", description="Members of this group administer the portal.")
    timeout_s: float = Field(5, gt=0, le=60, description="Seconds to wait for an answer.")
    users_file: OptionalPath = Field(None, description="The users of kind `static`.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "static":
            if self.users_file is None:
                raise ValueError("kind static needs `users_file`")
            return self
        missing = [name for name in ("url", "user_base", "group_base") if not getattr(self, name)]
        if missing:
            raise ValueError(f"kind ldap needs {' and '.join(f'`{name}`' for name in missing)}")
        if not self.url.startswith("ldaps://") and not (self.url.startswith("ldap://") and self.starttls):
            raise ValueError(
                "passwords would travel in the clear; use an ldaps:// url, or set `starttls = true`"
            )
        if self.bind_dn and self.bind_password_file is None:
            raise ValueError("bind_dn needs `bind_password_file`")
        return self


class AgentsSettings(Section):
    """How the small process that acts as a user is started."""

    transport: Literal["sudo", "self"] = Field(
        "sudo",
        description="`sudo`: as the user who asks; `self`: as the portal's own user (single-user mode).",
    )
    python: AbsolutePath = Field(
        Path("/usr/bin/python3"), description="Interpreter; as written in the sudoers line."
    )
    program: OptionalPath = Field(
        None, description="Directory of the agent's code; default: the installed one."
    )
    min_uid: int = Field(
        1000, ge=1, description="Accounts below this uid are system accounts: no agent for them."
    )
    idle_s: int = Field(300, ge=1, description="Seconds after which an unused agent ends.")
    local_path: str = Field(
        "/usr/local/bin:/usr/bin:/bin",
        description="PATH of jobs on clusters of kind `local`, where they run without a container.",
    )


class ClusterSettings(Section):
    """One cluster: a table `[clusters.<name>]` for each; compute domains name them."""

    kind: Literal["slurm", "local"] = Field(
        "slurm", description="`slurm`, or `local`: jobs are child processes (single-user mode)."
    )
    bin_dir: AbsolutePath = Field(Path("/usr/bin"), description="Directory of sbatch, squeue and the others.")
    conf: OptionalPath = Field(None, description="Its slurm.conf; default: Slurm's own default place.")
    timeout_s: float = Field(20, gt=0, le=300, description="Seconds to wait for one Slurm command.")
    submit_through: Literal["sbatch", "slurmrestd"] = Field(
        "sbatch",
        description="How a user's agent hands jobs over: `sbatch`, a process for each, or `slurmrestd`, "
        "kept running: more jobs a second, but past cli_filter and SPANK plugins (decision 10).",
    )


class BrokerSettings(Section):
    """The loop that brings jobs to the scheduler."""

    tick_s: float = Field(
        4.2,
        gt=0,
        le=60,
        description="Seconds between two looks at the queue; accounting is asked for news halfway.",
    )
    quiet_s: float = Field(
        60,
        gt=0,
        description="Least seconds a doubtful submission rests before the next try; above MessageTimeout."
        " It rests until nothing of it can be on its way: three of the cluster's `timeout_s` and 10.",
    )


class ImagesSettings(Section):
    """How images run."""

    apptainer: OptionalPath = Field(
        Path("/usr/bin/apptainer"),
        description='The program; `""`: no containers (clusters of kind `local` only).',
    )
    verify: Literal["changed", "always"] = Field(
        "changed",
        description="Digest of an image's file at a job's start: `changed`, when its size or time differ "
        "from the catalogue's; `always`, which reads the whole file.",
    )


class JobsSettings(Section):
    """What jobs need to know."""

    claim_url: str = Field(
        "", description="Base URL where a job reaches the portal from a node; default: `portal.url`."
    )
    ca_file: OptionalPath = Field(None, description="CA bundle, readable on the nodes, for `claim_url`.")
    max_active: int = Field(10_000, ge=1, description="The most unfinished jobs one person may have.")


class HistorySettings(Section):
    """How long jobs stay in the database after their end."""

    keep_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description=f"Days after its end that a job moves to the archive, {LEAST_DAYS} at least; 0: never.",
    )
    archive_dir: AbsolutePath = Field(
        Path("/var/lib/sciserver/archive"),
        description="Directory of the archive, mode 0700, owned by the portal's own user; on storage that "
        "all hosts of the broker share.",
    )

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if 0 < self.keep_days < LEAST_DAYS:
            raise ValueError(
                f"keep_days is {self.keep_days}: limits per month and idempotency keys need {LEAST_DAYS} days"
            )
        return self


class ServiceAccountsSettings(Section):
    """Programs with tokens of their own."""

    longest_days: int = Field(
        90, ge=1, le=365, description="Days after which a token of a service account ends at the latest."
    )


class SharingSettings(Section):
    """How grants on user volumes are kept on the filesystem."""

    look_hours: float = Field(
        24,
        ge=1,
        le=8760,
        description="Hours between two looks through a shared volume for what differs from its grants.",
    )
    everyone_group: str = Field(
        "",
        max_length=255,
        description="Unix group of the directory that stands for everyone who can log in; where it is empty, "
        "a user volume cannot be shared with everyone.",
    )


class SupportSettings(Section):
    """Administrators who look at the portal as a user, reading only."""

    minutes: int = Field(30, ge=1, le=240, description="The longest one such session lasts, in minutes.")


class UnixGroupsSettings(Section):
    """Where groups of the portal may be Unix groups of the directory. Unset: nowhere."""

    branch: str = Field(
        "",
        description="Branch that holds them and nothing else, as a distinguished name; it must exist. "
        "Empty: on the filesystem groups of the portal are their members, one by one.",
    )
    bind_dn: str = Field("", description="As whom to write there; not the one that reads.")
    bind_password_file: OptionalPath = Field(None, description="File with the password of `bind_dn`.")
    first_gid: int = Field(0, ge=0, description="The first number for such a group.")
    last_gid: int = Field(0, ge=0, description="The last one. A number once used is given to no other group.")
    prefix: str = Field(
        "portal-",
        pattern=r"^[a-z][a-z0-9_.-]{1,31}\z",
        description="What their names begin with, and no other group's of the directory.",
    )
    all: bool = Field(
        False, description="Every group is one, unless its owner says no; else those whose owner asks."
    )
    overlap_hours: float = Field(
        24,
        ge=0,
        le=720,
        description="Hours in which files name group and members both, for processes begun before they had "
        "the group.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("bind_dn", "bind_password_file", "first_gid", "last_gid")
        if not self.branch:
            idle = [name for name in needed if getattr(self, name)]
            if idle or self.all:
                raise ValueError(f"{(idle or ['all'])[0]} is set, but no `branch`")
            return self
        missing = [f"`{name}`" for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"branch needs {' and '.join(missing)}")
        if not _LEAST_GID <= self.first_gid <= self.last_gid < _NO_GID:
            raise ValueError(f"first_gid and last_gid bound no range between {_LEAST_GID} and {_NO_GID - 1}")
        if any(self.first_gid <= number <= self.last_gid for number in _NOBODYS):
            raise ValueError("first_gid to last_gid holds 65534 or 65535, which stand for nobody")
        return self


_LEAST_GID, _NO_GID = 1000, 0xFFFF_FFFF
_NOBODYS = (65534, 65535)


class SessionsSettings(Section):
    """Interactive sessions in the browser. Unset: the site has none."""

    domain: str = Field(
        "",
        pattern=r"^([a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?(:[0-9]{1,5})?)?\z",
        description="Each session is at `https://<uuid>.<domain>`; not below the portal's own name. "
        "With the port, where it is not 443.",
    )
    ca_dir: AbsolutePath = Field(
        Path("/etc/sciserver/sessions-ca"),
        description="Directory of the keys by which nginx, broker and sessions know each other, mode 0700; "
        "`sciserver-hpc sessions-ca` makes it.",
    )
    apps: tuple[AbsolutePath, ...] = Field(
        (),
        description="Directories of apps, looked at before those that come with the program: of two "
        "apps with one name the first counts.",
    )
    max_active: int = Field(5, ge=1, le=1000, description="The most sessions of one person at once.")
    idle_minutes: int = Field(
        120, ge=2, le=10_080, description="A session that nobody uses for so long is stopped."
    )
    grace_minutes: int = Field(
        10, ge=1, le=1440, description="So long before that, and after the warning, there is time to use it."
    )
    time_warning_minutes: int = Field(
        15, ge=1, le=1440, description="So long before its time is up a session's owner is told."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.grace_minutes >= self.idle_minutes:
            raise ValueError("grace_minutes must be less than idle_minutes")
        return self


class MailSettings(Section):
    """How notifications are mailed. Unset: mail is not offered."""

    host: str = Field("", max_length=255, description="The mail server; empty: no mail.")
    port: int = Field(587, ge=1, le=65535, description="Its port: 587 with `starttls`, 465 with `tls`.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`none` only to a server on this host."
    )
    ca_file: OptionalPath = Field(
        None, description="CA bundle to check the server with; default: the system's."
    )
    sender: str = Field("", max_length=255, description="Address the mail comes from.")
    username: str = Field("", description="As whom to log in there; empty: not at all.")
    password_file: OptionalPath = Field(None, description="File with the password of `username`.")
    timeout_s: float = Field(10, gt=0, le=60, description="Seconds to wait for one of its answers.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.host:
            idle = [name for name in ("sender", "username", "password_file") if getattr(self, name)]
            if idle:
                raise ValueError(f"{idle[0]} is set, but no `host`")
            return self
        if not re.fullmatch(r"[!-?A-~]+@[A-Za-z0-9.-]+", self.sender):
            raise ValueError("host needs `sender`, an address as in portal@example.org")
        if bool(self.username) is not bool(self.password_file):
            raise ValueError("username and password_file go together")
        if self.security == "none" and self.host not in _THIS_HOST:
            raise ValueError("mail would travel in the clear; set `security` to starttls or tls")
        return self


_THIS_HOST = ("localhost", "127.0.0.1", "::1")


class WebhooksSettings(Section):
    """Notifications posted to addresses people name: public ones, over TLS, never through a proxy."""

    enabled: bool = Field(False, description="Offer it: the broker's host then posts to the internet.")
    allow_http: bool = Field(False, description="Addresses without TLS as well.")
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description='Networks that may be reached though they are not public: `["10.1.0.0/16"]`.'
    )
    ca_file: OptionalPath = Field(
        None, description="CA bundle to check receivers with; default: the system's."
    )
    timeout_s: float = Field(10, gt=0, le=60, description="Seconds one post may take, all in all.")


class CatalogueSettings(Section):
    """What the site offers."""

    file: OptionalPath = Field(
        None, description="Domains, images, volumes and grants as TOML; `sciserver-hpc db apply` reads it."
    )


class Settings(BaseSettings):
    """All settings. Made by `load`, which knows the file and tells problems in sentences."""

    model_config = SettingsConfigDict(
        env_prefix="SCISERVER_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        frozen=True,
        extra="forbid",
    )

    portal: PortalSettings
    database: DatabaseSettings = DatabaseSettings()
    directory: DirectorySettings
    agents: AgentsSettings = AgentsSettings()
    clusters: dict[Slug, ClusterSettings] = Field(
        default_factory=lambda: {"default": ClusterSettings()}, min_length=1
    )
    broker: BrokerSettings = BrokerSettings()
    images: ImagesSettings = ImagesSettings()
    jobs: JobsSettings = JobsSettings()
    history: HistorySettings = HistorySettings()
    sharing: SharingSettings = SharingSettings()
    support: SupportSettings = SupportSettings()
    unix_groups: UnixGroupsSettings = UnixGroupsSettings()
    service_accounts: ServiceAccountsSettings = ServiceAccountsSettings()
    sessions: SessionsSettings = SessionsSettings()
    mail: MailSettings = MailSettings()
    webhooks: WebhooksSettings = WebhooksSettings()
    catalogue: CatalogueSettings = CatalogueSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the library's signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before what `load` read from the file."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _fitting_together(self) -> Self:
        slurm = [name for name, cluster in self.clusters.items() if cluster.kind == "slurm"]
        if len(slurm) > 1:
            raise ValueError(
                f"clusters {', '.join(slurm)}: one portal serves one Slurm cluster; keep one of them"
            )
        if slurm and self.images.apptainer is None:
            raise ValueError(
                f"images.apptainer is empty, but cluster {slurm[0]} is a Slurm cluster: name the program"
            )
        return self

    @model_validator(mode="after")
    def _unix_groups_apart(self) -> Self:
        own, people = self.unix_groups, self.directory
        if not own.branch:
            return self
        if people.kind != "ldap":
            raise ValueError(
                "unix_groups.branch: a file of users holds no groups; use a directory of kind ldap"
            )
        if own.bind_dn.casefold() == people.bind_dn.casefold():
            raise ValueError(
                "unix_groups.bind_dn is directory.bind_dn, which reads; give the writer an entry of its own"
            )
        for field, name in (
            ("directory.admin_group", people.admin_group),
            ("sharing.everyone_group", self.sharing.everyone_group),
        ):
            if name.casefold().startswith(own.prefix):
                raise ValueError(f"{field} begins with unix_groups.prefix, which is for groups of the portal")
        return self

    def claim_url(self) -> str:
        """Where a job reaches the portal."""
        return self.jobs.claim_url or self.portal.url

    def secret(self, field: str) -> str | None:
        """The secret in the file that `field` (a key of SECRETS) names; None when it names none.

        Raises Invalid with a sentence naming file and remedy.
        """
        section, _, name = field.partition(".")
        path: Path | None = getattr(getattr(self, section), name)
        try:
            return None if path is None else read_secret(path, SECRETS[field])
        except SecretProblem as error:
            raise Invalid({field: str(error)}) from error


SECRETS = {
    "portal.secret_key_file": KEY_BYTES,
    "database.password_file": 1,
    "directory.bind_password_file": 1,
    "unix_groups.bind_password_file": 1,
    "mail.password_file": 1,
}
"""Fields that name secret files, and the least length of each secret in bytes."""


def load(path: Path | None = None) -> Settings:
    """Read the settings from `path` (default: see above) and the environment.

    Raises Invalid: a sentence per field.
    """
    file = path or Path(os.environ.get("SCISERVER_CONFIG") or DEFAULT_FILE)
    values = _read(file)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise Invalid({_place(e["loc"]): _sentence(e["msg"], file) for e in error.errors()}) from error


def check_secrets(settings: Settings) -> None:
    """Read every secret file once, so that a service with a bad one refuses to start.

    Raises Invalid naming every bad file and its remedy.
    """
    problems: dict[str, str] = {}
    for field in SECRETS:
        try:
            settings.secret(field)
        except Invalid as error:
            problems |= error.problems
    if problems:
        raise Invalid(problems)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sentence = f"{file} is missing; write it, or name another by the variable SCISERVER_CONFIG"
    except OSError as error:
        sentence = f"{file} cannot be read ({error.strerror})"
    except ValueError as error:
        sentence = f"{file} is not TOML: {error}"
    raise Invalid({"settings": sentence})


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "settings"


def _sentence(message: str, file: Path) -> str:
    return f"{message.removeprefix('Value error, ')} (in {file} or the environment)"
