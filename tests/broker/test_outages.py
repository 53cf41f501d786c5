"""What is told of a cluster that does not answer."""

from __future__ import annotations

from tests.broker.world import World


def test_a_cluster_without_jobs_is_told_as_away_and_as_back(world: World) -> None:
    for down in (False, True, False):
        world.cluster.live_down = down
        world.tick(20)
        assert world.store.notes()["cluster:default"]["ok"] is not down


def test_a_cluster_without_jobs_is_looked_at_less_often(world: World) -> None:
    for _ in range(30):
        world.tick()
    assert 0 < world.cluster.calls["observe"] <= 5
