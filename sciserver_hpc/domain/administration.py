"""Powers over the site: the parts into which the administrator's role is cut. They are grants on the site."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import AwareDatetime

from .access import THE_SITE, Acting, Action, Grant, decide


class Power(StrEnum):
    """What may be done with the site: each is the action of that name on `THE_SITE`, told in ACTIONS."""

    MANAGE_DOMAINS = "manage_domains"
    MANAGE_IMAGES = "manage_images"
    MANAGE_VOLUMES = "manage_volumes"
    MANAGE_LIMITS = "manage_limits"
    MANAGE_GROUPS = "manage_groups"
    READ_AUDIT = "read_audit"
    SUPPORT = "support"

    @property
    def action(self) -> Action:
        """As grants name it."""
        return Action(self)


def powers(acting: Acting, grants: Iterable[Grant], now: AwareDatetime) -> frozenset[Power]:
    """Which powers `acting` has by `grants` on the site: a member of the directory's admin group has all."""
    on_site = list(grants)
    return frozenset(power for power in Power if decide(acting, power.action, THE_SITE, on_site, now))
