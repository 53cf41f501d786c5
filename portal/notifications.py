"""The person's page of notifications: what they want to be told of when the browser is closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import Blueprint, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.errors import Conflict, Invalid
from sciserver_hpc.domain.notifications import TEST, Channel, Choices, Occasion
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.services.notifying import PAGE as AT

from .errors import status_of
from .guard import Access, allow, person
from .services import services

bp = Blueprint("notifications", __name__)
PAGE = Access(page=True, own_login=True)
OCCASIONS = {
    Occasion.STARTED: "It started",
    Occasion.TIME_LEFT: "15 minutes are left",
    Occasion.IDLE: "It is idle and will end soon",
    Occasion.ENDED: "It ended",
    Occasion.FAILED: "It failed",
}
WAYS = {Channel.MAIL: "E-mail", Channel.WEBHOOK: "Webhook"}
DONE = {"saved": "Saved.", TEST: "A test is on its way. What became of it is below in a moment."}
Answer = Response | tuple[str, int]


@dataclass
class Draft:
    """What stands in the form, where it differs from what is kept: as typed, what is wrong with it; a secret
    that was just made."""

    chosen: Choices | None = None
    problems: dict[str, str] = field(default_factory=dict)
    status: int = 200
    secret: str = ""


@bp.get(AT)
@allow(PAGE)
def show() -> Answer:
    """What is chosen, and what became of the latest."""
    return _page(Draft())


@bp.post(AT)
@allow(PAGE)
def save() -> Answer:
    """Choose; a webhook's first secret is on the answered page and nowhere else."""
    typed = {
        "mail": request.form.getlist("mail"),
        "webhook": request.form.getlist("webhook"),
        "webhook_url": request.form.get("webhook_url", "").strip(),
    }
    draft = Draft()
    try:
        draft.chosen = Choices.model_validate(typed)
        _, draft.secret = services.notifying.choose(person(), draft.chosen)
    except (ValidationError, Invalid) as error:
        wrong = error if isinstance(error, Invalid) else Invalid(problems(error))
        draft.problems, draft.status = wrong.problems, status_of(wrong)
    return redirect(f"{AT}?done=saved", 303) if draft.status == 200 and not draft.secret else _page(draft)


@bp.post(f"{AT}/secret")
@allow(PAGE)
def renew() -> Answer:
    """Another secret, which is on the answered page and nowhere else."""
    kept = services.notifying.choices(person())
    same = Choices(**kept.model_dump(include=set(Choices.model_fields)))
    try:
        _, secret = services.notifying.choose(person(), same, renew=True)
    except Invalid as error:  # the site's rules are others by now
        return _page(Draft(problems=error.problems, status=status_of(error)))
    return _page(Draft(secret=secret))


@bp.post(f"{AT}/test")
@allow(PAGE)
def test() -> Answer:
    """Send one, to try a way."""
    try:
        services.notifying.test(person(), _channel(request.form.get("channel", "")))
    except (Conflict, Invalid) as error:
        return _page(Draft(problems={"form": str(error)}, status=status_of(error)))
    return redirect(f"{AT}?done={TEST}", 303)


def _channel(word: str) -> Channel:
    try:
        return Channel(word)
    except ValueError as error:
        raise Conflict("Choose one of the ways that are offered.") from error


def _page(draft: Draft) -> tuple[str, int]:
    found = services.notifying.choosing(person())
    shown = render_template(
        "notifications.html",
        found=found,
        chosen=draft.chosen or found.chosen,
        draft=draft,
        done=DONE.get(request.args.get("done", "")),
        occasions=OCCASIONS,
        ways={way: words for way, words in WAYS.items() if way in found.offered},
    )
    return shown, draft.status
