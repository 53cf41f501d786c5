"""What `sciserver-hpc admin` does with one part of the site's declaration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import click

from .. import settings, wiring
from ..clock import SystemClock
from ..domain import declaration
from ..domain.catalogue import ImageDraft
from ..domain.entry_fields import assignments, read, texts
from ..domain.errors import Invalid, NotFound
from ..domain.sections import (
    PARTS,
    Disable,
    Edit,
    Entry,
    Put,
    Remove,
    Section,
    canonical,
    entered,
    entries,
    find,
    identity,
    key,
)
from . import table
from .catalogue import unix_user
from .verb import print_json

if TYPE_CHECKING:
    from ..services.editing import Editing


@contextlib.contextmanager
def editing() -> Iterator[Editing]:
    """Edits by the settings in force."""
    found = settings.load()
    with contextlib.closing(wiring.build_store(found)) as store:
        yield wiring.build_editing(found, store, SystemClock())


def export() -> str:
    """The declaration as a file."""
    with editing() as edits:
        return declaration.written(edits.site())


def show_all(section: Section, *, as_json: bool) -> None:
    """Print each entry on a line, what is not empty of it; or all as JSON."""
    with editing() as edits:
        found = entries(edits.site(), section)
    if as_json:
        print_json(list(found))
    else:
        table.show(("NAME", "FIELDS"), [(key(one), _line(one)) for one in found])


def show(section: Section, name: str, *, as_json: bool) -> None:
    """Print one entry, a field a line. Raises NotFound."""
    with editing() as edits:
        found = find(edits.site(), section, name)
    if as_json:
        print_json(found)
    else:
        table.pairs(texts(found).items())


def put(section: Section, name: str, fields: Sequence[str], *, diff: bool, yes: bool, as_json: bool) -> None:
    """Add or change an entry. Raises Invalid, click.Abort."""
    with editing() as edits:
        try:
            entry = _entered(edits, section, name, dict(map(_assignment, fields)))
        except Invalid as error:  # named as it is written
            raise Invalid({f"{field}=": text for field, text in error.problems.items()}) from error
        _make(edits, Put(entry), diff=diff, yes=yes, as_json=as_json)


def take(edit: Remove | Disable, *, diff: bool, yes: bool, as_json: bool) -> None:
    """Remove or disable an entry. Raises NotFound, Refused, click.Abort."""
    with editing() as edits:
        _make(edits, edit, diff=diff, yes=yes, as_json=as_json)


def _make(edits: Editing, edit: Edit, *, diff: bool, yes: bool, as_json: bool) -> None:
    """Show what it changes; ask, unless `yes`; change it, unless `diff`."""
    edits.allow(edit)
    proposal = edits.propose(edit)
    for note in proposal.notes:
        click.echo(f"warning: {table.clean(note)}.", err=True)
    if as_json:
        print_json(list(proposal.differences))
    else:
        text = "\n".join(map(str, proposal.differences)) or "No difference."
        click.echo("\n".join(map(table.clean, text.splitlines())))
    if not proposal.differences or diff:
        return
    if not yes:
        number = len(proposal.differences)
        many = f"these {number} changes" if number > 1 else "this change"
        click.confirm(f"Make {many}? (--yes does not ask)", abort=True, err=True)
    edits.save(edit, unix_user(), proposal.mark)
    click.echo("Saved.", err=as_json)


def _entered(edits: Editing, section: Section, name: str, given: dict[str, str]) -> Entry:
    try:
        before = texts(entered(find(edits.site(), section, name)))
    except NotFound:
        before = _identity(section, name)
    made = read(PARTS[section].form, {**before, **given})
    entry = cast(Entry, edits.entered(made) if isinstance(made, ImageDraft) else made)
    if key(entry) != canonical(section, name):
        raise Invalid({"name": f"is not changed; set {key(entry)} and remove {name}."})
    return entry


def _identity(section: Section, name: str) -> dict[str, str]:
    """The fields that a name stands for."""
    found = identity(section, name)
    if section is not Section.LIMITS:
        return {"name": name}
    subject = {f"subject.{field}": str(value) for field, value in found["subject"].items()}
    return {**subject, "domain": found["domain"] or ""}


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Invalid({text: "write FIELD=VALUE."})
    return name, value


def _line(entry: Entry) -> str:
    named = {"name", "domain", "subject.kind", "subject.name"}
    return " ".join(assignments((n, text) for n, text in texts(entry).items() if text and n not in named))
