"""`sciserver notifications`: what I am told of when the browser is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .table import clean, moment, pairs, show
from .verb import Verbs, connect, json_option, print_json

if TYPE_CHECKING:
    from ..client import NotificationsInfo
    from ..client.models import SentInfo

OCCASIONS = ("started", "time_left", "idle", "ended", "failed")
NONE = "none"


@click.group(cls=Verbs)
def notifications() -> None:
    """Show and choose what I am told of by mail and webhook."""


@notifications.command("show", epilog="\b\nExample:\n  sciserver notifications show\n")
@json_option
def show_notifications(as_json: bool) -> None:
    """Show what is chosen, and what became of the latest."""
    found = connect().notifications()
    if as_json:
        print_json(found)
        return
    _chosen(found)
    if found.last:
        click.echo()
        rows = ((moment(one.created_at), one.channel, one.subject, _fate(one)) for one in found.last)
        show(("WHEN", "BY", "NOTIFICATION", "STATE"), rows)


@notifications.command(
    "set",
    epilog="""\b
Examples:
  sciserver notifications set --mail failed --mail time_left
  sciserver notifications set --mail none
  sciserver notifications set --webhook ended --url https://hooks.example.org/x
  sciserver notifications set --new-secret
""",
)
@click.option("--mail", multiple=True, type=click.Choice((*OCCASIONS, NONE)), help="When; may be repeated.")
@click.option(
    "--webhook", multiple=True, type=click.Choice((*OCCASIONS, NONE)), help="When; may be repeated."
)
@click.option("--url", help='The webhook\'s address; "" for none.')
@click.option("--new-secret", is_flag=True, help="Make another secret; the old one is good no more.")
@json_option
def set_notifications(
    mail: tuple[str, ...], webhook: tuple[str, ...], url: str | None, new_secret: bool, as_json: bool
) -> None:
    """Choose; what is not given stays. A webhook's secret that was made is printed once, alone on standard
    output."""
    found = connect().choose_notifications(
        mail=_occasions(mail), webhook=_occasions(webhook), webhook_url=url, renew_secret=new_secret
    )
    if as_json:
        print_json(found)
    elif found.secret:
        click.echo(found.secret)
        click.echo("Keep it safe: it is not shown again. Posts are signed with it.", err=True)
    else:
        _chosen(found)


@notifications.command(epilog="\b\nExample:\n  sciserver notifications test mail\n")
@click.argument("channel", type=click.Choice(("mail", "webhook")))
def test(channel: str) -> None:
    """Have one sent to me, to try mail or webhook: at most one a minute."""
    connect().test_notification(channel)
    click.echo("A test is on its way. What becomes of it: sciserver notifications show")


def _occasions(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """None: not given; `none` empties."""
    return tuple(word for word in words if word != NONE) if words else None


def _chosen(found: NotificationsInfo) -> None:
    for way in ("mail", "webhook"):
        if way not in found.offered:
            click.echo(f"This site offers no {way}.", err=True)
    pairs(
        (
            ("mail", ", ".join(found.mail) or NONE),
            ("mail to", clean(found.mail_to)),
            ("webhook", ", ".join(found.webhook) or NONE),
            ("webhook url", found.webhook_url),
            ("secret made", moment(found.secret_made_at) if found.secret_made_at else ""),
        )
    )


def _fate(one: SentInfo) -> str:
    if one.sent_at:
        return "sent"
    word = "given up" if one.given_up_at else f"tried {one.attempts} times" if one.attempts else "waits"
    return f"{word}: {one.problem}" if one.problem else word
