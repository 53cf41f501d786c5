"""How a benchmark tells what it measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One number with its goal; `better`: higher or lower; `raw`: the measurements behind it."""

    name: str
    value: float
    unit: str
    goal: float
    better: str
    raw: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """One JSON object on one line, with the commit it was measured on."""
        shown = {key: value for key, value in asdict(self).items() if key != "raw"}
        return json.dumps(shown | {"raw": self.raw, "commit": commit()})


def commit() -> str:
    """The short id of HEAD; `unknown` outside a checkout."""
    here = Path(__file__).parent
    argv = ["git", "-c", "safe.directory=*", "-C", str(here), "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    return answer.stdout.strip() or "unknown"


def tell(*figures: Figure) -> None:
    """Print the figures as the last lines."""
    for figure in figures:
        print(figure.line(), flush=True)
