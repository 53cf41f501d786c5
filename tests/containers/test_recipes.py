"""The recipes and the catalogue as they lie in containers/."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.devcluster import cache, images

RECIPES = list(images.catalogue().values())
by_name = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


@by_name
def test_everything_a_recipe_copies_is_in_its_digest(recipe: images.Recipe) -> None:
    text = (images.CONTAINERS / recipe.recipe).read_text()
    copied = set(re.findall(r"requirements/\w+\.txt|(?<![\w/.-])[\w-]+\.py\b", text)) | {
        "setup.sh",
        "build.sh",
        "startup.sh",
    }
    assert copied == set(recipe.files)


@by_name
def test_a_recipe_names_no_host(recipe: images.Recipe) -> None:
    for part in recipe.parts():
        assert "://" not in (images.CONTAINERS / part).read_text(), part


@by_name
def test_requirements_are_pinned(recipe: images.Recipe) -> None:
    for part in recipe.files:
        if part.endswith(".txt"):
            lines = (images.CONTAINERS / part).read_text().splitlines()
            loose = [
                line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9._+!]+", line)
            ]
            assert loose == []


@by_name
def test_the_post_section_leaves_nothing_behind(recipe: images.Recipe) -> None:
    text = (images.CONTAINERS / recipe.recipe).read_text()
    post = text.partition("%post")[2].partition("%environment")[0]
    assert post.split("\n\n")[0].strip().splitlines()[-1].strip() == "clean"


def test_of_the_packages_documents_licences_stay(tmp_path: Path) -> None:
    docs = tmp_path / "doc"
    for name in (
        "gcc/copyright",
        "gcc/changelog.gz",
        "gcc/examples/copyright",
        "gcc/examples/a.c",
        "bare/NEWS",
    ):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(name)
    (docs / "libgcc").symlink_to("gcc")
    (docs / "gcc/README").symlink_to("changelog.gz")
    code = '. "$1" && licences_alone "$2"'
    subprocess.run(["sh", "-c", code, "sh", str(images.CONTAINERS / "build.sh"), str(docs)], check=True)
    left = {str(path.relative_to(docs)) for path in docs.rglob("*") if not path.is_dir()}
    assert left == {"gcc/copyright", "gcc/examples/copyright"}
    assert (docs / "libgcc/copyright").read_text() == "gcc/copyright"
    assert not (docs / "bare").exists()


def test_what_needs_a_licence_says_so_and_is_not_built() -> None:
    matlab = images.catalogue()["matlab"]
    assert not matlab.build
    assert "NEEDS A LICENCE" in (images.CONTAINERS / matlab.recipe).read_text().partition("Bootstrap")[0]


def test_the_catalogue_offers_the_three_free_languages() -> None:
    kernels = {recipe.name: recipe.kernels[0] for recipe in RECIPES if recipe.build and recipe.demo}
    assert kernels == {"python": "python3", "r": "ir", "octave": "octave"}


@given(st.lists(st.binary(max_size=20), max_size=4), st.lists(st.binary(max_size=20), max_size=4))
def test_different_parts_have_different_digests(one: list[bytes], other: list[bytes]) -> None:
    assert (cache.digest(one) == cache.digest(other)) == (one == other)
