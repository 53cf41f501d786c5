"""What the portal answers, where the domain has no model of it.

Fields a newer portal may add are passed over.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from ..domain.access import Action, Resource, Subject
from ..domain.app_fields import FormField
from ..domain.app_resources import AppResources
from ..domain.errors import SciServerError
from ..domain.groups import Accessibility, Role, Source
from ..domain.limits import Allowance
from ..domain.model import Model
from ..domain.notifications import Choices
from ..domain.resources import Limits, Resources
from ..domain.unix_groups import OnFiles
from ..domain.volumes import Mode

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], data: Any) -> M:
    """`data` as `model`, unknown fields passed over: the portal may be newer than this client."""
    try:
        return model.model_validate(data, extra="ignore")
    except ValidationError as error:
        raise SciServerError(
            "The portal's answer is not understood; bring this program up to date."
        ) from error


class Me(Model):
    """Who the token belongs to."""

    username: str
    full_name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    admin: bool = False
    powers: tuple[str, ...] = ()


class ImageInfo(Model):
    """An image one may run. `sha256` is the digest of its file, `size` in bytes."""

    name: str
    version: str
    sha256: str
    size: int = 0
    title: str = ""
    description: str = ""
    kernels: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


class DomainInfo(Model):
    """A compute domain one may use, with the images one may run there."""

    name: str
    description: str = ""
    cluster: str = "default"
    partition: str
    account: str | None = None
    qos: str | None = None
    interactive: bool = False
    batch: bool = True
    images: tuple[ImageInfo, ...] = ()
    root_volumes: tuple[str, ...] = ()
    data_volumes: tuple[str, ...] = ()
    limits: Limits = Limits()
    defaults: Resources = Resources()
    allowances: tuple[Allowance, ...] = ()
    """How much one may have at once and has now, there and over all domains (domain None)."""


class VolumeInfo(Model):
    """A volume one may mount, and in which modes. `kind`: user or data."""

    volume: str
    kind: str
    modes: tuple[Mode, ...]
    description: str = ""


class AppPlace(Model):
    """A compute domain where one may start an app, and the images there that hold it."""

    domain: str
    images: tuple[str, ...]


class AppInfo(Model):
    """An app one may start sessions of.

    tested: the project itself runs it; resources: its own bounds and defaults, where it has any.
    """

    name: str
    version: str
    title: str
    description: str = ""
    tested: bool = False
    form: tuple[FormField, ...] = ()
    resources: AppResources = Field(default_factory=dict)
    places: tuple[AppPlace, ...] = ()


class TokenInfo(Model):
    """A credential, without its secret."""

    id: int
    kind: str
    name: str
    scopes: tuple[str, ...] = ()
    created_at: AwareDatetime
    expires_at: AwareDatetime
    last_used_at: AwareDatetime | None = None


class LogPiece(Model):
    """A piece of a job's output.

    `offset` and `next` are byte positions, `size` the file's; `final`: nothing will be added any more.
    """

    text: str
    offset: int
    next: int
    size: int
    final: bool


class Preview(Model):
    """What Slurm would get."""

    options: tuple[str, ...]
    script: str
    mounts: tuple[dict[str, Any], ...] = ()
    domain: str | None = None
    image: str | None = None


class UnixGroupInfo(Model):
    """Whether a group is a Unix group. on: its owner wants it; on_files: whom files name for it, `members`,
    `group` or `both`."""

    on: bool
    name: str = ""
    gid: int | None = None
    on_files: OnFiles
    sentence: str


class GroupInfo(Model):
    """A group as one sees it.

    source: `directory` for one of LDAP, read-only here. role: of one's own membership; member: in it, at any
    depth.
    """

    name: str
    source: Source
    description: str = ""
    owner: str = ""
    accessibility: Accessibility = Accessibility.PRIVATE
    created_at: AwareDatetime
    role: Role | None = None
    member: bool = False


class PersonInfo(Model):
    """Somebody who logged in at the portal."""

    username: str
    full_name: str = ""


class ServiceAccountInfo(Model):
    """A program with tokens of its own.

    locked: an administrator of the site disabled it; mine: one manages it.
    """

    name: str
    owner: Subject
    description: str = ""
    created_by: str = ""
    created_at: AwareDatetime
    disabled_at: AwareDatetime | None = None
    disabled_by: str = ""
    locked: bool = False
    mine: bool = True


class GrantInfo(Model):
    """`subject` may do `action` to `resource`. `id` is 0 in a dry run; expires: its end, None for none."""

    id: int
    resource: Resource
    subject: Subject
    action: Action
    granted_by: str
    created_at: AwareDatetime
    expires: AwareDatetime | None = None
    expired: bool = False


class SentInfo(Model):
    """What became of a notification. problem: of the last attempt, "" for none."""

    occasion: str
    channel: str
    subject: str
    created_at: AwareDatetime
    attempts: int = 0
    sent_at: AwareDatetime | None = None
    given_up_at: AwareDatetime | None = None
    problem: str = ""


class NotificationsInfo(Choices):
    """What one is told of. offered: ways of the site; mail_to: where mail goes, "" for nowhere; secret: the
    webhook's, where one was just made; last: the latest, newest first."""

    offered: tuple[str, ...] = ()
    mail_to: str = ""
    secret_made_at: AwareDatetime | None = None
    secret: str | None = None
    last: tuple[SentInfo, ...] = ()
