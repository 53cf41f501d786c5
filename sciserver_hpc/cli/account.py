"""`sciserver login`, `logout`, `whoami`."""

from __future__ import annotations

import sys

import click

from .table import pairs
from .verb import Verb, connect, json_option, print_json


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  sciserver login https://portal.example.org
  sciserver login https://localhost:8443 --ca ca.pem -u alice
  sciserver login https://portal.example.org -u alice --password-stdin < secret
""",
)
@click.argument("url", required=False)
@click.option("-u", "--username", metavar="NAME", help="User name; asked for where it is not given.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="The site's CA file."
)
@json_option
def login(url: str | None, username: str | None, password_stdin: bool, ca: str | None, as_json: bool) -> None:
    """Log in to the portal at URL; default: where one was logged in last, or SCISERVER_URL.

    Keeps a token, never the password, in ~/.config/sciserver/credentials.toml.
    """
    from ..client import Client  # noqa: PLC0415
    from ..client import credentials as kept  # noqa: PLC0415

    url = url or kept.find().url
    name: str = username or click.prompt("User name", err=True)
    password = (
        sys.stdin.readline().rstrip("\n")
        if password_stdin
        else click.prompt("Password", hide_input=True, err=True)
    )
    with Client.login(url, name, password, ca=ca) as client:
        file = client.keep()
        me = client.me()
    if as_json:
        print_json(me)
    else:
        click.echo(f"Logged in to {client.url} as {me.username}. The token is in {file}.")


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver logout\n")
def logout() -> None:
    """End the token of `sciserver login` and forget it."""
    connect().logout()
    click.echo("Logged out.")


@click.command(cls=Verb, epilog="\b\nExamples:\n  sciserver whoami\n  sciserver whoami --json\n")
@json_option
def whoami(as_json: bool) -> None:
    """Show as whom, and where, I am logged in."""
    client = connect()
    me = client.me()
    if as_json:
        print_json(me.model_dump(mode="json") | {"url": client.url})
        return
    pairs(
        (
            ("user", me.username),
            ("name", me.full_name),
            ("mail", me.email),
            ("groups", ", ".join(me.groups)),
            ("role", "administrator" if me.admin else ", ".join(me.powers)),
            ("portal", client.url),
        )
    )
