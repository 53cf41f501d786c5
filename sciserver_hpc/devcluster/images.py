"""The images of `containers/catalogue.yml`, built once per recipe into the cache.

`python -m sciserver_hpc.devcluster.images list|build [NAME…]`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from ..domain.catalogue import Image
from ..domain.model import Model
from ..domain.names import Slug
from . import apptainer, builder, cache
from .errors import Failed

CONTAINERS = Path(__file__).resolve().parents[2] / "containers"
STEP = "images"


class Recipe(Model):
    """An entry of catalogue.yml."""

    name: Slug
    version: str
    title: str
    description: str
    recipe: str
    files: tuple[str, ...]
    """What the recipe copies, relative to it."""

    kernels: tuple[str, ...]
    apps: tuple[str, ...]
    build: bool
    """False: needs something the project does not have, a licence for instance."""

    demo: bool = True
    """False: a development cluster offers it where it is built already, and does not build it."""

    def parts(self) -> tuple[str, ...]:
        return (self.recipe, *self.files)

    def key(self, directory: Path = CONTAINERS) -> str:
        """The recipe's digest: a new one means a new image."""
        texts = ((directory / part).read_bytes() for part in self.parts())
        return cache.digest([self.version.encode(), *texts])


def catalogue(path: Path = CONTAINERS / "catalogue.yml") -> dict[str, Recipe]:
    """Name → recipe, in the file's order.

    Raises pydantic.ValidationError.
    """
    rows = yaml.safe_load(path.read_text())["images"]
    recipes = [Recipe.model_validate(row) for row in rows]
    return {recipe.name: recipe for recipe in recipes}


def buildable() -> list[str]:
    """The images that can be built here."""
    return [name for name, recipe in catalogue().items() if recipe.build]


def offered() -> list[str]:
    """What a development cluster offers: the images of the demo, and what else is built already."""
    known = catalogue()
    return [name for name in buildable() if known[name].demo or built(known[name])]


def ensure(names: Iterable[str] | None = None, say: Callable[[str], None] = print) -> list[Image]:
    """The images `names` (None: what a development cluster offers), built where absent, one at a time.

    Two runs never build the same: the second waits. Raises Failed, naming recipe and log.
    """
    return [_ensure(recipe, say) for recipe in _chosen(names)]


def _chosen(names: Iterable[str] | None) -> list[Recipe]:
    known = {name: recipe for name, recipe in catalogue().items() if recipe.build}
    wanted = offered() if names is None else list(names)
    missing = [name for name in wanted if name not in known]
    if missing:
        raise Failed(STEP, f"no image {', '.join(missing)} can be built", f"choose from: {', '.join(known)}")
    return [known[name] for name in wanted]


def _ensure(recipe: Recipe, say: Callable[[str], None]) -> Image:
    """A built image is there at once, whatever else is being built."""
    sif = location(recipe)
    if not built(recipe):
        with cache.lock("images"):
            if not built(recipe):
                _build_telling(recipe, sif, say)
    return _image(recipe, sif)


def _build_telling(recipe: Recipe, sif: Path, say: Callable[[str], None]) -> None:
    say(f"building image {recipe.name}: some minutes, once; log: {_log(recipe)}")
    started = time.monotonic()
    _build(recipe, sif)
    seconds, size = time.monotonic() - started, sif.stat().st_size
    say(f"built image {recipe.name}: {size / 1e6:.0f} MB in {seconds:.0f} s")


def location(recipe: Recipe) -> Path:
    """Where the recipe's SIF lies or will lie."""
    return cache.root() / "images" / recipe.key() / f"{recipe.name}.sif"


def built(recipe: Recipe) -> bool:
    """Whether the recipe's SIF is there."""
    return location(recipe).exists()


def _log(recipe: Recipe) -> Path:
    """The build's log; a later build of the same recipe overwrites it."""
    return cache.root() / "logs" / f"image-{recipe.name}-{recipe.key()}.log"


def _build(recipe: Recipe, sif: Path) -> None:
    log = _log(recipe)
    cache.directory(log.parent)
    with cache.scratch(sif) as work:
        context = work / "context"
        for part in recipe.parts():
            (context / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CONTAINERS / part, context / part)
        made = builder.build(builder.Order(apptainer.ensure(), context, recipe.recipe, log))
        _publish(made, sif)


def _publish(made: Path, sif: Path) -> None:
    """Copy, so that owner and mode are ours whoever built it, then rename."""
    new = sif.with_suffix(".new")
    shutil.copyfile(made, new)
    new.chmod(0o644)
    new.replace(sif)


def _image(recipe: Recipe, sif: Path) -> Image:
    found = sif.stat()
    return Image(
        name=recipe.name,
        version=recipe.version,
        path=str(sif),
        sha256=_sha256(sif),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        title=recipe.title,
        description=recipe.description,
        kernels=recipe.kernels,
        apps=recipe.apps,
    )


def _sha256(sif: Path) -> str:
    """The file's digest, kept beside it with the size and time it was taken at."""
    found = sif.stat()
    stamp = [found.st_size, found.st_mtime_ns]
    note = sif.with_suffix(".json")
    if note.exists():
        kept = json.loads(note.read_text())
        if kept["stamp"] == stamp:
            return str(kept["sha256"])
    with sif.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with cache.scratch(note) as work:
        (work / note.name).write_text(json.dumps({"stamp": stamp, "sha256": digest}))
        (work / note.name).replace(note)
    return digest


def main(arguments: list[str] | None = None) -> int:
    """The command line: `list` tells what is built, `build` builds what is not."""
    parser = argparse.ArgumentParser(prog="python -m sciserver_hpc.devcluster.images", description=__doc__)
    parser.add_argument("verb", choices=("list", "build"))
    parser.add_argument("names", nargs="*", help="images; none: all")
    given = parser.parse_args(arguments)
    try:
        _VERBS[given.verb](given.names or None)
    except Failed as failure:
        print(failure.report(), file=sys.stderr)
        return 1
    return 0


def _list(names: list[str] | None) -> None:
    for recipe in catalogue().values():
        if names is None or recipe.name in names:
            state = "built" if built(recipe) else "not built" if recipe.build else "not for building here"
            print(f"{recipe.name:10} {recipe.version:6} {state:22} {location(recipe)}")


def _show(names: list[str] | None) -> None:
    for image in ensure(names):
        print(f"{image.name:10} {image.version:6} {image.sha256} {image.path}")


_VERBS: dict[str, Callable[[list[str] | None], None]] = {"list": _list, "build": _show}

if __name__ == "__main__":
    sys.exit(main())
