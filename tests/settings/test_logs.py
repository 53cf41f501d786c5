"""The form of log lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from sciserver_hpc import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_a_line_is_json_with_the_ids_bound_before(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    structlog.contextvars.bind_contextvars(request_id="r1")
    structlog.get_logger("sciserver_hpc.test").info("job accepted", job=7)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["job"], line["request_id"], line["level"]) == (
        "job accepted",
        7,
        "r1",
        "info",
    )
    assert line["logger"] == "sciserver_hpc.test"


def test_a_librarys_line_has_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    structlog.contextvars.bind_contextvars(request_id="r1")
    logging.getLogger("gunicorn").warning("worker %s", "gone")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["request_id"], line["level"]) == ("worker gone", "r1", "warning")


@pytest.mark.parametrize("field", ["password", "claim_secret", "Authorization", "token", "cookie"])
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_never_reaches_a_line(capsys: pytest.CaptureFixture[str], field: str, form: str) -> None:
    logs.configure(form)  # type: ignore[arg-type]
    structlog.get_logger("x").info("slip", **{field: "wonderland"})
    written = capsys.readouterr().err
    assert "wonderland" not in written
    assert "(hidden)" in written


def test_hostile_text_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    structlog.get_logger("x").info("named", name='a\n{"event": "forged"}')
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "warning")
    structlog.get_logger("x").info("quiet")
    assert capsys.readouterr().err == ""
