"""Apps as data: what a definition may say, and what a form's values become."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sciserver_hpc.domain import app_resources
from sciserver_hpc.domain.app_patterns import check_pattern
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.resources import Limits, Resources


def app(*form: dict[str, Any], **more: Any) -> App:
    """An app with these fields; a field without a label is called by its name."""
    fields = [{"label": field["name"], **field} for field in form]
    whole = {"name": "app", "version": "1", "title": "App", "tested": True, "start": "true", "form": fields}
    return App.model_validate(whole | more)


def wrong(*form: dict[str, Any], **more: Any) -> str:
    """What is wrong with the definition."""
    with pytest.raises(ValidationError) as caught:
        app(*form, **more)
    return "; ".join(problems(caught.value).values())


def refused(one: App, **values: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        one.check(values)
    return caught.value.problems


TEXT = {"name": "text", "type": "text"}
NUMBER = {"name": "number", "type": "number", "default": 2, "min": 1, "max": 9}
SELECT = {"name": "size", "type": "select", "required": True, "options": [{"value": "s"}, {"value": "l"}]}
TICK = {"name": "tick", "type": "checkbox"}
VOLUME = {"name": "volume", "type": "volume"}
PATH = {"name": "path", "type": "path"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


# values -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "given", "becomes"),
    [
        (TEXT, "é ☀ 'x' $(id)", "é ☀ 'x' $(id)"),
        (TEXT, None, ""),
        (TEXT, "", ""),
        (TEXT | {"default": "d"}, None, "d"),
        (TEXT | {"default": "d"}, "", ""),
        (TEXT | {"pattern": "[a-z]+", "default": "abc"}, "x", "x"),
        (NUMBER, 3, 3),
        (NUMBER, "3", 3),
        (NUMBER, 3.0, 3),
        (NUMBER, "", 2),
        (NUMBER | {"step": 0.1, "default": 1.1}, 1.3, 1.3),
        (NUMBER | {"step": 0.5, "default": 1}, "1.5", 1.5),
        (SELECT, "l", "l"),
        (SELECT | {"required": False, "default": "s"}, None, "s"),
        (SELECT | {"options": [{"value": ""}, {"value": "x"}]}, "", ""),
        (TICK, True, True),
        (TICK, "true", True),
        (TICK, "false", False),
        (TICK, None, False),
        (TICK | {"default": True}, None, True),
        (VOLUME, "Storage/alice/persistent", "Storage/alice/persistent"),
        (VOLUME, "sdss", "sdss"),
        (VOLUME, "", ""),
        (PATH, "Storage/alice/x.py", "/home/idies/workspace/Storage/alice/x.py"),
        (PATH, "/home/idies/workspace/a//b/", "/home/idies/workspace/a/b"),
        (PATH, "/home/idies/workspace", "/home/idies/workspace"),
        (PATH, "", ""),
    ],
)
def test_a_value_gets_its_fields_type(field: dict[str, Any], given: Any, becomes: Any) -> None:
    one = app(field)
    (cleaned,) = one.check({field["name"]: given}).values()
    assert (cleaned, type(cleaned)) == (becomes, type(becomes))
    if given is None:
        assert one.check({}) == {field["name"]: becomes}


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        (TEXT, 1, "must be text"),
        (TEXT, "a\nb", "not printable"),
        (TEXT, "a\x1bb", "not printable"),
        (TEXT | {"max_length": 3}, "four", "more than 3 characters"),
        (TEXT | {"required": True}, "", "is required"),
        (TEXT | {"required": True}, None, "is required"),
        (TEXT | {"pattern": "[a-z]+"}, "ab1", "must match"),
        (TEXT | {"pattern": "[a-z]+"}, "ab\n", "not printable"),
        (NUMBER, 0, "at least 1"),
        (NUMBER, 10, "at most 9"),
        (NUMBER, 1.5, "whole number"),
        (NUMBER, "two", "must be a number"),
        (NUMBER, "٣", "must be a number"),
        (NUMBER, True, "must be a number"),
        (NUMBER, math.nan, "must be a number"),
        (NUMBER, math.inf, "must be a number"),
        (NUMBER, 10**400, "at most 9"),
        (NUMBER, [1], "must be a number"),
        (NUMBER | {"step": 2, "default": 3}, 4, "steps of 2"),
        ({"name": "n", "type": "number", "required": True}, None, "is required"),
        (SELECT, "m", "must be one of: s, l"),
        (SELECT, None, "is required"),
        (SELECT, ["s"], "must be one of"),
        (TICK, "on", "true or false"),
        (TICK, 1, "true or false"),
        (TICK | {"required": True}, False, "must be ticked"),
        (TICK | {"required": True}, None, "must be ticked"),
        (VOLUME, "../etc", "data volume's name"),
        (VOLUME | {"required": True}, "", "is required"),
        (PATH, "/etc/passwd", "must be inside"),
        (PATH, "/home/idies/workspaces", "must be inside"),
        (PATH, "a/../../..", "must not hold"),
        (PATH, "a\0b", "not printable"),
    ],
)
def test_a_wrong_value_is_told(field: dict[str, Any], given: Any, words: str) -> None:
    (sentence,) = refused(app(field), **{field["name"]: given}).values()
    assert words in sentence


def test_every_wrong_field_is_told_at_once() -> None:
    found = refused(app(TEXT, NUMBER, SELECT), text=1, number=99, other="x")
    assert list(found) == ["values.other", "values.text", "values.number", "values.size"]
    assert "check its spelling" in found["values.other"]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["text", "number", "size", "tick", "volume", "path"]), JSON))
def test_anything_is_taken_or_refused_and_what_is_taken_stays(values: dict[str, Any]) -> None:
    one = app(TEXT, NUMBER, SELECT, TICK, VOLUME, PATH)
    try:
        cleaned = one.check(values)
    except Invalid as error:
        assert all(field.startswith("values.") for field in error.problems)
    else:
        assert list(cleaned) == [field.name for field in one.form]
        assert one.check(dict(cleaned)) == cleaned


@given(
    st.integers(-(10**6), 10**6),
    st.integers(1, 1000) | st.sampled_from([0.1, 0.25, 1e-6]),
    st.integers(0, 10**6),
)
def test_a_number_on_its_steps_is_taken(least: int, step: float, times: int) -> None:
    one = app({"name": "n", "type": "number", "min": least, "step": step, "default": least})
    # what a person types: the decimal number, not the sum of two binary ones
    number = round(least + step * times, 6)
    assert one.check({"n": number}) == {"n": number}


# fields that hang on others ---------------------------------------------------------------------------
SHOWN = NUMBER | {"show_when": {"field": "size", "in": ["l"]}}


def test_a_field_that_is_not_shown_is_not_looked_at() -> None:
    one = app(SELECT, SHOWN, TEXT | {"required": True, "show_when": {"field": "number", "in": [3]}})
    assert one.check({"size": "s", "number": "nonsense", "text": 5}) == {"size": "s"}
    assert one.check({"size": "l"}) == {"size": "l", "number": 2}
    assert list(refused(one, size="l", number=3)) == ["values.text"]


def test_a_maximum_that_hangs_on_another_field() -> None:
    one = app(SELECT, NUMBER | {"default": 8, "max_when": [{"field": "size", "in": ["s"], "max": 4}]})
    assert one.check({"size": "s"}) == {"size": "s", "number": 4}
    assert one.check({"size": "l"}) == {"size": "l", "number": 8}
    assert refused(one, size="s", number=5) == {"values.number": "must be at most 4."}


def test_true_and_one_are_two_values() -> None:
    one = app(NUMBER, TEXT | {"show_when": {"field": "number", "in": [1]}})
    assert "text" in one.check({"number": 1})
    assert "True is no value" in wrong(NUMBER, TEXT | {"show_when": {"field": "number", "in": [True]}})


# definitions ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("form", "words"),
    [
        ([TEXT, TEXT], "text is there twice"),
        ([TEXT | {"show_when": {"field": "gone", "in": ["x"]}}], "no field before it"),
        ([SHOWN, SELECT], "no field before it"),
        ([TEXT | {"show_when": {"field": "text", "in": ["x"]}}], "no field before it"),
        ([SELECT, TEXT | {"show_when": {"field": "size", "in": ["m"]}}], "'m' is no value of size"),
        ([SELECT | {"default": "m"}], "its default must be one of"),
        ([SELECT | {"default": ""}], "default is empty"),
        ([NUMBER | {"default": 99}], "its default must be at most 9"),
        ([NUMBER | {"default": "x"}], "its default must be a number"),
        ([{"name": "n", "type": "number"}], "is required or has a default"),
        (
            [NUMBER, NUMBER | {"name": "b", "max_when": [{"field": "number", "in": [1], "max": 0}]}],
            "max_when",
        ),
        ([{"name": "s", "type": "select", "required": True}], "needs options"),
        ([TEXT | {"options": [{"value": "a"}]}], "takes no options"),
        ([TEXT | {"min": 1, "step": 2}], "takes no min, step"),
        ([SELECT | {"options": [{"value": "a"}, {"value": "a"}]}], "there twice"),
        ([SELECT | {"sets": "cpus"}], "whole numbers"),
        ([{"name": "n", "type": "number", "default": 1, "sets": "cpus"}], "whole numbers"),
        ([TEXT | {"sets": "cpus"}], "takes no sets"),
        ([TEXT | {"pattern": "("}], "does not compile"),
        ([TEXT | {"pattern": "(a+)+"}], "repeat"),
        ([TEXT | {"pattern": "a", "max_length": 1000}], "max_length"),
        ([TEXT | {"name": "Text"}], ""),
        ([TEXT | {"name": "a" * 33}], ""),
        ([TEXT | {"colour": "red"}], "no known field"),
    ],
)
def test_a_definition_that_makes_no_sense(form: list[dict[str, Any]], words: str) -> None:
    assert words in wrong(*form)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"listens": "port"}, "`port` belongs"),
        ({"port": 8080}, "`port` belongs"),
        ({"inject": [["Host", "x"]]}, "not for an app"),
        ({"inject": [["X-Sciserver-Mode", "use"]]}, "not for an app"),
        ({"inject": [["Authorization", "token {secret} {other}"]]}, "no other braces"),
        ({"inject": [["Authorization", "a\nb"]]}, "pattern"),
        ({"open": "//evil.example"}, "pattern"),
        ({"open": "https://evil.example"}, "pattern"),
        ({"open": "/\\evil.example"}, "pattern"),
        ({"start": ""}, "is empty"),
        ({"start": "a\0b"}, "NUL"),
        ({"resources": {"cpus": {"min": 3, "max": 2}}}, "in this order"),
    ],
)
def test_an_app_that_makes_no_sense(more: dict[str, Any], words: str) -> None:
    assert words in wrong(**more)


def test_the_secret_stands_in_the_headers_alone() -> None:
    one = app(inject=[["Authorization", "token {secret}"]])
    assert one.headers("s3cret") == [("Authorization", "token s3cret")]


# patterns -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|aa)+", "(a?){30}", "((a)*)*", r"(\w+\s?)+x", "(?:a*)*", "((a|b)c)+", "([a)]+)+"]
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="for ever"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "(?P<x>a)", "(?i)a", "a*b*c*d*", "["])
def test_what_a_pattern_may_not_hold(pattern: str) -> None:
    with pytest.raises(ValueError):
        check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", [r"[0-9]+x[0-9]+", r"(ab)+", r"[^]+*|]+", r"\(+", r"(?:x|y)?z", r"a{2,3}"]
)
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", [".*.*.*x", "(ab)*a*b*x", "[a-z]+[a-z]+[a-z]+x"])
def test_the_slowest_pattern_is_quick(pattern: str) -> None:
    one = app(TEXT | {"pattern": pattern})
    began = time.process_time()
    refused(one, text="ab" * 100)
    assert time.process_time() - began < 2


# resources ------------------------------------------------------------------------------------------
def test_fields_and_options_set_resources() -> None:
    one = app(
        {
            "name": "hours",
            "type": "number",
            "min": 0.5,
            "step": 0.5,
            "default": 1,
            "sets": "time_limit_s",
            "times": 3600,
        },
        {
            "name": "cpus",
            "type": "select",
            "default": "2",
            "options": [{"value": "2"}, {"value": "4"}],
            "sets": "cpus",
        },
        SELECT | {"options": [{"value": "s"}, {"value": "l", "set": {"memory_mb": 4096, "cpus": 8}}]},
    )
    assert one.resources_of(one.check({"size": "s", "hours": 1.5})) == {"time_limit_s": 5400, "cpus": 2}
    assert one.resources_of(one.check({"size": "l"})) == {"time_limit_s": 3600, "cpus": 8, "memory_mb": 4096}
    assert one.resources_of({}) == {}


def test_an_option_beyond_the_apps_own_bounds_is_a_slip() -> None:
    field = SELECT | {"options": [{"value": "s"}, {"value": "l", "set": {"cpus": 8}}]}
    assert "option l sets cpus" in wrong(field, resources={"cpus": {"max": 4}})


def test_volumes_that_values_name() -> None:
    one = app(VOLUME, TEXT)
    assert one.volumes_of(one.check({"volume": "sdss", "text": "x"})) == {"volume": "sdss"}
    assert one.volumes_of(one.check({})) == {}


BOUNDS = st.none() | st.integers(0, 64)


@given(BOUNDS, BOUNDS, BOUNDS, st.integers(1, 64), st.integers(1, 64))
def test_no_app_offers_more_than_its_domain(
    least: int | None, usual: int | None, most: int | None, limit: int, default: int
) -> None:
    there = sorted(one for one in (least, usual, most) if one is not None)
    numbers = iter(there)
    least, usual, most = (None if one is None else next(numbers) for one in (least, usual, most))
    one = app(resources={"cpus": {"min": least, "default": usual, "max": most}})
    limits, defaults = Limits(cpus=limit), Resources(cpus=default)
    offered = app_resources.ranges(one.resources, limits, defaults)["cpus"]
    assert offered.max is not None and offered.max <= limit
    if app_resources.too_much(one.resources, limits):
        assert least is not None and least > limit
    else:
        assert offered.min is not None and offered.default is not None
        assert offered.min <= offered.default <= offered.max


def test_what_is_asked_beyond_the_apps_bounds_is_told() -> None:
    one = app(resources={"cpus": {"max": 2}, "time_limit_s": {"min": 600}})
    assert app_resources.outside(one.resources, Resources(cpus=2, time_limit_s=600), "app") == {}
    assert app_resources.outside(one.resources, Resources(cpus=3, time_limit_s=60), "app") == {
        "resources.cpus": "asks 3 CPUs; at most 2 CPUs in app app",
        "resources.time_limit_s": "asks 60 s; app app needs 10 min",
    }


def test_a_definition_is_kept_as_json_and_read_back() -> None:
    """A job's row holds the app it was accepted with."""
    several = [
        TEXT | {"pattern": "[a-z]+", "default": "abc"},
        NUMBER | {"sets": "cpus", "max_when": [{"field": "text", "in": ["a"], "max": 3}]},
        SELECT | {"options": [{"value": "s", "set": {"cpus": 2}}, {"value": "l"}]},
        TICK | {"show_when": {"field": "size", "in": ["s"]}},
        VOLUME,
        PATH,
    ]
    one = app(*several, inject=[["Authorization", "token {secret}"]])
    assert App.model_validate_json(one.model_dump_json()) == one
