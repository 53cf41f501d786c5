"""The gate as one text."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from pathlib import Path

from sciserver_hpc import gate
from sciserver_hpc.render.gate import MODULES, program

from .peers import PYTHON

FOLDER = Path(gate.__file__).parent


def test_all_modules_are_in_it() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {*MODULES, "__init__", "port_relay"}


def test_python_of_2020_reads_it() -> None:
    ast.parse(program(), feature_version=(3, 9))


def test_no_two_modules_give_the_same_name() -> None:
    names = Counter(name for module in MODULES for name in given(module))
    assert [name for name, count in names.items() if count > 1] == []


def given(module: str) -> set[str]:
    """The names a module gives in its namespace, but for what it imports."""
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    found = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {
                name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found - {"TYPE_CHECKING"}


def test_nothing_beside_the_standard_library_is_needed(tmp_path: Path) -> None:
    (tmp_path / "gate.py").write_text(program())
    code = f"import runpy, sys; runpy.run_path({str(tmp_path / 'gate.py')!r}); print('site' in sys.modules)"
    argv = [PYTHON, "-I", "-S", "-W", "error", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
