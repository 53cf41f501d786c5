"""Interactive sessions, over the portal. They are opened in a browser alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack

from pydantic import ValidationError

from ..domain import options
from ..domain.app_fields import Value
from ..domain.errors import Invalid, Unavailable
from ..domain.problems import problems
from ..domain.resources import Resources
from ..domain.session_views import Phase, SessionView
from ..domain.sessions import SessionRequest
from ..domain.volumes import VolumeMount
from . import watch
from .models import AppInfo, read
from .service_accounts import ServiceAccounts

_SETTLED = (Phase.OPEN, Phase.OVER)


class Wishes(TypedDict, total=False):
    """What may be said of a session beside its app.

    What is not said, of `resources` too, is the app's default, then the domain's. values: by name of a
    field of the app's form. A volume as text is `NAME[:ro|:rw]`.
    """

    values: Mapping[str, Value] | None
    name: str | None
    domain: str | None
    image: str | None
    volumes: Iterable[VolumeMount | str] | None
    resources: Resources | Mapping[str, int] | None


class Sessions(ServiceAccounts):
    """Verbs about sessions. A session's id is its job's, so `log`, `files`, `events` and `cancel` serve too.

    Those about one may raise NotFound.
    """

    def apps(self) -> list[AppInfo]:
        """The apps one may start, each with its form."""
        return [read(AppInfo, row) for row in self._http.json("GET", "/apps")["apps"]]

    def session_request(self, app: str, **wishes: Unpack[Wishes]) -> SessionRequest:
        """What to ask for. Raises Invalid."""
        said: dict[str, Any] = {name: one for name, one in wishes.items() if one is not None}
        if "volumes" in said:
            said["volumes"] = [_mount(one) for one in said["volumes"]]
        try:
            return SessionRequest.model_validate({"app": app, **said})
        except ValidationError as error:
            raise Invalid(problems(error)) from error

    def start_session(
        self, app: str | SessionRequest, *, key: str | None = None, **wishes: Unpack[Wishes]
    ) -> SessionView:
        """Start a session of `app`, or the one that a SessionRequest asks for.

        `key`: the same key and request give the same session; made here when not given, so that a lost answer
        starts no second one. Raises Invalid, Refused, Conflict (key used for another request).
        """
        key = key or uuid.uuid4().hex
        asked, headers = self._asked(app, wishes), {"Idempotency-Key": key}
        try:
            answer = self._http.json("POST", "/sessions", safe=True, json=asked, headers=headers)
        except Unavailable as error:
            again = f"{error.detail} The session may have been accepted; start it again with key {key}"
            raise Unavailable(error.system, f"{again} to get that one and no second.") from error
        return read(SessionView, answer["session"])

    def session_expected_start(self, app: str | SessionRequest, **wishes: Unpack[Wishes]) -> str:
        """What Slurm says of when it would start; nothing is started. Raises Invalid, Refused."""
        asked, query = self._asked(app, wishes), {"test_only": "1"}
        return str(self._http.json("POST", "/sessions", safe=True, params=query, json=asked)["message"])

    def _asked(self, app: str | SessionRequest, wishes: Wishes) -> dict[str, Any]:
        request = self.session_request(app, **wishes) if isinstance(app, str) else app
        return request.model_dump(mode="json", exclude_unset=True)

    def sessions(self) -> list[SessionView]:
        """One's own, newest first, without those one took away."""
        return [read(SessionView, row) for row in self._http.json("GET", "/sessions")["sessions"]]

    def shared_sessions(self) -> list[SessionView]:
        """Those of others that one may open now."""
        return [read(SessionView, row) for row in self._http.json("GET", "/sessions")["shared"]]

    def session(self, session_id: int) -> SessionView:
        """One."""
        return read(SessionView, self._http.json("GET", f"/sessions/{session_id:d}")["session"])

    def session_page(self, session_id: int) -> str:
        """The address of its page in the portal; a browser opens it from there, after a login."""
        return f"{self._http.url}/sessions/{session_id:d}"

    def wait_session(self, session_id: int, timeout: float | None = None, poll: float = 5) -> SessionView:
        """Return the session once it can be opened, or is over: its `phase` says which.

        Survives restarts of the portal. Raises TimeoutError after `timeout` seconds.
        """
        return watch.until(
            lambda: self.session(session_id),
            lambda one: one.phase in _SETTLED,
            lambda one: (one.phase, one.job.version),
            watch.Pace(poll, self._http.sleep),
            timeout,
            "The session is not open",
        )

    def stop_session(self, session_id: int) -> SessionView:
        """End it; its app may save first. One that is over is left as it is."""
        return self._do(session_id, "stop")

    def extend_session(self, session_id: int, minutes: int) -> SessionView:
        """Move its end, as far as its domain lets. Raises Invalid, Refused."""
        # Not safe to try again: twice is twice as long.
        return self._do(session_id, "extend", safe=False, json={"minutes": minutes})

    def start_session_again(self, session_id: int) -> SessionView:
        """Start one that is over once more, with the same volumes: another session, and the same however
        often it is asked for. Raises Conflict."""
        return self._do(session_id, "again")

    def forget_session(self, session_id: int) -> SessionView:
        """Take one that is over out of the list. Raises Conflict."""
        return self._do(session_id, "forget")

    def _do(self, session_id: int, verb: str, *, safe: bool = True, **body: Any) -> SessionView:
        path = f"/sessions/{session_id:d}/{verb}"
        return read(SessionView, self._http.json("POST", path, safe=safe, **body)["session"])


def _mount(volume: VolumeMount | str) -> VolumeMount:
    try:
        return options.volume(volume) if isinstance(volume, str) else volume
    except ValueError as error:
        raise Invalid({"volumes": f"{error}."}) from error
