"""The outbox when the broker dies at any step: nothing is lost, nothing sent that no attempt tells of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.services.sending import Sending
from tests.broker.world import Fuse, Fused
from tests.fakes.strands import Crash

from .test_notifying import World


class Outbox(RuleBasedStateMachine):
    """Events happen, or are rolled back; brokers send, die before or after any call, and are followed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.fuse = Fuse()
        self.told = 0
        self.sending = self._broker()

    def _broker(self) -> Sending:
        """A new one, each of whose calls to the outside may be its last."""
        world = self.world
        outside: list[Any] = [Fused(it, self.fuse) for it in (world.store, world.people, world.mailer)]
        store, people, mailer = outside
        return Sending(store, world.clock, people, mailer, world.ways, "https://portal")

    @rule()
    def happens(self) -> None:
        self.told += 1
        self.world.tell(self.told)

    @rule()
    def is_rolled_back(self) -> None:
        try:
            with self.world.store.transaction():
                self.world.tell(10**6)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    @rule(calls=st.integers(0, 12))
    def a_broker_dies(self, calls: int) -> None:
        self.fuse.left = calls
        try:
            self._turn()
        except Crash:
            self.sending = self._broker()
        finally:
            self.fuse.left = None

    @rule()
    def a_broker_goes_on(self) -> None:
        self._turn()

    @rule(seconds=st.sampled_from([1, 60, 600]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(down=st.booleans())
    def the_mail_server(self, down: bool) -> None:
        self.world.mailer.trouble = Unavailable("mail server", "away") if down else None

    def _turn(self) -> None:
        for lane in self.sending.due():
            self.sending.send(lane, lambda: True)

    @invariant()
    def sent_at_most_once_per_attempt(self) -> None:
        sent = Counter(told.key for _, told in self.world.mailer.sent)
        rows = {row.notification.key: row for row in self.world.last()}
        assert len(rows) == self.told
        for key, row in rows.items():
            assert sent[key] <= row.attempts
            assert row.sent_at is None or sent[key] >= 1

    def teardown(self) -> None:
        """In the end all are sent, whatever happened before: nothing is lost."""
        self.world.mailer.trouble = None
        for _ in range(30):
            self.world.clock.advance(120)
            self._turn()
        over = [row for row in self.world.last() if row.due_at is None]
        gone = {told.key for _, told in self.world.mailer.sent}
        assert len(over) == self.told
        assert {row.notification.key for row in over if row.sent_at} <= gone
        assert all(row.sent_at or row.given_up_at for row in over)
        self.world.store.close()
        self.folder.cleanup()


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
