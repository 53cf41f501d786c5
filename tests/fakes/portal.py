"""A portal in memory, behind real HTTP on a free port: enough of the API for client and commands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from sciserver_hpc.domain.jobs import End, JobRequest, Mount
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.views import JobView

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKEN = "t0ken"
PASSWORD = "correct horse"
DOMAINS = [
    {
        "name": "batch",
        "partition": "batch",
        "account": "science",
        "qos": None,
        "images": [{"name": "python", "version": "1.0", "sha256": "a" * 64}],
        "limits": {"cpus": 8, "memory_mb": 4096, "time_limit_s": 28800},
        "defaults": {"cpus": 2, "memory_mb": 2048, "time_limit_s": 7200},
        "a_field_of_the_future": 1,
    },
    {"name": "quick", "partition": "interactive", "images": [], "description": "Short jobs"},
]


class FakePortal:
    """What tests look at and set: `jobs`, `requests`, `logs`, `files`; `trouble`: answers to give first."""

    def __init__(self) -> None:
        self.url = ""
        self.jobs: dict[int, JobView] = {}
        self.keys: dict[str, int] = {}
        self.requests: list[JobRequest] = []
        self.batches: list[int] = []
        """How many jobs each call for many brought."""
        self.calls: list[str] = []
        self.logs: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        """By stream; of an array's task, `stdout.3`."""
        self.files: dict[str, bytes | str | None] = {}
        """Path → content; None: a directory, "link": a symbolic link, "gone": a file removed since.

        With `!` before a name that no directory could hold.
        """
        self.trouble: list[int | tuple[int, str] | str] = []
        """To answer instead: a status, or status and code; "lost": do the work, then break off."""
        self.pages = 50
        self.healthy = False
        """Whether /healthz answers as the portal does."""
        self.next: list[Callable[[], object]] = []
        """What happens while somebody waits, one after the other."""
        self.waited: list[float] = []
        self.chosen: dict[str, Any] = {"mail": ["time_left", "failed"], "webhook": [], "webhook_url": ""}
        """What alice is told of."""
        self.tested: list[str] = []

    def time_passes(self, seconds: float) -> None:
        """The `sleep` of clients under test."""
        self.waited.append(seconds)
        if self.next:
            self.next.pop(0)()

    def ends(self, job_id: int, state: JobState, **end: Any) -> None:
        """Job `job_id` is over."""
        self.change(job_id, state=state, final=True, end=End(**end), ended_at=NOW + timedelta(seconds=75))

    def change(self, job_id: int, **fields: Any) -> None:
        """Something happened to the job."""
        job = self.jobs[job_id]
        self.jobs[job_id] = job.model_copy(update={"version": job.version + 1, **fields})

    def add(self, asked: JobRequest) -> JobView:
        """A job as the portal would make it."""
        number = len(self.jobs) + 11
        self.jobs[number] = job_view(number, asked)
        return self.jobs[number]


def job_view(number: int, asked: JobRequest, **fields: Any) -> JobView:
    """The view of a job newly accepted."""
    return JobView(
        **{
            "id": number,
            "uuid": f"{number:032x}",
            "version": 1,
            "owner": "alice",
            "name": asked.name,
            "kind": asked.kind,
            "domain": asked.domain or "batch",
            "image": asked.image or "python",
            "image_version": "1.0",
            "image_sha256": "a" * 64,
            "state": JobState.ACCEPTED,
            "final": False,
            "sciserver_code": 1,
            "sentence": "Accepted: it goes to Slurm in a moment.",
            "reason": "",
            "expected_start": None,
            "node": "",
            "slurm_id": None,
            "restarts": 0,
            "tasks": {},
            "array": asked.array,
            "dependencies": asked.dependencies,
            "cancel_requested": False,
            "end": None,
            "usage": None,
            "resources": asked.resources or Resources(),
            "mounts": (),
            "results_volume": "Temporary/alice/jobs",
            "folder": f"/srv/Temporary/alice/jobs/2026-03-01/20260301-120000-{number}",
            "target": f"/home/idies/workspace/Temporary/alice/jobs/2026-03-01/20260301-120000-{number}",
            "filename": asked.filename or "command.txt",
            "stdout": asked.stdout,
            "stderr": asked.stderr,
            "accepted_at": NOW,
            "started_at": None,
            "ended_at": None,
        }
        | fields
    )


def failure(status: int, code: str, message: str, **more: Any) -> tuple[Response, int]:
    """An error answer in the API's form."""
    return jsonify(error={"code": code, "message": message, "request_id": "r1", **more}), status


