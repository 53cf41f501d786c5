"""People, tokens, failed logins, the catalogue, volumes, the lease and notes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sciserver_hpc.domain.access import EVERYONE, Action, Grant, Resource, Subject
from sciserver_hpc.domain.catalogue import ComputeDomain, Image, Site
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.domain.tokens import Scope, Token, TokenKind
from sciserver_hpc.domain.volumes import DataVolume, RootVolume
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOON, add_job, make_job, next_job_id

ALICE = Person(username="alice", uid=2001, gid=2001, full_name="Alice Ådams", groups=frozenset({"b", "a"}))
MINUTE = timedelta(minutes=1)


def test_people_are_remembered_as_last_seen(store: SqlStore) -> None:
    assert store.person("alice") is None
    store.remember_person(ALICE)
    assert store.person("alice") == ALICE
    promoted = ALICE.model_copy(update={"admin": True, "groups": frozenset(), "uid": 2**32 - 2})
    store.remember_person(promoted)
    assert store.person("alice") == promoted


def add_token(store: SqlStore, digest: str, minutes: int = 10, username: str = "alice") -> Token:
    scopes = frozenset({Scope.JOBS_READ, Scope.FILES_READ})
    return store.add_token(
        username, TokenKind.PERSONAL, "laptop", scopes, digest, NOON, NOON + minutes * MINUTE
    )


def test_a_token_lives_until_it_expires(store: SqlStore) -> None:
    token = add_token(store, "a")
    assert store.token("a", NOON + 9 * MINUTE) == token
    assert store.token("a", NOON + 10 * MINUTE) is None
    assert store.token("b", NOON) is None


def test_use_is_noted_at_most_once_a_minute(store: SqlStore) -> None:
    add_token(store, "a")
    noted = []
    for seconds in (0, 59, 60, 61):
        store.token("a", NOON + timedelta(seconds=seconds))
        noted += [token.last_used_at for token in store.tokens("alice", NOON)]
    assert noted == [NOON, NOON, NOON + MINUTE, NOON + MINUTE]


def test_when_people_were_seen_last_is_the_latest_of_their_tokens(store: SqlStore) -> None:
    add_token(store, "a")
    add_token(store, "b")
    add_token(store, "c", username="bob")
    store.token("a", NOON + MINUTE)
    seen = store.seen_last(["alice", "bob", "carol"])
    assert seen == {"alice": NOON + MINUTE, "bob": NOON}
    assert store.seen_last([]) == {}


def test_user_volumes_are_counted_by_root(store: SqlStore) -> None:
    for root, name in (("Storage", "a"), ("Storage", "b"), ("Temporary", "a")):
        store.add_user_volume(root, "alice", name, "")
    assert [store.count_user_volumes(root) for root in ("Storage", "Temporary", "Gone")] == [2, 1, 0]


def test_jobs_are_counted_by_owner(store: SqlStore) -> None:
    job = add_job(store, make_job(next_job_id(store)), "d", "{}")
    assert store.count_jobs_of([job.owner, "nobody"], ACTIVE) == {job.owner: 1}
    assert store.count_jobs_of([job.owner], [JobState.FAILED]) == {}


def test_tokens_are_listed_and_revoked_by_their_owner_alone(store: SqlStore) -> None:
    first, second = add_token(store, "a"), add_token(store, "b")
    add_token(store, "c", username="bob")
    assert store.tokens("alice", NOON) == [second, first]
    assert not store.revoke_token("bob", first.id)
    assert store.revoke_token("alice", first.id)
    assert not store.revoke_token("alice", first.id)
    assert store.token("a", NOON) is None
    assert store.tokens("alice", NOON + 10 * MINUTE) == []


def test_failures_are_counted_by_key_since_a_moment(store: SqlStore) -> None:
    for minutes in (0, 1, 2):
        store.count_failure("user:alice", NOON + minutes * MINUTE)
    store.count_failure("user:bob", NOON)
    assert store.failures("user:alice", NOON) == (2, NOON + 2 * MINUTE)
    assert store.failures("user:carol", NOON) == (0, None)
    store.clear_failures("user:alice")
    assert store.failures("user:alice", NOON - MINUTE) == (0, None)
    assert store.failures("user:bob", NOON - MINUTE) == (1, NOON)


@pytest.mark.parametrize("key", ["user:a\0b", "user:" + "x" * 10_000, "user:\ud800", "user:' OR 1=1 --"])
def test_any_text_may_be_a_failed_name(store: SqlStore, key: str) -> None:
    store.count_failure(key, NOON)
    assert store.failures(key, NOON - MINUTE) == (1, NOON)


def image(name: str) -> Image:
    return Image(name=name, version="1", path="/images/x.sif", sha256="0" * 64, size=2**40, mtime_ns=2**62)


def grant(resource: str, **fields: object) -> Grant:
    fields = {"subject": Subject(kind="group", name="astro"), "action": Action.USE} | fields
    return Grant.model_validate({"resource": Resource(kind="domain", name=resource)} | fields)


SITE = Site(
    domains=(ComputeDomain(name="z", partition="p"), ComputeDomain(name="a", partition="p")),
    images=(image("python"),),
    root_volumes=(RootVolume(name="Storage", path="/shared/Storage"),),
    data_volumes=(DataVolume(name="sdss", path="/shared/sdss"),),
    grants=(grant("z"), grant("a", expires=NOON), grant("a", subject=Subject(kind="everyone"))),
    limits=(Limit(subject=EVERYONE, jobs=5), Limit(subject=EVERYONE, domain="a", cpus=8)),
)


def test_the_catalogue_is_what_was_applied_last_in_its_order(store: SqlStore) -> None:
    assert store.domains() == store.images() == []
    store.apply_site(Site(images=(image("old"),), grants=(grant("old"),)))
    store.apply_site(SITE)
    assert tuple(store.domains()) == SITE.domains
    assert tuple(store.images()) == SITE.images
    assert tuple(store.root_volumes()) == SITE.root_volumes
    assert tuple(store.data_volumes()) == SITE.data_volumes
    assert tuple(store.limits()) == SITE.limits
    assert tuple(store.grants([("group", "astro")])) == SITE.grants[:2]
    assert tuple(store.grants([("everyone", ""), ("user", "alice"), ("group", "astro")])) == SITE.grants
    assert store.grants([]) == store.grants([("user", "astro")]) == []


def test_what_was_applied_is_read_whole(store: SqlStore) -> None:
    assert store.site() == Site()
    store.apply_site(SITE)
    assert store.site() == SITE


def test_a_grant_that_stays_keeps_its_id_and_its_age(store: SqlStore, clock: FakeClock) -> None:
    store.apply_site(SITE)
    resource = Resource(kind="domain", name="a")
    before = store.shares_on(resource)
    clock.advance(60)
    later = grant("a", expires=NOON + MINUTE)
    store.apply_site(SITE.model_copy(update={"grants": (grant("z"), later, later, grant("b"))}))
    (kept,) = store.shares_on(resource)
    assert (kept.id, kept.created_at, kept.grant) == (before[0].id, before[0].created_at, later)
    assert store.site().grants == (grant("z"), later, grant("b"))


def test_thousands_of_grants_come_and_go(store: SqlStore) -> None:
    many = Site(grants=tuple(grant(f"d{number}") for number in range(1500)))
    store.apply_site(many)
    assert store.site() == many
    store.apply_site(Site(grants=many.grants[:1]))
    assert store.site().grants == many.grants[:1]


def test_a_site_with_a_name_twice_is_refused_whole(store: SqlStore) -> None:
    store.apply_site(SITE)
    with pytest.raises(Invalid, match="python is there twice"):
        store.apply_site(Site(images=(image("python"), image("python"))))
    with pytest.raises(Invalid, match="there are two for everyone"):
        store.apply_site(Site(limits=(Limit(subject=EVERYONE, jobs=1), Limit(subject=EVERYONE, cpus=1))))
    assert tuple(store.domains()) == SITE.domains


def test_user_volumes_are_made_once(store: SqlStore) -> None:
    made = store.add_user_volume("Storage", "alice", "persistent", "kept")
    assert store.add_user_volume("Storage", "alice", "persistent", "other words") == made
    other = store.add_user_volume("Storage", "alice", "a", "")
    store.add_user_volume("Storage", "bob", "persistent", "")
    assert store.user_volumes("alice") == [other, made]
    assert store.user_volume("Storage", "alice", "persistent") == made
    assert store.user_volume("Temporary", "alice", "persistent") is None


def test_one_holder_leads_at_a_time(store: SqlStore) -> None:
    assert store.lead("a", NOON, MINUTE)
    assert not store.lead("b", NOON + timedelta(seconds=59), MINUTE)
    assert store.lead("a", NOON + timedelta(seconds=59), MINUTE)
    assert not store.lead("b", NOON + MINUTE, MINUTE)
    assert store.lead("b", NOON + 2 * MINUTE, MINUTE)
    store.release("a")
    assert not store.lead("a", NOON + 2 * MINUTE, MINUTE)
    store.release("b")
    assert store.lead("a", NOON + 2 * MINUTE, MINUTE)


def test_notes_hold_the_newest_word(store: SqlStore) -> None:
    store.note("broker", {"at": "then"})
    store.note("slurm", {"down": True})
    store.note("broker", {"at": "now", "jobs": 3})
    assert store.notes() == {"broker": {"at": "now", "jobs": 3}, "slurm": {"down": True}}
