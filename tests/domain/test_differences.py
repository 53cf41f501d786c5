"""What applying a site's file would change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.access import EVERYONE, Grant, Resource, Subject
from sciserver_hpc.domain.catalogue import ComputeDomain, Image, Site, check, loose
from sciserver_hpc.domain.differences import differences
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.resources import Limits
from sciserver_hpc.domain.volumes import DataVolume

ASTRO = Subject(kind="group", name="astro")
END = datetime(2027, 1, 1, tzinfo=UTC)
NAMES = st.sampled_from(("a", "b", "c"))


def grant(subject: Subject = EVERYONE, name: str = "a", expires: datetime | None = None) -> Grant:
    return Grant(subject=subject, action="use", resource=Resource(kind="domain", name=name), expires=expires)


def domain(name: str = "a", **fields: Any) -> ComputeDomain:
    return ComputeDomain(**{"name": name, "partition": "p"} | fields)


DOMAINS = st.builds(
    domain,
    NAMES,
    description=st.sampled_from(("", "x")),
    qos=st.none() | st.just("q"),
    images=st.lists(NAMES, unique=True).map(tuple),
    limits=st.builds(Limits, cpus=st.none() | st.integers(1, 2)),
)
GRANTS = st.builds(grant, st.sampled_from((EVERYONE, ASTRO)), NAMES, st.none() | st.just(END))
LIMITS = st.builds(
    Limit, subject=st.sampled_from((EVERYONE, ASTRO)), domain=st.none() | NAMES, jobs=st.integers(0, 2)
)
SITES = st.builds(
    Site,
    domains=st.lists(DOMAINS, unique_by=lambda one: one.name).map(tuple),
    data_volumes=st.lists(
        st.builds(DataVolume, name=NAMES, path=st.just("/d")), unique_by=lambda v: v.name
    ).map(tuple),
    grants=st.lists(GRANTS, unique_by=lambda one: (one.subject, one.resource)).map(tuple),
    limits=st.lists(LIMITS, unique_by=lambda one: (one.subject, one.domain)).map(tuple),
)


def meant(site: Site) -> tuple[Any, ...]:
    """What counts about a site: the order of grants and limits does not."""
    return site.domains, site.data_volumes, set(site.grants), set(site.limits)


@given(SITES, SITES)
def test_nothing_differs_exactly_when_nothing_would_change(old: Site, new: Site) -> None:
    assert (differences(old, new) == []) == (meant(old) == meant(new))
    assert differences(old, old) == []


@given(SITES, SITES)
def test_what_comes_one_way_goes_the_other(old: Site, new: Site) -> None:
    turned = {"+": "-", "-": "+", "~": "~"}
    forth = sorted(f"{one.sign} {one.on} {one.whom}" for one in differences(old, new))
    back = sorted(f"{turned[one.sign]} {one.on} {one.whom}" for one in differences(new, old))
    assert forth == back


def test_a_difference_can_be_read() -> None:
    old = Site(
        domains=(domain("a", images=("r", "old"), limits=Limits(cpus=8)), domain("b"), domain("gone")),
        grants=(grant(), grant(ASTRO)),
        limits=(Limit(subject=EVERYONE, jobs=5), Limit(subject=ASTRO, cpus=1)),
    )
    new = Site(
        domains=(domain("b"), domain("a", images=("new", "r"), limits=Limits(cpus=16), qos="q"), domain("c")),
        grants=(grant(expires=END), grant(ASTRO, "b")),
        limits=(Limit(subject=EVERYONE, jobs=9, gpus=1), Limit(subject=EVERYONE, domain="a", cpus=2)),
    )
    assert "\n".join(map(str, differences(old, new))).splitlines() == [
        "~ domain a",
        "    qos: none → q",
        "    images: +new, -old",
        "    limits.cpus: 8 → 16",
        "+ domain c",
        "- domain gone",
        "~ order of domains",
        "    a, b → b, a",
        "~ limit everyone in all domains: 5 jobs → 9 jobs, 1 gpus",
        "+ limit everyone in domain a: 2 cpus",
        "- limit directory group astro in all domains: 1 cpus",
        "~ grant everyone: use domain a until 2027-01-01T00:00:00+00:00",
        "    until: no end → 2027-01-01T00:00:00+00:00",
        "+ grant directory group astro: use domain b",
        "- grant directory group astro: use domain a",
    ]


def test_the_order_of_a_list_counts_and_long_values_are_cut() -> None:
    old, new = domain(images=("a", "b")), domain(images=("b", "a"), description="x" * 100)
    (one,) = differences(Site(domains=(old,)), Site(domains=(new,)))
    assert one.changes == (f'description: "" → {"x" * 47}…', "images: a, b → b, a")


def test_the_trail_gets_the_thing_whom_it_is_about_and_what_changed() -> None:
    told = differences(Site(grants=(grant(ASTRO),)), Site(limits=(Limit(subject=ASTRO, jobs=1),)))
    assert [(one.act, one.on.name, one.whom, one.detail) for one in told] == [
        ("site.add", "*", ASTRO, "limit: 1 jobs"),
        ("revoke", "a", ASTRO, "use"),
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"domains": (domain(), domain(partition="q"))}, "domains: a is there twice"),
        (
            {"grants": (grant(), grant(expires=END))},
            "use on domain a to everyone is there twice, with two ends",
        ),
        ({"limits": (Limit(subject=ASTRO, jobs=1), Limit(subject=ASTRO, cpus=1))}, "two for directory group"),
    ],
)
def test_what_is_there_twice_is_told(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        check(Site(**fields))


def test_the_same_grant_written_twice_is_one() -> None:
    check(Site(grants=(grant(), grant())))


def test_names_that_lead_nowhere_are_told() -> None:
    image = Image(name="r", version="1", path="/r.sif", sha256="0" * 64, size=1, mtime_ns=1)
    site = Site(
        domains=(domain(images=("r", "python"), data_volumes=("sdss",)),),
        images=(image,),
        grants=(grant(), grant(name="b"), Grant(subject=ASTRO, action="read", resource=_volume())),
        limits=(Limit(subject=ASTRO, domain="b", jobs=1),),
    )
    assert loose(site) == [
        "domain a names image python, which is not there",
        "domain a names data volume sdss, which is not there",
        "a grant to everyone names domain b, which is not there",
        "a limit of directory group astro names domain b, which is not there",
    ]


def _volume() -> Resource:
    return Resource(kind="user_volume", name="Storage/bob/shared")
