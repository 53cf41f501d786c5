"""Looking as somebody else, for support: the form, the end, and what the one looked as is told."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, redirect, render_template, request
from pydantic import TypeAdapter, ValidationError
from werkzeug.wrappers import Response

from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.errors import Invalid, NotFound, Refused, SciServerError
from sciserver_hpc.domain.names import Username
from sciserver_hpc.domain.support import SupportSession

from .cookies import set_cookie
from .errors import status_of
from .guard import Access, allow, asker, login_token, person, support_cookie, support_session
from .security import request_id
from .services import services

bp = Blueprint("support", __name__)
PAGE = Access(page=True, own_login=True)
FIELDS = ("user", "reason")
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)


@bp.get("/support")
@allow(PAGE)
def form() -> tuple[str, int]:
    """As whom to look, and why. Raises Refused."""
    services.administration.demand(person(), Power.SUPPORT)
    return _show({"user": request.args.get("user", "")[:32], "reason": ""}, {})


@bp.post("/support")
@allow(PAGE)
def begin() -> Response | tuple[str, int]:
    """Look as them from now on, in this browser."""
    fields = {key: request.form.get(key, "").strip() for key in FIELDS}
    try:
        secret, _ = services.support.begin(
            asker(), login_token(), _username(fields["user"]), fields["reason"]
        )
    except Invalid as error:
        return _show(fields, error.problems, error)
    except (NotFound, Refused) as error:
        services.administration.demand(person(), Power.SUPPORT)
        return _show(fields, {"user": str(error)}, error)
    response = redirect("/", 303)
    # Longer than the session, so that what is sent from the other's page after its end is known as such.
    set_cookie(response, support_cookie(), secret, login_token().expires_at - services.clock.now())
    return response


@bp.post("/support/end")
@allow(Access(page=True, ends_support=True))
def end() -> Response:
    """Be oneself again."""
    session = support_session()
    if session is not None:
        services.support.end(session, request_id())
    response = redirect("/", 303)
    set_cookie(response, support_cookie(), "", timedelta(0))
    return response


@bp.app_template_global()
def looked_at() -> list[SupportSession]:
    """Who looks as the person whose page this is."""
    return services.support.about(person())


def _username(text: str) -> str:
    """Raises Invalid."""
    try:
        return _USERNAME.validate_python(text)
    except ValidationError as error:
        raise Invalid({"user": "this can be no user name"}) from error


def _show(
    fields: dict[str, str], problems: dict[str, str], error: SciServerError | None = None
) -> tuple[str, int]:
    minutes = services.settings.support.minutes
    shown = render_template("support.html", fields=fields, problems=problems, minutes=minutes)
    return shown, status_of(error) if error else 200
