"""The form of one entry of the site's declaration, made from the fields of its model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from sciserver_hpc.domain.catalogue import NAMED, Site
from sciserver_hpc.domain.entry_fields import EntryField, Shape, assignments, fields, texts
from sciserver_hpc.domain.sections import PARTS, Disable, Edit, Entry, Put, Remove, Section, entered, key

from .rights import command

FIRST = "first."
"""Before a list's name: which of it comes first."""

WORDS = {
    "qos": "QOS",
    "sha256": "Digest (SHA-256)",
    "interactive": "Takes sessions",
    "batch": "Takes jobs",
    "cpus": "CPUs",
    "memory_mb": "Memory (MB)",
    "time_limit_s": "Time limit",
    "extension_s": "Extension of sessions",
    "gpus": "GPUs",
    "subject.kind": "For",
    "subject.name": "Name",
    "jobs": "Unfinished jobs",
    "kernels": "Jupyter kernels",
    "root_volumes": "Root volumes",
    "data_volumes": "Data volumes",
}
"""A field → its label, where that is not just its name."""

HINTS = {
    "sha256": "Leave it empty to take the file’s own. Given, a file that differs is refused.",
    "path": "As this portal’s host and every node see it.",
    "kernels": "Their names with commas between, as in python3, ir.",
    "apps": "Names with commas between.",
    "extension_s": "By so much a session may be extended in all; Slurm is asked for it from the start.",
    "time_limit_s": "As sbatch writes it: 8:00:00, or 2-00:00:00 for two days.",
    "subject.name": "Of the person or group; nothing for everyone.",
    "memory_mb": "For each node.",
    "partition": "Slurm’s name of it.",
    "name": "Letters, digits, dots, dashes and underscores. It stays as it is.",
    "jobs": "An array counts as many as may run at once.",
    "gpu_hours": "In a calendar month (UTC).",
}
CHOICES = {
    "everyone": "Everyone",
    "portal_group": "A group of the portal",
    "group": "A group of the directory",
    "user": "One person",
    "storage": "Storage: kept",
    "temporary": "Temporary: purged",
}
LEGENDS = {
    "": "What it is",
    "offers": "What it offers",
    "limits": "The most it gives one job",
    "defaults": "What a job gets that asks for nothing",
    "measures": "The most each of them may have",
}
NOTES = {"limits": "Empty means no limit.", "measures": "Empty means no limit of that kind."}


@dataclass
class Form:
    """What stands in it: a text for each field; and what is wrong with it."""

    texts: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    status: int = 200
    saved: bool = False


@dataclass(frozen=True)
class Control:
    """One field as it is shown. options: (value, word) of a choice or list; ordered: its first one counts."""

    field: EntryField
    label: str
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    ordered: bool = False

    @property
    def kind(self) -> str:
        """How the template draws it."""
        if self.field.shape is Shape.LIST and self.options:
            return "boxes"
        return "choice" if self.options else str(self.field.shape)


def groups(section: Section, site: Site, form: Form, clusters: Sequence[str]) -> dict[str, list[Control]]:
    """The controls by the group they stand in, which `LEGENDS` names."""
    found: dict[str, list[Control]] = {}
    for one in fields(PARTS[section].form):
        found.setdefault(_group(section, one), []).append(_control(section, one, site, form, clusters))
    return found


def shown_texts(entry: Entry) -> dict[str, str]:
    """The texts of an entry that is there; an image's digest is asked for anew."""
    return texts(entered(entry))


def fixed(section: Section) -> tuple[str, ...]:
    """Fields that say which entry it is, and do not change."""
    return ("subject.kind", "subject.name", "domain") if section is Section.LIMITS else ("name",)


def given(section: Section, entry: Entry | None, form: MultiDict[str, str], site: Site) -> dict[str, str]:
    """The texts of a form that was sent; of what is fixed, those of `entry`."""
    there = shown_texts(entry) if entry else {}
    found: dict[str, str] = {}
    for one in fields(PARTS[section].form):
        if entry and one.name in fixed(section):
            found[one.name] = there[one.name]
        elif one.shape is Shape.FLAG:
            found[one.name] = "true" if form.get(one.name) == "true" else "false"
        elif one.name in NAMED:
            chosen, first = form.getlist(one.name), form.get(FIRST + one.name, "")
            order = [first, *listed(there.get(one.name, "")), *_names(site, one.name), *chosen]
            found[one.name] = ", ".join(name for name in dict.fromkeys(order) if name in chosen)
        else:
            found[one.name] = form.get(one.name, "")
    return found


def command_of(edit: Edit, before: Entry | None) -> str:
    """The command that does the same on the portal's host."""
    name = edit.name if isinstance(edit, (Remove, Disable)) else key(edit.entry)
    verb = {Put: "set", Remove: "remove", Disable: "disable"}[type(edit)]
    if not isinstance(edit, Put):
        return command("sciserver-hpc", "admin", edit.section, verb, name)
    old = shown_texts(before) if before else blank(edit.section)
    changed = (
        (field, text)
        for field, text in shown_texts(edit.entry).items()
        if field not in fixed(edit.section) and text != old[field]
    )
    return command("sciserver-hpc", "admin", edit.section, verb, name, *assignments(changed))


def blank(section: Section) -> dict[str, str]:
    """The texts of an entry that is not there yet."""
    return {one.name: one.default for one in fields(PARTS[section].form)}


def _group(section: Section, one: EntryField) -> str:
    head, dot, _ = one.name.partition(".")
    if section is Section.LIMITS:
        return "" if one.name in fixed(section) else "measures"
    if one.name in (*NAMED, "interactive", "batch", "kernels", "apps"):
        return "offers"
    return head if dot else ""


def _control(section: Section, one: EntryField, site: Site, form: Form, clusters: Sequence[str]) -> Control:
    short = one.name.rpartition(".")[2]
    label = WORDS.get(one.name) or WORDS.get(short) or _label(short)
    hint = HINTS.get(one.name) or HINTS.get(short, "")
    return Control(
        one, label, hint, tuple(_options(section, one, site, form, clusters)), one.name == "images"
    )


def _options(
    section: Section, one: EntryField, site: Site, form: Form, clusters: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Those there are; what the entry has and is not there too, so that it is kept unless it is taken out."""
    if one.name in NAMED:
        there = _names(site, one.name)
        yield from ((name, name) for name in there)
        gone = [name for name in listed(form.texts.get(one.name, "")) if name not in there]
        yield from ((name, f"{name} (not there)") for name in gone)
    elif one.name == "cluster":
        named = dict.fromkeys([*clusters, form.texts.get(one.name, "default")])
        yield from ((name, name) for name in named)
    elif section is Section.LIMITS and one.name == "domain":
        named = dict.fromkeys([*(domain.name for domain in site.domains), form.texts.get(one.name, "")])
        yield "", "All compute domains together"
        yield from ((name, name) for name in named if name)
    else:
        yield from ((value, CHOICES.get(value, value)) for value in one.choices)


def _names(site: Site, name: str) -> list[str]:
    return [entry.name for entry in getattr(site, name)]


def listed(text: str) -> list[str]:
    """The names in a list's text."""
    return text.replace(",", " ").split()


def _label(name: str) -> str:
    """`gpu_hours` → `GPU hours`."""
    words = re.sub(r"\b(gpu|cpu)(s?)\b", lambda found: found[1].upper() + found[2], name.replace("_", " "))
    return words[:1].upper() + words[1:]
