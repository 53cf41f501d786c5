"""The declarative file: written and read back, and one entry of it as texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.access import EVERYONE, Action, Grant, Resource, Subject, SubjectKind
from sciserver_hpc.domain.catalogue import ComputeDomain, Image, ImageDraft, Site
from sciserver_hpc.domain.declaration import read, written
from sciserver_hpc.domain.differences import differences
from sciserver_hpc.domain.entry_fields import Shape, fields, texts
from sciserver_hpc.domain.entry_fields import read as read_texts
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.limits import Limit, Measure
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.resources import Limits, Resources
from sciserver_hpc.domain.sections import PARTS, canonical, key
from sciserver_hpc.domain.volumes import DataVolume, RootKind, RootVolume

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
SLUG = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,8}\Z")
SLUGS = st.lists(SLUG, unique=True, max_size=3).map(tuple)
PATH = PRINTABLE.map(lambda text: f"/{text}")
SECONDS = st.integers(60, 366 * 86400)
SUBJECT = st.just(EVERYONE) | st.builds(
    Subject, kind=st.sampled_from([kind for kind in SubjectKind if kind != "everyone"]), name=PRINTABLE
)


def maybe(amounts: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | amounts


DOMAINS = st.builds(
    ComputeDomain,
    name=SLUG,
    description=TEXT,
    cluster=SLUG,
    partition=SLUG,
    account=st.none() | SLUG,
    qos=st.none() | SLUG,
    interactive=st.booleans(),
    batch=st.booleans(),
    images=SLUGS,
    root_volumes=SLUGS,
    data_volumes=SLUGS,
    limits=st.builds(
        Limits,
        cpus=maybe(st.integers(1, 99)),
        nodes=maybe(st.integers(1, 99)),
        memory_mb=maybe(st.integers(1, 99)),
        time_limit_s=maybe(SECONDS),
        gpus=st.integers(0, 9),
    ),
    defaults=st.builds(Resources, cpus=st.integers(1, 9), time_limit_s=SECONDS),
)
IMAGES = st.builds(
    Image,
    name=SLUG,
    version=st.just("1.0"),
    path=PATH,
    sha256=st.just("a" * 64),
    size=st.integers(0, 2**40),
    mtime_ns=st.integers(0, 2**62),
    title=TEXT,
    kernels=SLUGS,
)
DATA = st.builds(DataVolume, name=SLUG, path=PATH, description=TEXT)
ROOTS = st.builds(RootVolume, name=SLUG, path=PATH, kind=st.sampled_from(RootKind), description=TEXT)
LIMITS = st.builds(
    lambda subject, domain, amounts: Limit(subject=subject, domain=domain, **amounts),
    SUBJECT,
    st.none() | SLUG,
    st.dictionaries(st.sampled_from([*Measure]), st.integers(0, 10**9), min_size=1),
)
GRANTS = st.builds(
    Grant,
    subject=SUBJECT,
    action=st.just(Action.USE),
    resource=st.builds(Resource, kind=st.just("domain"), name=SLUG),
    expires=st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)


def some(entries: st.SearchStrategy[Any], by: Any) -> st.SearchStrategy[Any]:
    return st.lists(entries, unique_by=by, max_size=3).map(tuple)


def name(entry: Any) -> str:
    return str(entry.name)


SITES = st.builds(
    Site,
    domains=some(DOMAINS, name),
    images=some(IMAGES, name),
    root_volumes=some(ROOTS, name),
    data_volumes=some(DATA, name),
    limits=some(LIMITS, lambda limit: (limit.subject, limit.domain)),
    grants=some(GRANTS, lambda grant: (grant.subject, grant.resource)),
)


@given(SITES)
def test_a_site_written_is_read_back(site: Site) -> None:
    text = written(site)
    assert read(text, "site.toml") == site
    assert differences(site, read(text, "site.toml")) == []
    assert written(read(text, "site.toml")) == text


def test_an_empty_site_is_an_empty_file() -> None:
    assert read(written(Site()), "site.toml") == Site()


def test_what_is_wrong_in_a_file_is_told_where() -> None:
    with pytest.raises(Invalid, match=r"site.toml: domains.0.partition: is required"):
        read('[[domains]]\nname = "gpu"\n', "site.toml")
    with pytest.raises(Invalid, match="it is not TOML"):
        read("[[", "site.toml")


@given(DOMAINS | DATA | ROOTS | LIMITS)
def test_an_entrys_texts_are_read_back(entry: Model) -> None:
    plain = entry.model_copy(update={"description": "words"}) if hasattr(entry, "description") else entry
    assert read_texts(type(entry), texts(plain)) == plain


@given(LIMITS)
def test_a_limits_key_names_it(limit: Limit) -> None:
    section = next(section for section, part in PARTS.items() if part.model is Limit)
    assert canonical(section, key(limit)) == key(limit)
    other = limit.model_copy(update={"domain": None if limit.domain else "another"})
    assert key(other) != key(limit)


def test_every_measure_of_a_limit_is_a_field() -> None:
    assert {field.name for field in fields(Limit)} >= set(Measure)


@pytest.mark.parametrize(
    ("model", "given_texts", "problems"),
    [
        (ComputeDomain, {"name": "a b", "limits.cpus": "x", "limits.time_limit_s": "soon"},
         {"name", "partition", "limits.cpus", "limits.time_limit_s"}),
        (ComputeDomain, {"name": "a", "partition": "p", "images": "ok, a/b", "x": "1"}, {"images", "x"}),
        (ImageDraft, {"name": "a", "version": "1", "path": "a.sif", "sha256": "12"}, {"path", "sha256"}),
        (Limit, {"subject.kind": "everyone"}, {"request"}),
        (Limit, {"subject.kind": "user", "jobs": "1"}, {"request"}),
        (Limit, {"subject.kind": "nobody", "jobs": "-1"}, {"subject.kind", "jobs"}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_field(
    model: type[Model], given_texts: dict[str, str], problems: set[str]
) -> None:
    with pytest.raises(Invalid) as raised:
        read_texts(model, given_texts)
    assert set(raised.value.problems) == problems


def test_an_empty_field_is_no_limit_and_one_left_out_is_the_default() -> None:
    least = {"name": "a", "partition": "p"}
    assert read_texts(ComputeDomain, least).limits.nodes == 1
    assert read_texts(ComputeDomain, least | {"limits.nodes": ""}).limits.nodes is None
    assert read_texts(ComputeDomain, least | {"defaults.cpus": ""}).defaults.cpus == 1


def test_shapes_come_from_the_model() -> None:
    shapes = {field.name: field.shape for field in fields(ComputeDomain)}
    assert shapes["batch"] is Shape.FLAG
    assert shapes["images"] is Shape.LIST
    assert shapes["limits.time_limit_s"] is Shape.TIME
    assert next(field.choices for field in fields(RootVolume) if field.name == "kind") == tuple(RootKind)
