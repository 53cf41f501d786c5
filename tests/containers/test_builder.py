"""How a build is started: what of the machine it gets, and as whom it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sciserver_hpc.devcluster import builder, debian
from sciserver_hpc.devcluster.errors import Failed

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone builds as another account")


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> builder.Order:
    """An order whose apptainer is a script that tells what it sees."""
    mirror = debian.Source("http://mirror.example/debian", "bookworm", ("main",))
    monkeypatch.setattr(debian, "mirror", lambda: mirror)
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    context = tmp_path / "context"
    context.mkdir()
    program = tmp_path / "apptainer"
    program.write_text(
        '#!/bin/sh\nid -un; id -u; env; echo "$@"; cat machine/mirror; grep "^$(id -un):" /etc/subuid\n'
        "[ -e broken.def ] && exit 3\necho made >image.sif\n"
    )
    for path in (tmp_path, program):
        path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest-", "popen-")):  # pytest keeps these to their owner
            parent.chmod(0o711)
    return builder.Order(program, context, "some.def", tmp_path / "log")


@needs_root
def test_root_builds_as_an_account_that_the_machine_does_not_know(order: builder.Order) -> None:
    passwd = Path("/etc/passwd").read_bytes()
    sif = builder.build(order)
    said = order.log.read_text().splitlines()
    assert sif.read_text() == "made\n"
    assert said[0] == builder.ACCOUNT
    assert int(said[1]) in builder.UIDS
    assert f"{builder.ACCOUNT}:{builder.SUBORDINATE}" in said
    assert Path("/etc/passwd").read_bytes() == passwd


@needs_root
def test_a_build_gets_the_mirror_and_nothing_of_the_environment(order: builder.Order) -> None:
    builder.build(order)
    said = order.log.read_text()
    assert "http://mirror.example/debian" in said
    assert "build --fakeroot image.sif some.def" in said
    assert "hidden" not in said


@needs_root
def test_a_failed_build_names_recipe_and_log(order: builder.Order) -> None:
    (order.directory / "broken.def").touch()
    with pytest.raises(Failed, match=r"some\.def.*ended with 3") as failure:
        builder.build(order)
    assert failure.value.log == order.log


def test_pip_gets_the_machine_s_index_but_no_place_on_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///srv/simple https://more.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/srv/wheels")
    assert builder.pip_configuration() == (
        "[global]\nextra-index-url = https://more.example/simple\nindex-url = https://index.example/simple\n"
    )
