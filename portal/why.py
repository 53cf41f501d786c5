"""Why somebody may, or may not: a question in the URL, answered in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template, request
from pydantic import TypeAdapter, ValidationError

from sciserver_hpc.domain.access import ACTIONS, Action, Resource, ResourceKind
from sciserver_hpc.domain.errors import Invalid, NotFound
from sciserver_hpc.domain.names import Username

from .errors import status_of
from .guard import Access, allow, person
from .rights import RIGHTS, THINGS, thing
from .services import services

bp = Blueprint("why", __name__)
FIELDS = ("user", "action", "kind", "name")
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)


@dataclass(frozen=True)
class Question:
    """What the URL asks."""

    user: str
    action: Action
    resource: Resource


@bp.get("/why")
@allow(Access(page=True))
def why() -> tuple[str, int]:
    """The form, and the answer once something is asked."""
    fields = {key: request.args.get(key, "").strip() for key in FIELDS}
    problems: dict[str, str] = {}
    status, answer, question = 200, None, None
    if any(fields[key] for key in FIELDS if key != "user"):
        try:
            question = _question(fields)
            answer = services.explaining.explain(person(), question.user, question.action, question.resource)
        except Invalid as error:
            problems, status = error.problems, status_of(error)
        except NotFound as error:
            problems, status = {"user": str(error)}, status_of(error)
    fields["user"] = fields["user"] or person().username
    shown = render_template(
        "why.html", fields=fields, problems=problems, answer=answer, question=question, actions=RIGHTS
    )
    return shown, status


def _question(fields: dict[str, str]) -> Question:
    """Raises Invalid naming each field that asks nothing."""
    problems: dict[str, str] = {}
    user, action, kind, name = fields["user"] or person().username, *(fields[key] for key in FIELDS[1:])
    if not _is_username(user):
        problems["user"] = "this can be no user name"
    if action not in RIGHTS:
        problems["action"] = "choose what they would do"
    if kind not in THINGS:
        problems["kind"] = "choose a kind of thing"
    elif action in RIGHTS and action not in ACTIONS[ResourceKind(kind)]:
        can = (RIGHTS[one].removeprefix("may ") for one in ACTIONS[ResourceKind(kind)])
        problems["action"] = f"with such a thing one may: {', '.join(can)}"
    if not _is_name(name):
        problems["name"] = "give its whole name, as in Storage/alice/persistent"
    if problems:
        raise Invalid(problems)
    return Question(user, Action(action), thing(kind, name))


def _is_username(text: str) -> bool:
    try:
        _USERNAME.validate_python(text)
    except ValidationError:
        return False
    return True


def _is_name(text: str) -> bool:
    try:
        thing(ResourceKind.JOB, text)
    except NotFound:
        return False
    return True
