"""What a session is started with: app, form, domain, image, resources; refused whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.domain.catalogue import ComputeDomain
from sciserver_hpc.domain.compose import Service
from sciserver_hpc.domain.errors import Conflict, Invalid, Refused
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.sessions import SessionRequest
from sciserver_hpc.domain.volumes import VolumeMount
from sciserver_hpc.services.accepting import Acceptor
from sciserver_hpc.services.jobs import Jobs

from .session_world import LAB, QUICK, SITE_WITH, SessionWorld
from .world import ALICE, BOB

HOUR = 3600


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SessionWorld]:
    made = SessionWorld(tmp_path)
    yield made
    made.store.close()


def problems(world: SessionWorld, **fields: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        world.sessions.start(ALICE, SessionRequest(**{"app": "lab"} | fields))
    assert world.sessions.list(ALICE) == []
    return caught.value.problems


def refusals(world: SessionWorld, **fields: Any) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        world.sessions.start(ALICE, SessionRequest(**{"app": "lab"} | fields))
    assert world.sessions.list(ALICE) == []
    return caught.value.items


def quick(world: SessionWorld, **changes: Any) -> None:
    changed = tuple(
        domain.model_copy(update=changes) if domain.name == "quick" else domain
        for domain in SITE_WITH.domains
    )
    world.site_is(SITE_WITH.model_copy(update={"domains": changed}))


# the app -------------------------------------------------------------------------------------------
def test_only_granted_apps_are_offered(world: SessionWorld) -> None:
    assert [app.name for app in world.sessions.apps(ALICE)] == ["lab"]
    assert "no grant" in refusals(world, app="desk")["app desk"]
    assert problems(world, app="nix")["app"] == "unknown app `nix`; you may use: lab"


def test_the_app_is_kept_as_it_was(world: SessionWorld) -> None:
    job = world.start()
    world.apps["lab"] = LAB.model_copy(update={"version": "2"})
    assert world.sessions.get(ALICE, job.id)[0].spec.app == LAB
    assert job.name == "The Lab"
    assert world.start(name="mine").name == "mine"


def test_an_app_that_is_offered_no_more_does_not_start(world: SessionWorld) -> None:
    job = world.start()
    secret = world.renderer.claim_secret(job.uuid)
    del world.apps["lab"]
    verdict, reason = world.jobs.claim(job.uuid, secret, 1001)
    assert (verdict, reason) == ("refused", "app lab: no longer offered")


def test_a_grant_on_the_app_that_was_withdrawn_stops_the_start(world: SessionWorld) -> None:
    job = world.start()
    secret = world.renderer.claim_secret(job.uuid)
    without = tuple(g for g in SITE_WITH.grants if g.resource.kind != "app")
    world.site_is(SITE_WITH.model_copy(update={"grants": without}))
    assert world.jobs.claim(job.uuid, secret, 1001)[0] == "refused"


# domain and image ------------------------------------------------------------------------------------
def test_the_first_domain_and_image_that_hold_the_app_are_taken(world: SessionWorld) -> None:
    job = world.start()
    assert (job.domain, job.image) == ("quick", "python"), "night has no image for it, hidden is not granted"
    assert [(d.name, [i.name for i in images]) for d, images in world.sessions.places(ALICE, LAB)] == [
        ("quick", ["python"])
    ]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"domain": "batch"}, "domain", "runs jobs only, no sessions"),
        ({"domain": "nowhere"}, "domain", "unknown domain"),
        ({"domain": "night"}, "image", "no image is given"),
        ({"domain": "quick", "image": "r"}, "image", "image r does not hold lab"),
        ({"image": "plain"}, "image", "does not run in domain quick"),
        ({"image": "no"}, "image", "unknown image"),
    ],
)
def test_places_that_cannot_be(world: SessionWorld, fields: Any, field: str, words: str) -> None:
    assert words in problems(world, **fields)[field]


def test_an_image_that_is_not_granted_is_refused(world: SessionWorld) -> None:
    assert "no grant" in refusals(world, image="hidden")["image hidden"]


def test_a_session_needs_a_domain_for_sessions(world: SessionWorld) -> None:
    none = tuple(domain.model_copy(update={"interactive": False}) for domain in SITE_WITH.domains)
    world.site_is(SITE_WITH.model_copy(update={"domains": none}))
    assert "no compute domain for sessions" in problems(world)["domain"]


# services beside an app ------------------------------------------------------------------------------
def with_service(world: SessionWorld, image: str) -> None:
    world.apps["lab"] = LAB.model_copy(
        update={"services": (Service(name="database", image=image, command="serve"),)}
    )


def test_a_services_image_is_kept_as_it_was(world: SessionWorld) -> None:
    with_service(world, "r")
    job = world.start()
    (kept,) = job.spec.services
    image = next(one for one in SITE_WITH.images if one.name == "r")
    assert (kept.service, kept.image, kept.path) == ("database", "r", image.path)
    assert (kept.sha256, kept.size, kept.mtime_ns) == (image.sha256, image.size, image.mtime_ns)
    assert job.spec.images == ("python", "r")
    assert world.jobs.claim(job.uuid, world.renderer.claim_secret(job.uuid), 1001)[0] == "run"


def test_a_services_image_that_is_not_granted_is_refused_and_its_app_offered_nowhere(
    world: SessionWorld,
) -> None:
    with_service(world, "hidden")
    assert "no grant" in refusals(world, domain="quick")["image hidden"]
    assert world.sessions.places(ALICE, world.apps["lab"]) == []


@pytest.mark.parametrize(
    ("image", "words"), [("no", "is not in the catalogue"), ("plain", "does not run in domain quick")]
)
def test_a_services_image_that_is_not_there_is_told(world: SessionWorld, image: str, words: str) -> None:
    with_service(world, image)
    assert (
        f"lab needs image {image} for its database, and that {words}"
        in problems(world, domain="quick")["app"]
    )
    assert world.sessions.places(ALICE, world.apps["lab"]) == []


def test_a_services_image_whose_grant_was_withdrawn_stops_the_start(world: SessionWorld) -> None:
    with_service(world, "r")
    job = world.start()
    secret = world.renderer.claim_secret(job.uuid)
    without = tuple(g for g in SITE_WITH.grants if (g.resource.kind, g.resource.name) != ("image", "r"))
    world.site_is(SITE_WITH.model_copy(update={"grants": without}))
    verdict, reason = world.jobs.claim(job.uuid, secret, 1001)
    assert verdict == "refused" and "image r" in reason


def test_a_services_image_that_its_domain_offers_no_more_stops_the_start(world: SessionWorld) -> None:
    with_service(world, "r")
    job = world.start()
    secret = world.renderer.claim_secret(job.uuid)
    quick(world, images=("hidden", "python"))
    told = ("refused", "image r: no longer offered in domain quick")
    assert world.jobs.claim(job.uuid, secret, 1001) == told


# the form --------------------------------------------------------------------------------------------
def test_everything_that_is_wrong_is_told_at_once(world: SessionWorld) -> None:
    found = problems(
        world,
        values={"hours": 99, "colour": "red"},
        image="r",
        resources=Resources(cpus=7),
        volumes=(VolumeMount(volume="Storage/bob/private"),),
    )
    assert {"values.hours", "values.colour", "image", "resources.cpus"} < set(found)
    assert any("Storage/bob/private" in text for text in (*found, *found.values()))


def test_a_volume_of_the_form_is_to_be_mounted(world: SessionWorld) -> None:
    values = {"place": "Storage/bob/shared"}
    assert "mount Storage/bob/shared too" in problems(world, values=values)["values.place"]
    job = world.start(values=values, volumes=(VolumeMount(volume="Storage/bob/shared"),))
    assert job.spec.values == {"place": "Storage/bob/shared", "hours": 1}
    assert not next(m for m in job.spec.mounts if m.volume == "Storage/bob/shared").writable


# resources ---------------------------------------------------------------------------------------------
def test_resources_come_from_form_person_app_and_domain_in_this_order(world: SessionWorld) -> None:
    spec = world.start().spec
    assert spec.resources == Resources(cpus=4, memory_mb=2500, time_limit_s=3 * HOUR)
    assert spec.deadline_s == HOUR, "of the form; Slurm gets what it may be extended by"
    spec = world.start(resources=Resources(cpus=2), values={"hours": 2}).spec
    assert (spec.resources.cpus, spec.deadline_s) == (2, 2 * HOUR)


def test_what_nobody_asked_for_is_brought_within_the_bounds(world: SessionWorld) -> None:
    """The app's usual 3000 MB are more than the domain gives, the domain's one CPU is less than it needs."""
    world.apps["lab"] = LAB.model_copy(
        update={"resources": {"cpus": LAB.resources["cpus"].model_copy(update={"default": None})}}
    )
    spec = world.start().spec
    assert (spec.resources.cpus, spec.resources.memory_mb) == (2, 1000)


@pytest.mark.parametrize(
    ("resources", "field", "words"),
    [
        ({"cpus": 7}, "resources.cpus", "at most 6 CPUs in app lab"),
        ({"cpus": 1}, "resources.cpus", "app lab needs 2 CPUs"),
        ({"memory_mb": 2501}, "resources.memory_mb", "2500"),
    ],
)
def test_what_somebody_asked_for_is_not_brought_within_bounds(
    world: SessionWorld, resources: Any, field: str, words: str
) -> None:
    assert words in problems(world, resources=Resources(**resources))[field]


@pytest.mark.parametrize(
    ("hours", "extension_s", "most_h", "slurm_h"),
    [(1, 7200, 8, 3), (7, 7200, 8, 8), (8, 7200, 8, 8), (1, None, 8, 1), (1, 7200, None, 3)],
)
def test_slurm_is_asked_for_what_it_may_be_extended_by(
    world: SessionWorld, hours: int, extension_s: int | None, most_h: int | None, slurm_h: int
) -> None:
    limits = QUICK.limits.model_copy(update={"time_limit_s": most_h and most_h * HOUR})
    quick(world, extension_s=extension_s, limits=limits)
    spec = world.start(values={"hours": hours}).spec
    assert (spec.deadline_s, spec.resources.time_limit_s) == (hours * HOUR, slurm_h * HOUR)


def test_more_hours_than_the_domain_gives_are_refused(world: SessionWorld) -> None:
    assert "8 h" in problems(world, values={"hours": 9})["resources.time_limit_s"]


# how many ----------------------------------------------------------------------------------------------
def asks(count: int) -> list[tuple[Any, str | None]]:
    return [(SessionRequest(app="lab", name=f"n{number}").as_job(), None) for number in range(count)]


def test_one_person_has_so_many_sessions_at_once(world: SessionWorld) -> None:
    sessions = world.make_sessions(max_sessions=2)
    first = sessions.start(ALICE, SessionRequest(app="lab"))
    sessions.start(ALICE, SessionRequest(app="lab"))
    with pytest.raises(Refused) as caught:
        sessions.start(ALICE, SessionRequest(app="lab"))
    assert caught.value.items == {"sessions": "you have 2 sessions, the most one person may have; stop one"}
    with pytest.raises(Refused):
        sessions.expected_start(ALICE, SessionRequest(app="lab"))
    sessions.start(BOB, SessionRequest(app="lab"))
    world.over(first)
    sessions.start(ALICE, SessionRequest(app="lab"))


def test_of_a_batch_so_many_are_started_as_there_is_room_for(world: SessionWorld) -> None:
    """What is wrong takes nobody's room, and says what is wrong."""
    jobs = world.make_jobs(100, 2)
    bad = (SessionRequest(app="nix").as_job(), None)
    outcomes = jobs.submit_many(ALICE, [bad, *asks(3)])
    assert isinstance(outcomes[0], Invalid)
    assert [isinstance(one, tuple) for one in outcomes] == [False, True, True, False]
    assert isinstance(outcomes[3], Refused) and set(outcomes[3].items) == {"sessions"}


