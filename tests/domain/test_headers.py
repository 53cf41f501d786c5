"""Header lines of scripts."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain import headers
from sciserver_hpc.domain.errors import Invalid


def test_lines_are_read_up_to_the_first_command() -> None:
    script = """#!/bin/bash
# a comment
#SBATCH --job-name=fit -t 10 # ten minutes
#SBATCH --mem 4G -c4

#SCISERVER --image python --volume sdss --volume "Storage/alice/x:rw"
#SBATCH\t--gres=gpu:2
##SBATCH --nodes=7
 #SBATCH --nodes=8
#SBATCHES
echo start
#SBATCH --qos=late
"""
    found = headers.read(script)
    assert found.values == {
        "job-name": ("fit",),
        "time": ("10",),
        "mem": ("4G",),
        "cpus-per-task": ("4",),
        "image": ("python",),
        "volume": ("sdss", "Storage/alice/x:rw"),
        "gres": ("gpu:2",),
    }
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("--uid=root", "jobs run as you"),
        ("--gid 0", "jobs run as you"),
        ("-w n1", "choose a --domain"),
        ("--nodelist=n1", "choose a --domain"),
        ("--reservation=exam", "choose a --domain"),
        ("--wckey=other", "choose a --domain"),
        ("-G 2", "--gres=gpu:N"),
        ("--mem-per-cpu=1G", "--mem"),
        ("--wrap=true", "command line"),
        ("--nonsense", "supported are --job-name"),
        ("-Z", "supported are --job-name"),
        ("word", "no option"),
        ("-J", "needs a value"),
        ("--job-name", "needs a value"),
        ("-J 'open", "No closing quotation"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_line(line: str, remedy: str) -> None:
    with pytest.raises(Invalid) as invalid:
        headers.read(f"#!/bin/sh\n#SBATCH {line}\ntrue\n")
    assert list(invalid.value.problems) == ["line 2"]
    assert remedy in invalid.value.problems["line 2"]


def test_every_bad_line_is_told_at_once() -> None:
    with pytest.raises(Invalid) as invalid:
        headers.read("#!/bin/sh\n#SBATCH --uid=0\n#SBATCH -t 1\n#SBATCH --hold\n")
    assert list(invalid.value.problems) == ["line 2", "line 4"]


def test_what_has_no_meaning_here_is_a_warning() -> None:
    found = headers.read("#!/bin/sh\n#SBATCH --mail-type=END --mail-user me@example.org -t 5\n")
    assert found.values == {"time": ("5",)}
    assert found.warnings == (
        "line 2: --mail-type has no meaning here and is left out.",
        "line 2: --mail-user has no meaning here and is left out.",
    )


def test_dos_line_ends_are_refused_with_a_remedy() -> None:
    with pytest.raises(Invalid, match="dos2unix"):
        headers.read("#!/bin/bash\r\n#SBATCH -t 1\r\n")


@given(
    st.dictionaries(
        st.sampled_from([option for option in headers.OPTIONS if not option.flag]),
        st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1),
    ),
    st.booleans(),
)
def test_quoted_values_come_back_whole(wanted: dict[headers.Option, str], short: bool) -> None:
    words = [
        shlex.quote(f"-{option.short}{value}" if short and option.short else f"--{option.name}={value}")
        for option, value in wanted.items()
    ]
    found = headers.read("#!/bin/sh\n#SBATCH " + " ".join(words) + "\n")
    assert found.values == {option.name: (value,) for option, value in wanted.items()}


@given(st.text())
def test_any_script_is_read_or_refused(text: str) -> None:
    try:
        headers.read(f"#SBATCH {text}")
    except Invalid as invalid:
        assert all(invalid.problems.values())
