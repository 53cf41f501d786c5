"""People who share: one of each standing, towards a group, a volume and a job of alice's."""

from __future__ import annotations

from datetime import timedelta

from sciserver_hpc.domain.access import Action, Resource, Subject, SubjectKind
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.groups import Accessibility, Role, user
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.people import Person

from .house import PASSWORD, PEOPLE, House

EVIL = "<script>alert(1)</script>"
VOLUME = Resource(kind="user_volume", name="Storage/alice/persistent")
IMAGE = Resource(kind="image", name="secret")
SHARE = f"/share/user_volume/{VOLUME.name}"


def portal(name: str) -> Subject:
    """A group of the portal as whom something is given."""
    return Subject(kind=SubjectKind.PORTAL_GROUP, name=name)


class Cast:
    """The group survey: alice owns it, bob is admin, carol member, dave invited, the private lab is in it.

    Towards alice's volume: bob may write and give, group survey (so carol) may read, dave until tomorrow. Her
    job 1 may be read by bob. erin is a stranger to all of it, root1 an administrator of the site.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.people = dict(PEOPLE)
        for number, name in enumerate(("carol", "dave", "erin", "root1"), 2003):
            person = Person(
                username=name, uid=number, gid=number, full_name=f"{name.title()} Ek", admin=name == "root1"
            )
            self.people[name] = person
            house.people.add(person, PASSWORD)
            for root in ("Storage", "Temporary"):
                house.disk.make_directory(f"/shared/{root}/{name}", number)
        for name in self.people:
            house.services.login.password(name, PASSWORD, "192.0.2.1")
        self.groups, self.sharing = house.services.groups, house.services.sharing
        self._make_groups()
        self.job = self._job("mosaic")
        self._share()

    def asker(self, name: str) -> Asker:
        return Asker(self.people[name], f"request-of-{name}")

    def _make_groups(self) -> None:
        alice = self.asker("alice")
        self.groups.create(alice, "survey", f"Spectra {EVIL}", Accessibility.PUBLIC)
        self.groups.create(alice, "lab", "", Accessibility.PRIVATE)
        for who, role in (("bob", Role.ADMIN), ("carol", Role.MEMBER), ("dave", Role.MEMBER)):
            self.groups.invite(alice, "survey", user(who), role)
        for who in ("bob", "carol"):
            self.groups.accept(self.asker(who), "survey")
        self.groups.invite(alice, "survey", portal("lab"))
        self.groups.accept(alice, "survey", portal("lab"))

    def _share(self) -> None:
        alice, tomorrow = self.asker("alice"), self.house.clock.now() + timedelta(days=1)
        self.sharing.give(alice, VOLUME, user("bob"), [Action.WRITE, Action.GRANT])
        self.sharing.give(alice, VOLUME, portal("survey"), [Action.READ])
        self.sharing.give(alice, VOLUME, user("dave"), [Action.READ], tomorrow)
        self.sharing.give(alice, Resource(kind="job", name=str(self.job)), user("bob"), [Action.READ])
        self.sharing.give(self.asker("root1"), IMAGE, portal("survey"), [Action.USE])

    def _job(self, name: str) -> int:
        asked = JobRequest(kind="shell", name=name, command="hostname")
        number = self.house.services.jobs.submit(self.people["alice"], asked)[0].id
        self.house.write(number, "stdout.txt", b"10.9 years\n")
        return number
