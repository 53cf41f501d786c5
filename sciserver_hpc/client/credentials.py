"""Where a person's portal and token are kept: `~/.config/sciserver/credentials.toml`, mode 0600.

The environment wins: SCISERVER_URL, SCISERVER_TOKEN or SCISERVER_TOKEN_FILE, SCISERVER_CA. A token of the
file is only ever used with the portal it came from.
"""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..domain.errors import BadCredentials, Invalid


@dataclass(frozen=True)
class Credentials:
    """A portal's base URL, the bearer token for it, and the CA bundle it is checked with (None: the
    system's)."""

    url: str
    token: str | None = None
    ca: str | None = None
    username: str = ""

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r}, username={self.username!r})"


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """The credentials file of this user."""
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config"
    return Path(base) / "sciserver" / "credentials.toml"


def find(
    url: str | None = None,
    token: str | None = None,
    ca: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Credentials:
    """What to log in with: arguments first, then the environment, then the file.

    Raises BadCredentials when no portal is known, Invalid for a file others can read.
    """
    kept = load(path(environ))
    url = (url or environ.get("SCISERVER_URL") or (kept.url if kept else "")).rstrip("/")
    if not url:
        raise BadCredentials("You are not logged in to a portal. Run: sciserver login https://<portal>")
    same = kept if kept is not None and kept.url == url else Credentials(url)
    token = token or environ.get("SCISERVER_TOKEN") or _token_file(environ.get("SCISERVER_TOKEN_FILE"))
    return Credentials(
        url=url,
        token=token or same.token,
        ca=ca or environ.get("SCISERVER_CA") or same.ca,
        username="" if token else same.username,
    )


def load(file: Path) -> Credentials | None:
    """What `save` wrote, None where nothing is.

    Raises Invalid for a file that others can read or that is damaged.
    """
    text = _secret(file)
    if text is None:
        return None
    try:
        table = tomllib.loads(text)
        return Credentials(**{name: str(table[name]) for name in asdict(Credentials("")) if name in table})
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise Invalid({str(file): "it is damaged; run `sciserver login` again."}) from error


def save(credentials: Credentials, file: Path) -> None:
    """Write the file, readable by nobody else, whole or not at all."""
    lines = [f"{name} = {_toml(value)}" for name, value in asdict(credentials).items() if value]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write("\n".join(lines) + "\n")
    new.replace(file)


def _toml(value: str) -> str:
    """A TOML basic string; JSON's escapes are the same (toml.io 1.0) but for the byte 0x7f."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _token_file(name: str | None) -> str | None:
    if not name:
        return None
    text = _secret(Path(name))
    if text is None or not text.strip():
        raise Invalid({"SCISERVER_TOKEN_FILE": f"{name} is not there or empty."})
    return text.strip()


def _secret(file: Path) -> str | None:
    """The text of a file that is this user's alone; None where there is none."""
    try:
        with file.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise Invalid({str(file): f"others can read it (mode {mode:04o}); run: chmod 600 {file}"})
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid({str(file): f"it cannot be read: {error}."}) from error