@contextmanager
def serving(portal: FakePortal) -> Iterator[str]:
    """`portal` on a free loopback port; yields its URL."""
    with listening(_app(portal)) as portal.url:
        yield portal.url


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """`app` on a free loopback port; yields its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _app(portal: FakePortal) -> Flask:
    app = Flask("fake-portal")

    @app.before_request
    def meet() -> Any:
        portal.calls.append(f"{request.method} {request.path}")
        if portal.trouble and isinstance(portal.trouble[0], int):
            return failure(portal.trouble.pop(0), "unavailable", "database does not answer: it restarts.")
        if request.path == "/healthz" and portal.healthy:
            return {"status": "ok"}
        if portal.trouble and isinstance(portal.trouble[0], tuple):
            return failure(*portal.trouble.pop(0), "It cannot be done.")
        if request.path != "/api/v1/login" and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return failure(401, "unauthorized", "Your token is missing or over.")
        return None

    @app.after_request
    def lose(response: Response) -> Response:
        if portal.trouble and portal.trouble[0] == "lost":
            portal.trouble.pop(0)
            response.headers["Content-Length"] = "999999"
            response.headers["Connection"] = "close"
        return response

    _account_routes(app)
    _notification_routes(app, portal)
    _job_routes(app, portal)
    _output_routes(app, portal)
    return app


def _account_routes(app: Flask) -> None:
    user = {
        "username": "alice",
        "full_name": "Alice A.",
        "email": "a@example.org",
        "groups": ["astro"],
        "admin": False,
    }
    times = {"created_at": NOW.isoformat(), "expires_at": (NOW + timedelta(days=30)).isoformat()}
    token = {
        "id": 7,
        "kind": "personal",
        "name": "nightly",
        "scopes": ["jobs:read"],
        "last_used_at": None,
        **times,
    }

    @app.post("/api/v1/login")
    def login() -> Any:
        if request.get_json()["password"] == "too often":
            answer, status = failure(429, "locked_out", "Too many failed logins.")
            answer.headers["Retry-After"] = "300"
            return answer, status
        if request.get_json()["password"] != PASSWORD:
            return failure(401, "bad_credentials", "User name or password is wrong.")
        return {"token": TOKEN, "expires_at": NOW.isoformat(), "user": user}

    app.add_url_rule("/api/v1/logout", "logout", lambda: ("", 204), methods=["POST"])
    app.add_url_rule("/api/v1/me", "me", lambda: {"user": user})
    app.add_url_rule("/api/v1/domains", "domains", lambda: {"domains": DOMAINS})
    app.add_url_rule("/api/v1/images", "images", lambda: {"images": DOMAINS[0]["images"]})
    volumes = [
        {"volume": "Storage/alice/persistent", "kind": "user", "modes": ["ro", "rw"], "description": "mine"}
    ]
    app.add_url_rule("/api/v1/volumes", "volumes", lambda: {"volumes": volumes})
    app.add_url_rule("/api/v1/tokens", "tokens", lambda: {"tokens": [token]})
    app.add_url_rule(
        "/api/v1/tokens", "make", lambda: ({"secret": "s3cret", "token": token}, 201), methods=["POST"]
    )
    app.add_url_rule("/api/v1/tokens/7", "revoke", lambda: ("", 204), methods=["DELETE"])


def _notification_routes(app: Flask, portal: FakePortal) -> None:
    sent = {
        "occasion": "failed",
        "channel": "mail",
        "subject": "sky ended\x1b[31m",
        "created_at": NOW.isoformat(),
        "attempts": 2,
        "problem": "451 later",
    }

    def answer(**more: Any) -> Any:
        about = {"offered": ["mail", "webhook"], "mail_to": "a@example.org", "last": [sent]}
        return portal.chosen | about | more

    @app.put("/api/v1/me/notifications")
    def choose() -> Any:
        asked = request.get_json()
        renew = asked.pop("renew_secret")
        if asked["webhook"] and not asked["webhook_url"]:
            return failure(422, "invalid", "no", problems={"webhook_url": "give the address"})
        new = renew or bool(asked["webhook_url"] and not portal.chosen["webhook_url"])
        portal.chosen = asked
        return answer(secret="shw_s3cret" if new else None)

    @app.post("/api/v1/me/notifications/test")
    def test() -> Any:
        portal.tested.append(request.get_json()["channel"])
        return "", 204

    app.add_url_rule("/api/v1/me/notifications", "notifications", answer)


def _refusal(asked: JobRequest) -> tuple[Response, int] | None:
    if asked.image == "nobody":
        return failure(422, "invalid", "no", problems={"image": "unknown image `nobody`; there is python."})
    if asked.image == "secret":
        return failure(403, "refused", "no", items={"image secret": "you have no grant to use it."})
    return None


def _job_routes(app: Flask, portal: FakePortal) -> None:
    def accept(asked: JobRequest, key: str) -> tuple[dict[str, Any], bool]:
        new = key not in portal.keys
        if new:
            portal.keys[key] = portal.add(asked).id
        return portal.jobs[portal.keys[key]].model_dump(mode="json") | {"future": 1}, new

    @app.post("/api/v1/jobs/batch")
    def submit_many() -> Any:
        rows = [JobRequest.model_validate(row) for row in request.get_json()["jobs"]]
        portal.batches.append(len(rows))
        answers: list[Any] = []
        for place, asked in enumerate(rows):
            portal.requests.append(asked)
            if refusal := _refusal(asked):
                answers.append(refusal[0].json)
            else:
                job, new = accept(asked, f"{request.headers['Idempotency-Key']}.{place}")
                answers.append({"job": job, "new": new})
        return {"jobs": answers}

    @app.post("/api/v1/jobs")
    def submit() -> Any:
        asked = JobRequest.model_validate(request.get_json())
        portal.requests.append(asked)
        if refusal := _refusal(asked):
            return refusal
        if "test_only" in request.args:
            return {"message": "Job 5 to start at 2026-03-01T12:00:00 on n1"}
        if "preview" in request.args:
            return {
                "options": ["--time=120"],
                "script": "#!/bin/bash\ntrue\n",
                "mounts": [Mount(volume="sdss", source="/x", target="/y", writable=False).model_dump()],
                "domain": "batch",
                "image": "python",
            }
        job, new = accept(asked, request.headers["Idempotency-Key"])
        return {"job": job}, 201 if new else 200

    @app.get("/api/v1/jobs")
    def jobs() -> Any:
        wanted = request.args.get("state", "").split(",") if request.args.get("state") else None
        before = int(request.args.get("before_id", 10**9))
        found = [
            job
            for number, job in sorted(portal.jobs.items(), reverse=True)
            if number < before
            and (wanted is None or job.state in wanted)
            and request.args.get("name", "") in job.name
        ]
        page = found[: portal.pages]
        following = page[-1].id if len(found) > len(page) else None
        return {"jobs": [job.model_dump(mode="json") for job in page], "next": following}

    @app.get("/api/v1/jobs/<int:number>")
    def job(number: int) -> Any:
        if number not in portal.jobs:
            return failure(404, "not_found", f"You have no job {number}.")
        return {"job": portal.jobs[number].model_dump(mode="json")}

    @app.post("/api/v1/jobs/<int:number>/cancel")
    def cancel(number: int) -> Any:
        if number not in portal.jobs:
            return failure(404, "not_found", f"You have no job {number}.")
        if portal.jobs[number].final:
            return {"job": portal.jobs[number].model_dump(mode="json")}
        portal.change(number, cancel_requested=True)
        return {"job": portal.jobs[number].model_dump(mode="json")}

    @app.get("/api/v1/jobs/<int:number>/events")
    def events(number: int) -> Any:
        text = "Accepted.\x1b[31m"
        return {"events": [{"at": NOW.isoformat(), "kind": "state", "state": "ACCEPTED", "text": text}]}

    @app.get("/api/v1/jobs/<int:number>/script")
    def script(number: int) -> Any:
        return {"options": ["--time=60"], "script": "#!/bin/bash\ntrue\n"}


def _output_routes(app: Flask, portal: FakePortal) -> None:
    @app.get("/api/v1/jobs/<int:number>/log")
    def log(number: int) -> Any:
        task = request.args.get("task")
        data = portal.logs[request.args["stream"] + (f".{task}" if task else "")]
        asked = int(request.args.get("offset", 0))
        offset = max(0, len(data) + asked) if asked < 0 else asked
        piece = data[offset : offset + int(request.args.get("length", 8))]
        after = offset + len(piece)
        over = portal.jobs[number].final and after >= len(data)
        return {"text": piece.decode(), "offset": offset, "next": after, "size": len(data), "final": over}

    @app.get("/api/v1/jobs/<int:number>/files")
    def files(number: int) -> Any:
        base = request.args["path"]
        entries = []
        for path, content in portal.files.items():
            parent, _, name = path.rpartition("/") if base or "/" not in path.lstrip(".") else ("?", "", "")
            if path.startswith("!"):
                parent, name = "", path[1:]
            if parent == base:
                kind = "directory" if content is None else "link" if content == "link" else "file"
                size = len(content) if isinstance(content, bytes) else 0
                entries.append(
                    {"name": name, "kind": kind, "size": size, "modified_at": NOW.isoformat(), "mode": 0o600}
                )
        return {"path": base, "entries": entries}

    @app.get("/api/v1/jobs/<int:number>/files/content")
    def content(number: int) -> Any:
        found = portal.files.get(request.args["path"])
        if not isinstance(found, bytes):
            return failure(404, "not_found", "There is no such file.")
        return Response(found, mimetype="application/octet-stream")
