"""Images are built once per recipe, and a failure says which and why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sciserver_hpc.devcluster import apptainer, builder, cache, images
from sciserver_hpc.devcluster.errors import Failed


class FakeBuilder:
    """Builds a file that names its recipe; fails for the recipe `broken`."""

    def __init__(self) -> None:
        self.orders: list[builder.Order] = []
        self.broken = ""

    def __call__(self, order: builder.Order) -> Path:
        self.orders.append(order)
        order.log.write_text("the log\n")
        if order.recipe == self.broken:
            raise Failed(f"building {order.recipe}", "it ended with 1", "look at the log", order.log)
        sif = order.directory / "image.sif"
        sif.write_text(order.recipe)
        return sif


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBuilder:
    monkeypatch.setenv("SCISERVER_DEV_CACHE", str(tmp_path / "cache"))
    fake = FakeBuilder()
    monkeypatch.setattr(builder, "build", fake)
    monkeypatch.setattr(apptainer, "ensure", lambda: Path("/usr/bin/apptainer"))
    return fake


def test_every_image_of_the_demo_is_built_once(build: FakeBuilder) -> None:
    said: list[str] = []
    first = images.ensure(say=said.append)
    again = images.ensure(say=said.append)
    assert [image.name for image in first] == ["python", "r", "octave"]
    assert again == first
    assert [order.recipe for order in build.orders] == ["python.def", "r.def", "octave.def"]
    assert sum(line.startswith("built image") for line in said) == 3


def test_what_is_built_beyond_the_demo_is_offered_too(build: FakeBuilder) -> None:
    images.ensure(["desktop"], say=lambda _: None)
    assert images.offered() == ["python", "r", "octave", "desktop"]
    assert "matlab" not in images.buildable()


def test_an_image_carries_the_digest_of_its_file(build: FakeBuilder) -> None:
    (image,) = images.ensure(["r"], say=lambda _: None)
    # sha256sum of the five bytes `r.def`
    assert image.sha256 == "81701059b4ca92de7bf39e186089e80a174dbc502370d9d0488c4f257a67e1b8"
    assert (image.size, image.version, image.kernels) == (5, "1.1", ("ir", "python3"))
    assert Path(image.path).stat().st_mode & 0o777 == 0o644


def test_a_changed_file_gets_a_new_digest(build: FakeBuilder) -> None:
    (image,) = images.ensure(["r"], say=lambda _: None)
    Path(image.path).write_text("other")
    (changed,) = images.ensure(["r"], say=lambda _: None)
    assert changed.sha256 != image.sha256


def test_the_builder_gets_all_that_the_recipe_copies(
    build: FakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    class Looking(FakeBuilder):
        def __call__(self, order: builder.Order) -> Path:
            files = (path for path in order.directory.rglob("*") if path.is_file())
            seen.append({str(path.relative_to(order.directory)) for path in files})
            return super().__call__(order)

    monkeypatch.setattr(builder, "build", Looking())
    images.ensure(["octave"], say=lambda _: None)
    assert seen == [set(images.catalogue()["octave"].parts())]


def test_a_failed_build_names_recipe_and_log_and_leaves_nothing(build: FakeBuilder) -> None:
    build.broken = "r.def"
    with pytest.raises(Failed) as failure:
        images.ensure(["r"], say=lambda _: None)
    report = failure.value.report()
    assert "r.def" in report
    assert "the log" in report
    assert not list(cache.root().rglob("*.sif"))


@pytest.mark.parametrize("name", ["matlab", "fortran"])
def test_an_image_that_cannot_be_built_is_refused_with_the_choice(build: FakeBuilder, name: str) -> None:
    with pytest.raises(Failed, match=name) as failure:
        images.ensure([name])
    assert "python, r, octave" in failure.value.do


def test_the_command_line_lists_and_builds(build: FakeBuilder, capsys: pytest.CaptureFixture[str]) -> None:
    assert images.main(["build", "r"]) == 0
    assert images.main(["list"]) == 0
    rows = capsys.readouterr().out.splitlines()[-7:]
    states = [row[18:40].strip() for row in rows]
    assert states == ["not built", "built", *["not built"] * 4, "not for building here"]


def test_the_command_line_reports_a_failure(build: FakeBuilder, capsys: pytest.CaptureFixture[str]) -> None:
    assert images.main(["build", "fortran"]) == 1
    assert "what to do" in capsys.readouterr().err


def test_a_new_version_is_a_new_image(build: FakeBuilder) -> None:
    recipe = images.catalogue()["python"]
    assert recipe.model_copy(update={"version": "next"}).key() != recipe.key()


def test_everybody_may_read_an_image_whatever_the_umask(build: FakeBuilder) -> None:
    before = os.umask(0o077)
    try:
        (image,) = images.ensure(["r"], say=lambda _: None)
    finally:
        os.umask(before)
    below = [path for path in Path(image.path).parents if path.is_relative_to(cache.root())]
    assert {path.stat().st_mode & 0o777 for path in below} == {0o755}
    assert Path(image.path).stat().st_mode & 0o777 == 0o644