@pytest.mark.parametrize(("most_jobs", "most_sessions"), [(100, 1), (1, 5)])
def test_what_was_sent_twice_at_the_limit_is_the_same_session(
    world: SessionWorld, monkeypatch: pytest.MonkeyPatch, most_jobs: int, most_sessions: int
) -> None:
    """The second of two at once looked for its key too early, and finds the last place taken, by itself."""
    jobs = world.make_jobs(most_jobs, most_sessions)
    request, known = SessionRequest(app="lab").as_job(), Acceptor._known
    first, _ = jobs.submit(ALICE, request, "k")
    early = iter([True])
    monkeypatch.setattr(Acceptor, "_known", lambda *its: {} if next(early, False) else known(*its))
    assert jobs.submit(ALICE, request, "k") == (first, False)


def test_sessions_count_as_jobs_too(world: SessionWorld) -> None:
    sessions = world.make_sessions(max_active=1)
    sessions.start(ALICE, SessionRequest(app="lab"))
    with pytest.raises(Refused, match="unfinished jobs"):
        sessions.start(ALICE, SessionRequest(app="lab"))


def test_a_key_is_for_one_request(world: SessionWorld) -> None:
    one = world.sessions.start(ALICE, SessionRequest(app="lab"), "k")
    assert world.sessions.start(ALICE, SessionRequest(app="lab"), "k") == one
    with pytest.raises(Conflict):
        world.sessions.start(ALICE, SessionRequest(app="lab", name="other"), "k")


def test_a_domain_for_both_is_one_for_sessions(world: SessionWorld) -> None:
    both: ComputeDomain = QUICK.model_copy(update={"batch": True})
    world.site_is(SITE_WITH.model_copy(update={"domains": (both,)}))
    assert world.start().domain == "quick"


def test_of_many_who_ask_at_once_no_more_get_in_than_may(world: SessionWorld) -> None:
    """Each by a worker of its own, as the portal has several."""
    workers = [world.make_jobs(100, 2) for _ in range(6)]
    start = threading.Barrier(len(workers))

    def ask(jobs: Jobs) -> bool:
        start.wait(60)
        try:
            jobs.submit(ALICE, SessionRequest(app="lab").as_job())
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(len(workers)) as pool:
        assert sum(pool.map(ask, workers)) == 2
    assert world.store.count_sessions("alice") == 2
