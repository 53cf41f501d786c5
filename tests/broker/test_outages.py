"""What is told of a cluster or its accounting that does not answer."""

from __future__ import annotations

from tests.broker.world import World


def ok(world: World, key: str) -> bool:
    return bool(world.store.notes()[f"{key}:default"]["ok"])


def test_a_cluster_without_jobs_is_told_as_away_and_as_back(world: World) -> None:
    for down in (False, True, False):
        world.cluster.live_down = down
        world.tick(20)
        assert ok(world, "cluster") is not down


def test_accounting_is_told_apart_from_its_cluster(world: World) -> None:
    for down in (False, True, False):
        world.cluster.accounting_down = down
        world.tick(20)
        assert (ok(world, "cluster"), ok(world, "accounting")) == (True, not down)
    world.cluster.live_down = True
    world.tick(20)
    assert (ok(world, "cluster"), ok(world, "accounting")) == (False, True)


def test_looks_at_the_queue_alone_say_nothing_of_accounting(world: World) -> None:
    world.accept()
    world.tick()
    world.cluster.accounting_down = True
    world.tick(20)
    for _ in range(6):  # 12 s: the queue is asked each time, accounting not yet again
        world.tick()
        assert (ok(world, "cluster"), ok(world, "accounting")) == (True, False)


def test_a_cluster_without_jobs_is_looked_at_less_often(world: World) -> None:
    for _ in range(30):
        world.tick()
    assert 0 < world.cluster.calls["observe"] <= 5
