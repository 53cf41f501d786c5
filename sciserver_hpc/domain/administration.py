"""What may be given to administrators apart."""

from __future__ import annotations

from enum import StrEnum


class Power(StrEnum):
    """One part of looking after a site."""

    MANAGE_DOMAINS = "manage_domains"
    MANAGE_IMAGES = "manage_images"
    MANAGE_VOLUMES = "manage_volumes"
    MANAGE_LIMITS = "manage_limits"
    MANAGE_GROUPS = "manage_groups"
    READ_AUDIT = "read_audit"
    SUPPORT = "support"
