"""What people see of the site."""

from __future__ import annotations

from sciserver_hpc.domain.volumes import Mode

from .world import ALICE, CAROL, World


def test_only_usable_domains_show_and_in_them_only_usable_things(world: World) -> None:
    domains = {domain.name: domain for domain in world.catalogue.domains(ALICE)}
    assert list(domains) == ["quick", "batch"]
    assert domains["batch"].images == ("python", "r", "plain")
    assert domains["batch"].data_volumes == ("sdss",)


def test_only_usable_images_show(world: World) -> None:
    assert [image.name for image in world.catalogue.images(ALICE)] == ["python", "r", "plain"]


def test_volumes_are_ones_own_the_shared_and_the_readable(world: World) -> None:
    world.login.password("alice", "wonderland", "192.0.2.1")
    offered = {volume.volume: volume for volume in world.catalogue.volumes(ALICE)}
    assert offered["Temporary/alice/jobs"].modes == (Mode.READ_ONLY, Mode.READ_WRITE)
    assert offered["Storage/bob/shared"].modes == (Mode.READ_ONLY,)
    assert offered["sdss"].kind == "data_volume"
    assert offered["sdss"].description == "Sky survey"
    assert not {"secret", "Storage/bob/private", "Storage/bob/gone"} & set(offered)


def test_a_grant_shows_to_its_subject_alone(world: World) -> None:
    assert "Storage/bob/shared" not in {volume.volume for volume in world.catalogue.volumes(CAROL)}


def test_a_withdrawn_grant_is_seen_after_a_moment(world: World) -> None:
    assert world.catalogue.domains(ALICE) != []
    world.apply(grants=())
    assert world.catalogue.domains(ALICE) == []
