"""`#SBATCH` and `#SCISERVER` lines of a script, read as sbatch reads them: up to the first command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import Invalid


@dataclass(frozen=True)
class Option:
    """An option a header line may carry, by its long name (without dashes)."""

    name: str
    short: str = ""
    flag: bool = False
    """True when it takes no value."""


OPTIONS = (
    Option("job-name", "J"),
    Option("partition", "p"),
    Option("account", "A"),
    Option("qos", "q"),
    Option("time", "t"),
    Option("cpus-per-task", "c"),
    Option("ntasks", "n"),
    Option("nodes", "N"),
    Option("mem"),
    Option("gres"),
    Option("output", "o"),
    Option("error", "e"),
    Option("chdir", "D"),
    Option("dependency", "d"),
    Option("array", "a"),
    Option("wait", "W", flag=True),
    Option("parsable", flag=True),
    Option("test-only", flag=True),
    Option("domain"),
    Option("image"),
    Option("volume"),
    Option("param"),
    Option("results"),
)

_IGNORED = (
    Option("mail-type"),
    Option("mail-user"),
    Option("comment"),
    Option("export"),
    Option("get-user-env", flag=True),
    Option("open-mode"),
    Option("nice", flag=True),
    Option("hint"),
    Option("mem-bind"),
    Option("requeue", flag=True),
    Option("no-requeue", flag=True),
    Option("signal"),
    Option("kill-on-invalid-dep"),
    Option("quiet", "Q", flag=True),
    Option("verbose", "v", flag=True),
)
"""They change nothing that matters here: said in a warning, then left out."""

_DOMAIN_DECIDES = "it is decided by the compute domain; remove the line and choose a --domain"
_REFUSED = (
    (Option("uid"), "jobs run as you; remove the line"),
    (Option("gid"), "jobs run as you; remove the line"),
    (Option("nodelist", "w"), _DOMAIN_DECIDES),
    (Option("nodefile", "F"), _DOMAIN_DECIDES),
    (Option("exclude", "x"), _DOMAIN_DECIDES),
    (Option("constraint", "C"), _DOMAIN_DECIDES),
    (Option("prefer"), _DOMAIN_DECIDES),
    (Option("reservation"), _DOMAIN_DECIDES),
    (Option("clusters", "M"), _DOMAIN_DECIDES),
    (Option("licenses", "L"), _DOMAIN_DECIDES),
    (Option("wckey"), _DOMAIN_DECIDES),
    (Option("priority"), _DOMAIN_DECIDES),
    (Option("exclusive", flag=True), "ask for --nodes, --cpus-per-task and --mem instead"),
    (Option("oversubscribe", "s", flag=True), _DOMAIN_DECIDES),
    (Option("gpus", "G"), "ask for GPUs per node with --gres=gpu:N"),
    (Option("gpus-per-node"), "ask for GPUs per node with --gres=gpu:N"),
    (Option("mem-per-cpu"), "ask for memory per node with --mem"),
    (Option("mem-per-gpu"), "ask for memory per node with --mem"),
    (Option("ntasks-per-node"), "ask for --ntasks and --nodes"),
    (Option("begin", "b"), "submit the job when it may start, or after another job with --dependency"),
    (Option("hold", "H", flag=True), "submit the job when it may start"),
    (Option("input", "i"), "redirect in the script: command < file"),
    (Option("container"), "choose an --image"),
    (Option("wrap"), "it belongs on the command line"),
)

_KNOWN = {o.name: o for o in (*OPTIONS, *_IGNORED, *(option for option, _ in _REFUSED))}
_SHORT = {o.short: o for o in _KNOWN.values() if o.short}
_REMEDY = {option.name: remedy for option, remedy in _REFUSED}
_USELESS = {option.name for option in _IGNORED}
_HEADER = re.compile(r"#(?:SBATCH|SCISERVER)(?:\s+(.*))?\Z")


@dataclass(frozen=True)
class Headers:
    """`values`: long option name → its values in order (a flag's is empty); `warnings`: what was left
    out."""

    values: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...]


def read(script: str) -> Headers:
    """Return the options written in `script`.

    Raises Invalid, with one problem per line (`line 3`), for DOS line ends, words that are no option, options
    nobody knows and those that would run the job elsewhere or as somebody else.
    """
    if "\r\n" in script:
        raise Invalid({"script": "it has DOS line ends, which the shell cannot read; run dos2unix on it"})
    values: dict[str, tuple[str, ...]] = {}
    warnings: list[str] = []
    problems: dict[str, str] = {}
    for number, text in _lines(script):
        try:
            found = list(_options(shlex.split(text, comments=True)))
        except ValueError as error:
            problems[f"line {number}"] = f"{error}."
            continue
        for option, value in found:
            if option.name in _USELESS:
                warnings.append(f"line {number}: --{option.name} has no meaning here and is left out.")
            else:
                values[option.name] = (*values.get(option.name, ()), value)
    if problems:
        raise Invalid(problems)
    return Headers(values, tuple(warnings))


def _lines(script: str) -> Iterator[tuple[int, str]]:
    """Number and text after the mark of every header line before the first command."""
    for number, line in enumerate(script.split("\n"), start=1):
        if header := _HEADER.match(line):
            yield number, header[1] or ""
        elif line.strip() and not line.lstrip().startswith("#"):
            return


def _options(words: list[str]) -> Iterator[tuple[Option, str]]:
    """Read `words` as getopt_long(3) does: `--name=value`, `--name value`, `-nvalue`, `-n value`."""
    rest = iter(words)
    for word in rest:
        option, value = _option(word)
        if option.name in _REMEDY:
            raise ValueError(f"--{option.name} cannot be used here: {_REMEDY[option.name]}")
        if not option.flag and value is None:
            value = next(rest, None)
            if value is None:
                raise ValueError(f"{word} needs a value")
        yield option, value or ""


def _option(word: str) -> tuple[Option, str | None]:
    """The option `word` begins, and the value inside it."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name in _KNOWN:
            return _KNOWN[name], value if equals else None
    elif word.startswith("-") and word[1:2] in _SHORT:
        return _SHORT[word[1]], word[2:] or None
    elif not word.startswith("-"):
        raise ValueError(f"{word[:50]!r} is no option; quote values that hold spaces")
    supported = ", ".join(f"--{option.name}" for option in OPTIONS)
    raise ValueError(f"{word[:50]!r} is not known; supported are {supported}")
