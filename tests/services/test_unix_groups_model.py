"""Members coming and going, a directory that is away or not heard, machines that forget, kills, in any order:
nobody who is out of the group gets at the files, whatever is away; and once all is well, all is as wanted.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.groups import Accessibility
from sciserver_hpc.domain.unix_groups import OnFiles

from .disks import give, known, rights, run_dry, volume
from .world import ALICE, BOB, CAROL, World

DATA = "/shared/Storage/alice/x/folder/data"
TEAM, GID = "portal-team", 7001
PEOPLE = {person.username: person for person in (BOB, CAROL)}
WHO = st.sampled_from(sorted(PEOPLE))


class Crash(BaseException):
    """kill -9."""


class UnixGroups(RuleBasedStateMachine):
    """What stands in the portal is the model; `settle` lets the broker do what it can."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        known(self.world)
        volume(self.world)
        self.world.groups.create(Asker(ALICE), "team", "", Accessibility.PUBLIC)
        give(self.world, "portal_group:team")
        self.world.unix_groups.ask(Asker(ALICE), "team", True)
        self.inside: set[str] = set()
        self.settled = False
        self.join("bob")
        self.all_well()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.store.close()
            self.folder.cleanup()

    @rule(who=WHO)
    def join(self, who: str) -> None:
        if who not in self.inside:
            self.world.groups.join(Asker(PEOPLE[who]), "team")
            self.inside.add(who)
        self.settled = False

    @rule(who=WHO)
    def leave(self, who: str) -> None:
        if who in self.inside:
            self.world.groups.leave(Asker(PEOPLE[who]), "team")
            self.inside.remove(who)
        self.settled = False

    @rule(who=WHO)
    def leave_while_it_is_away(self, who: str) -> None:
        self.world.branch.down = True
        self.leave(who)
        self.settle()

    @rule(who=WHO, leaves=st.booleans())
    def join_unheard(self, who: str, leaves: bool) -> None:
        self.world.branch.deaf = 1
        self.join(who)
        self.settle()
        if leaves:
            self.leave(who)
            self.settle()

    @rule(on=st.booleans())
    def ask(self, on: bool) -> None:
        self.world.unix_groups.ask(Asker(ALICE), "team", on)
        self.settled = False

    @rule(down=st.booleans())
    def directory(self, down: bool) -> None:
        self.world.branch.down = down

    @rule()
    def deaf(self) -> None:
        self.world.branch.deaf = 1

    @rule(knows=st.booleans())
    def machine(self, knows: bool) -> None:
        self.world.agents.groups = {TEAM: GID} if knows else {}

    @rule(hours=st.sampled_from([0.01, 0.02, 0.3, 1, 25]))
    def wait(self, hours: float) -> None:
        self.world.clock.advance(timedelta(hours=hours).total_seconds())

    @rule(heard=st.booleans())
    def die(self, heard: bool) -> None:
        """The broker is killed in the middle of what the directory is told, before it or after."""
        branch, ensure = self.world.branch, self.world.branch.ensure

        def dying(*arguments: object) -> object:
            if heard and not branch.down:
                ensure(*arguments)  # type: ignore[arg-type]
            raise Crash

        branch.ensure = dying  # type: ignore[method-assign, assignment]
        try:
            self._turn()
        except Crash:
            self.settled = False
        finally:
            del branch.ensure

    @rule()
    def settle(self) -> None:
        self._turn()
        self.settled = True

    @rule()
    def all_well(self) -> None:
        """After a while without trouble, directory and files are as wanted."""
        self.world.branch.down, self.world.branch.deaf = False, 0
        self.world.agents.groups = {TEAM: GID}
        for _ in range(4):
            self.world.clock.advance(timedelta(hours=25).total_seconds())
            self._turn()
        self.settled = True
        row = self.world.store.unix_group("team")
        assert row is not None
        entry = self.world.branch.entries.get(TEAM)
        if row.on:
            assert entry is not None and entry.members == self.inside | {"alice"}
            assert (row.on_files, row.problem) == (OnFiles.GROUP, "")
        else:
            assert (entry, row.on_files) == (None, OnFiles.MEMBERS)
        for name, person in PEOPLE.items():
            assert rights(self.world, person, DATA) == ("r" if name in self.inside else "")

    @invariant()
    def nobody_else_gets_at_it(self) -> None:
        """Whenever the broker had its turn."""
        if getattr(self, "settled", False):
            for name, person in PEOPLE.items():
                assert name in self.inside or rights(self.world, person, DATA) == "", name

    def _turn(self) -> None:
        for _ in range(30):
            names, looking = self.world.group_keeping.due()
            if not names and not looking:
                break
            self.world.group_keeping.tell(names, lambda: True)
            self.world.group_keeping.look(looking, lambda: True)
        run_dry(self.world)


TestUnixGroups = UnixGroups.TestCase
TestUnixGroups.settings = settings(
    max_examples=50,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
