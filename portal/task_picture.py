"""All tasks of an array as one small picture: a mark for each, row by row, in the order of their indices.

A state is told by colour and by the mark's height, so that it can be told without colour too. Marks of one
tone are one path: ten thousand tasks make some kilobytes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sciserver_hpc.domain.states import JobState

from .states import LOOKS, Look

_WIDE = 1200
"""Pixels that the picture may have where there is room."""

_LARGEST = 20
_ROOMY = 40
"""Marks a row from which no gap stands between them: they are a few pixels wide."""


@dataclass(frozen=True)
class Picture:
    """`columns` × `rows` marks; `paths`: by tone what SVG draws; `legend`: how many tasks look how."""

    columns: int
    rows: int
    width: int
    paths: Mapping[str, str]
    legend: Sequence[tuple[JobState, Look, int]]
    text: str


def picture(standing: Mapping[int, JobState]) -> Picture:
    """Of the states of all tasks, by index."""
    states = list(standing.values())
    columns = max(1, min(len(states), max(25, math.ceil(math.sqrt(4 * len(states))))))
    counts = Counter(states)
    legend = [(state, LOOKS[state], counts[state]) for state in JobState if counts[state]]
    told = ", ".join(f"{count} {look.word.lower()}" for _, look, count in legend)
    return Picture(
        columns=columns,
        rows=math.ceil(len(states) / columns),
        width=columns * max(6, min(_LARGEST, _WIDE // columns)),
        paths=_paths([LOOKS[state].tone for state in states], columns),
        legend=legend,
        text=f"{len(states)} tasks: {told}",
    )


def _paths(tones: Sequence[str], columns: int) -> dict[str, str]:
    """Neighbours that look alike are one line, where no gap stands between marks."""
    paths: dict[str, list[str]] = defaultdict(list)
    length = 1 if columns <= _ROOMY else columns
    start = 0
    while start < len(tones):
        row, column = divmod(start, columns)
        end = start + 1
        most = min(len(tones), start + length, (row + 1) * columns)
        while end < most and tones[end] == tones[start]:
            end += 1
        drawn = f"{end - start}" if length > 1 else ".85"
        paths[tones[start]].append(f"M{column} {row}.5h{drawn}")
        start = end
    return {tone: "".join(drawn) for tone, drawn in paths.items()}
