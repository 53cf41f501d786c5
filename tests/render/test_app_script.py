"""A session's start script: bash gets each value exactly, and no value is ever code."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciserver_hpc.render.app_script import VARIABLES, app_script

from .test_golden import check

AROUND = {
    "app_socket": "/home/idies/.session/use.sock",
    "app_secret_file": "/home/idies/.session/secret",
    "app_origin": "https://0f.sessions.example.org",
    "app_folder": "/home/idies/.session",
}


def printed(script: str) -> list[str]:
    """The words a script prints, each ended by NUL."""
    done = subprocess.run(["/bin/bash"], input=script.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


def test_rendered_as_recorded() -> None:
    values = {
        "command": "echo 'it''s' \"$(id)\" `id`\n",
        "cpus": 2,
        "share": 0.5,
        "dark": True,
        "light": False,
    }
    check("app", app_script('exec serve --at "$app_socket"\n', values, AROUND))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
HOSTILE = st.sampled_from(
    ["'", '"', "a\nb", "\n", "\r\n", "$(id)", "`id`", "\\", "é☀", "!!", "~", "'; id; '"]
)


@settings(max_examples=60, deadline=None)
@given(TEXT | HOSTILE | st.tuples(TEXT, HOSTILE, TEXT).map("".join), TEXT)
def test_bash_prints_back_any_text(value: str, folder: str) -> None:
    text = 'printf "%s\\0" "$value_text" "$app_folder"'
    assert printed(app_script(text, {"text": value}, {"app_folder": folder})) == [value, folder]


def test_a_field_that_is_not_shown_has_no_variable_and_a_variable_not_given_is_empty() -> None:
    text = 'printf "%s\\0" "${value_gone-none}" "${app_port-none}"'
    assert printed(app_script(text, {}, {})) == ["none", ""]


def test_a_value_cannot_be_changed_by_the_scripts_text() -> None:
    done = subprocess.run(
        ["/bin/bash"],
        input=app_script("value_n=2", {"n": 1}, {}),
        text=True,
        capture_output=True,
        check=False,
    )
    assert "readonly variable" in done.stderr


def test_only_the_fixed_variables_are_taken() -> None:
    with pytest.raises(ValueError, match="PATH"):
        app_script("true", {}, {"PATH": "/evil"})
    assert len(VARIABLES) == len(set(VARIABLES))
