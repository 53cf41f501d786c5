"""Sessions from Python, against the portal over the real services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.domain.app_fields import FieldType
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from sciserver_hpc.domain.session_views import Phase
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.volumes import Mode, VolumeMount
from tests.fakes.portal import FakePortal, listening
from tests.portal.house import PASSWORD, House


class Waiting:
    """The `sleep` of clients: each wait is the next event."""

    def __init__(self) -> None:
        self.next: list[Callable[[], object]] = []

    def __call__(self, _seconds: float) -> None:
        self.next.pop(0)()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def url(house: House) -> Iterator[str]:
    with listening(house.app) as address:
        yield address


@pytest.fixture
def alice(house: House, url: str, waiting: Waiting) -> Iterator[Client]:
    with Client(url, house.token("alice"), sleep=waiting) as client:
        yield client


def test_apps_tell_their_form_and_where_they_run(alice: Client) -> None:
    [lab] = alice.apps()
    assert (lab.name, lab.title, lab.tested) == ("lab", "Lab", False)
    fields = {field.name: field for field in lab.form}
    assert fields["workers"].type is FieldType.NUMBER
    assert fields["workers"].max_when[0].one_of == ("gpu",)
    assert [choice.value for choice in fields["kernel"].options] == ["python", "gpu"]
    assert lab.resources["cpus"].max == 4
    assert [(place.domain, place.images) for place in lab.places] == [("interactive", ("python",))]


def test_a_session_from_its_start_to_its_end(house: House, alice: Client) -> None:
    session = alice.start_session(
        "lab",
        values={"workers": 3, "verbose": False, "greeting": "good day"},
        name="bench",
        domain="interactive",
        image="python",
        volumes=["sunspots", VolumeMount(volume="Temporary/alice/scratch", mode=Mode.READ_WRITE)],
        resources={"cpus": 3},
    )
    assert (session.phase, session.job.name, session.job.kind) == (Phase.WAITING, "bench", "session")
    assert session.values["workers"] == 3 and session.values["verbose"] is False
    assert {mount.volume for mount in session.job.mounts} >= {"sunspots", "Temporary/alice/scratch"}
    assert (session.job.resources.cpus, session.job.resources.memory_mb) == (3, 1024)
    assert [one.id for one in alice.sessions()] == [session.id]
    assert alice.stop_session(session.id).phase is Phase.OVER
    assert alice.stop_session(session.id).phase is Phase.OVER
    again = alice.start_session_again(session.id)
    assert again.id != session.id and again.values == session.values
    assert alice.start_session_again(session.id).id == again.id
    assert [one.id for one in alice.sessions()] == [again.id]
    assert alice.cancel(again.id).state is JobState.CANCELLED
    alice.forget_session(again.id)
    assert alice.sessions() == []
    assert house.store.session(again.id) is not None


def test_the_same_key_starts_one(alice: Client) -> None:
    first, second = (alice.start_session("lab", values={"workers": 3}, key="k").id for _ in range(2))
    assert first == second
    with pytest.raises(Conflict):
        alice.start_session("lab", values={"workers": 4}, key="k")
    request = alice.session_request("lab", values={"workers": 3})
    assert alice.start_session(request, key="k").id == first


def test_what_slurm_would_do(alice: Client) -> None:
    assert "to start at" in alice.session_expected_start("lab", resources={"cpus": 1})
    assert alice.sessions() == []


def test_waiting_until_it_is_open(house: House, alice: Client, waiting: Waiting) -> None:
    number = house.session()
    waiting.next = [
        lambda: house.move(number, JobState.SUBMITTING),
        lambda: house.move(number, JobState.RUNNING, node="n1", slurm_id=7, started_at=house.clock.now()),
        lambda: house.reach(number, house.clock.now() + timedelta(hours=1)),
    ]
    assert alice.wait_session(number).phase is Phase.OPEN
    assert waiting.next == []
    assert alice.session_page(number) == f"{alice.url}/sessions/{number}"


def test_waiting_for_one_that_ends_before_it_is_open(house: House, alice: Client, waiting: Waiting) -> None:
    number = house.session()
    waiting.next = [lambda: house.move(number, JobState.FAILED, ended_at=house.clock.now())]
    assert alice.wait_session(number).phase is Phase.OVER
    with pytest.raises(TimeoutError, match="not open after 0 s; it goes on"):
        alice.wait_session(house.session(), timeout=0)


def test_the_end_is_moved_as_far_as_it_goes(house: House, alice: Client) -> None:
    number = house.open_session()
    before = alice.session(number)
    assert before.ends_at and before.extendable_until
    after = alice.extend_session(number, 30)
    assert after.ends_at and (after.ends_at - before.ends_at).total_seconds() == 1800
    assert alice.extend_session(number, 600).ends_at == before.extendable_until
    with pytest.raises(Refused, match="cannot be extended"):
        alice.extend_session(number, 1)
    with pytest.raises(Invalid) as wrong:
        alice.extend_session(number, 0)
    assert set(wrong.value.problems) == {"minutes"}


def test_what_is_shared_is_listed_apart(house: House, alice: Client, url: str) -> None:
    number = house.open_session()
    with Client.login(url, "bob", PASSWORD) as bob:
        with pytest.raises(NotFound):
            bob.session(number)
        assert [grant.resource.name for grant in alice.give(f"session:{number}", "bob", "read")] == ["1"]
        assert (bob.sessions(), [one.id for one in bob.shared_sessions()]) == ([], [number])
        with pytest.raises(NotFound):
            bob.stop_session(number)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"app": "../x"}, "app"),
        ({"app": ""}, "app"),
        ({"name": "a\nb"}, "name"),
        ({"name": ""}, "name"),
        ({"volumes": ["a b"]}, "volumes"),
        ({"resources": {"cpus": 0}}, "resources.cpus"),
        ({"resources": {"colour": 1}}, "resources.colour"),
        ({"values": {str(n): 1 for n in range(101)}}, "values"),
    ],
)
def test_what_cannot_be_is_told_before_it_is_sent(alice: Client, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as wrong:
        alice.session_request(**{"app": "lab", **asked})
    assert set(wrong.value.problems) == {field}


def test_a_lost_answer_starts_no_second_one(portal: FakePortal, client: Client) -> None:
    portal.trouble = [503] * 9
    with pytest.raises(Unavailable, match=r"start it again with key [0-9a-f]{32} to get that one"):
        client.start_session("lab")
    assert len(set(portal.calls)) == 1 < len(portal.calls)


def test_an_extension_is_not_tried_again(portal: FakePortal, client: Client) -> None:
    portal.trouble = [503] * 9
    with pytest.raises(Unavailable):
        client.extend_session(1, 30)
    assert len(portal.calls) == 1
