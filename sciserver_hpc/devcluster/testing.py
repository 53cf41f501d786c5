"""`./dev test`: what CI checks, in the order of what it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from . import cluster, commands, demo, images
from .errors import Failed
from .mounts import CHECKOUT
from .namespace import Command, Namespace
from .state import State

TOOLS = Path(sys.executable).parent
_NOTHING = 5
"""pytest's code when no test was selected."""

SHELL_SCRIPTS = ("dev", ".ci/run")

GROUPS = (("tests", "--ignore=tests/cluster/sessions"), ("tests/cluster/sessions",))
"""Of tests on a cluster: each runs on one of its own, beside the other."""

LINT: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "--quiet"),
    ("ruff", "format", "--check", "--quiet"),
    ("mypy",),
    ("lint-imports", "--no-cache"),
)


def lint() -> int:
    """Every linter; 0 when all are content."""
    failed = [" ".join(argv) for argv in LINT if _call([str(TOOLS / argv[0]), *argv[1:]])]
    if _shellcheck():
        failed.append("shellcheck")
    for one in failed:
        click.echo(f"dev: not content: {one}", err=True)
    return 1 if failed else 0


def _shellcheck() -> int:
    """shellcheck(1), where it is installed: `./dev test` installs it, an ordinary user may not."""
    try:
        return _call(["shellcheck", *SHELL_SCRIPTS])
    except FileNotFoundError:
        click.echo("dev: shell scripts are not checked: shellcheck is not installed")
        return 0


def run(quick: bool, paths: Sequence[str]) -> int:
    """Lint and unit tests, and (unless `quick`) the tests on clusters; `paths`: only these tests.

    Beside each other: tests on a cluster mostly wait. SIGTERM ends them, and the clusters, in order.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    code = 0
    if not paths:
        with _timed("lint"):
            code = lint()
    unit_tests = _pytest("not cluster", paths, "--numprocesses=2")
    if quick:
        with _timed("unit tests"):
            unit, words = _tell(unit_tests)
    else:
        with _Aside("unit tests", ["nice", *unit_tests]) as aside:
            cluster_tests, words = _on_clusters([paths] if paths else GROUPS)
        unit, unit_words = aside.tell()
        code, words = code | cluster_tests, f"unit tests: {unit_words}\n{words}"
    click.echo(words)
    return code | unit


class _Aside:
    """A command that runs beside a block, and whose output is shown after it; ended with the block where that
    fails."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._argv = argv
        self._env = os.environ | dict(env or {})
        self._output = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115 - closed by tell

    def __enter__(self) -> _Aside:
        click.echo(f"dev: {self._name} beside the others …")
        self._process = subprocess.Popen(
            self._argv, cwd=CHECKOUT, env=self._env,
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.terminate()
            self._process.wait()

    def tell(self) -> tuple[int, str]:
        """See `_tell`."""
        code = self._process.wait()
        with self._output as output:
            output.seek(0)
            return _judged(code), _shown(output)


def _on_clusters(groups: Sequence[Sequence[str]]) -> tuple[int, str]:
    """The tests marked `cluster`, each group inside a cluster of its own, new each time, which stops
    afterwards: pytest's code, and a line for each group."""
    root = os.environ.get("SCISERVER_DEV_STATE", "/var/lib/sciserver-hpc-dev")
    states = [State(Path(f"{root}-test{number or ''}")) for number in range(len(groups))]
    with ExitStack() as stack:
        for state in states:
            stack.callback(cluster.down, state, _silent)
        with _timed("test clusters up"):
            images.ensure(images.buildable())
            for state in states:
                cluster.clean(state, _silent)  # a database of another version's tables would fail tests
                demo.bring_up(state)
        with _timed("cluster tests"):
            return _beside_each_other([_inside(*pair) for pair in zip(states, groups, strict=True)])


_Run = tuple[list[str], dict[str, str]]
"""Words and environment of a command."""


def _inside(state: State, paths: Sequence[str]) -> _Run:
    env = commands.environment(state) | {
        "SCISERVER_DEV_STATE": str(state.root),
        "HOME": "/root",
        "PATH": f"{state.root / 'bin'}:{TOOLS}:{os.environ['PATH']}",
    }
    return Namespace(state).argv(Command(_pytest("cluster", paths), directory=str(CHECKOUT))), env


def _beside_each_other(runs: Sequence[_Run]) -> tuple[int, str]:
    """The first one's output as it comes, the others' when it is over."""
    (first, env), *others = runs
    with ExitStack() as stack:
        asides = [stack.enter_context(_Aside("more cluster tests", *run)) for run in others]
        told = [_tell(first, env)]
    told += [aside.tell() for aside in asides]
    return max(code for code, _ in told), "\n".join(f"cluster tests: {words}" for _, words in told)


def _pytest(marker: str, paths: Sequence[str], *options: str) -> list[str]:
    argv = ["-q", "-p", "no:cacheprovider", "--durations=25", "-m", marker, *options, *paths]
    return [sys.executable, "-m", "pytest", *argv]


def _tell(argv: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run pytest with its output shown; return its code and its last line."""
    with subprocess.Popen(
        argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace",
        env=os.environ | dict(env or {}),
    ) as pytest:  # fmt: skip
        try:
            last = _shown(pytest.stdout or ())
        except BaseException:
            pytest.terminate()
            raise
    return _judged(pytest.returncode), last


def _shown(lines: Iterable[str]) -> str:
    """Show them as they come; return the last one."""
    last = ""
    for line in lines:
        click.echo(line, nl=False)
        last = line.strip() or last
    return last


def _judged(code: int) -> int:
    """That no test was selected is fine: PATHS may hold tests of one kind only."""
    return 0 if code == _NOTHING else code


def _call(argv: Sequence[str]) -> int:
    return subprocess.call(argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL)


def _silent(line: str) -> None:
    """Say nothing."""


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    begin = time.monotonic()
    click.echo(f"dev: {stage} …")
    try:
        yield
    except Failed:
        click.echo(f"dev: {stage} failed after {time.monotonic() - begin:.0f} s")
        raise
    click.echo(f"dev: {stage}: {time.monotonic() - begin:.0f} s")
