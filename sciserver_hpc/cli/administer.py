"""`sciserver-hpc admin`: the site's declaration, entry by entry, for whoever may read the settings."""

from __future__ import annotations

from pathlib import Path

import click

from .verb import Verbs, json_option

PARTS = {
    "domains": ("domain", "gpu", "partition=gpu images=python,r limits.cpus=64"),
    "images": ("image", "python", "version=1.2 path=/shared/images/python-1.2.sif kernels=python3"),
    "volumes": ("data volume", "sunspots", "path=/shared/data/sunspots"),
    "roots": ("root volume", "Storage", "path=/shared/Storage kind=storage"),
    "limits": ("limit", "group:survey@gpu", "cpus=64 gpus=4"),
}
"""A part of the declaration → its noun, and an example of a name and of fields."""

_LIMIT_NAME = """

    NAME is whom it is for, as in everyone, alice, group:survey or directory:astro, and @DOMAIN where it is
    for one compute domain."""

diff_option = click.option(
    "--diff", "--dry-run", "diff", is_flag=True, help="Show the difference; change nothing."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask before changing, for programs.")


EPILOG = """\b
Examples:
  sciserver-hpc admin domains set gpu limits.cpus=64
  sciserver-hpc admin limits remove --diff group:survey@gpu
"""


@click.group("admin", cls=Verbs, epilog=EPILOG)
def administer() -> None:
    """Domains, images, volumes and limits, one by one; each change is shown first."""


@administer.command(
    epilog="\b\nExamples:\n  sciserver-hpc admin export\n  sciserver-hpc admin export site.toml\n"
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def export(file: Path | None) -> None:
    """Write what stands as the declarative file that `db apply` takes: to FILE, or print it."""
    from . import declaration  # noqa: PLC0415 (slow to load, and --help needs none of it)

    text = declaration.export()
    if file is None:
        click.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")


def _part(name: str) -> click.Group:
    """The verbs of one part."""
    noun, example, fields = PARTS[name]
    about = _LIMIT_NAME if name == "limits" else ""
    run, last = f"sciserver-hpc admin {name}", fields.split()[-1]

    @click.group(name, cls=Verbs, help=f"Every {noun} of the site.", epilog=f"\b\nExample:\n  {run} list\n")
    def group() -> None: ...

    @group.command("list", help="List them, by name.", epilog=f"\b\nExample:\n  {run} list\n")
    @json_option
    def list_(as_json: bool) -> None:
        from ..domain.sections import Section  # noqa: PLC0415
        from . import declaration  # noqa: PLC0415

        declaration.show_all(Section(name), as_json=as_json)

    @group.command(help=f"Show one {noun}.{about}", epilog=f"\b\nExample:\n  {run} show {example}\n")
    @click.argument("name_", metavar="NAME")
    @json_option
    def show(name_: str, as_json: bool) -> None:
        from ..domain.sections import Section  # noqa: PLC0415
        from . import declaration  # noqa: PLC0415

        declaration.show(Section(name), name_, as_json=as_json)

    @group.command(
        "set",
        help=f"""Add a {noun}, or change the fields that are given.

    FIELD=VALUE: as in the declarative file, a dot before what is within (limits.cpus=64), commas in a list,
    times as sbatch writes them; nothing after the = empties a field.{about}""",
        epilog=f"\b\nExamples:\n  {run} set {example} {fields}\n  {run} set --diff {example} {last}\n",
    )
    @click.argument("name_", metavar="NAME")
    @click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
    @diff_option
    @yes_option
    @json_option
    def set_(name_: str, fields: tuple[str, ...], **how: bool) -> None:
        from ..domain.sections import Section  # noqa: PLC0415
        from . import declaration  # noqa: PLC0415

        declaration.put(Section(name), name_, fields, **how)

    @group.command(
        help=f"""Remove a {noun}, with what names it.

    Refused while unfinished jobs or users' volumes need it.{about}""",
        epilog=f"\b\nExample:\n  {run} remove --diff {example}\n",
    )
    @click.argument("name_", metavar="NAME")
    @diff_option
    @yes_option
    @json_option
    def remove(name_: str, **how: bool) -> None:
        from ..domain.sections import Remove, Section  # noqa: PLC0415
        from . import declaration  # noqa: PLC0415

        declaration.take(Remove(Section(name), name_), **how)

    if name != "limits":

        @group.command(
            help=f"Offer a {noun} to nobody, and keep it.",
            epilog=f"\b\nExample:\n  {run} disable {example}\n",
        )
        @click.argument("name_", metavar="NAME")
        @diff_option
        @yes_option
        @json_option
        def disable(name_: str, **how: bool) -> None:
            from ..domain.sections import Disable, Section  # noqa: PLC0415
            from . import declaration  # noqa: PLC0415

            declaration.take(Disable(Section(name), name_), **how)

    return group


for _name in PARTS:
    administer.add_command(_part(_name))
