"""What is told, to whom, and where a webhook may lead."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.notifications import (
    LONGEST_PAUSE,
    TEST,
    Channel,
    Choices,
    Occasion,
    body,
    key_of,
    made,
    may_reach,
    pause,
    url_problem,
)

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
ALLOWED = (ip_network("10.1.0.0/16"), ip_network("::1/128"))


def test_who_says_nothing_is_mailed_what_costs_work_when_missed() -> None:
    chosen = Choices()
    told = [occasion for occasion in Occasion if chosen.channels(occasion)]
    assert told == [Occasion.TIME_LEFT, Occasion.IDLE, Occasion.FAILED]
    assert chosen.channels(Occasion.FAILED) == (Channel.MAIL,)


def test_choices_stand_once_and_in_order() -> None:
    chosen = Choices(mail=["failed", "started", "failed"], webhook=["failed"])  # type: ignore[arg-type]
    assert chosen.mail == (Occasion.STARTED, Occasion.FAILED)
    assert chosen.channels(Occasion.FAILED) == (Channel.MAIL, Channel.WEBHOOK)


def test_keys_and_idents_are_the_events() -> None:
    first, again = key_of("a" * 32, Occasion.TIME_LEFT), key_of("a" * 32, Occasion.TIME_LEFT, 2)
    assert (first, again) == (f"{'a' * 32}:time_left", f"{'a' * 32}:time_left:2")
    one = made("alice", Occasion.TIME_LEFT, first, ("s", "t"), "/x", NOON)
    assert one.ident == made("alice", Occasion.TIME_LEFT, first, ("other", ""), "/y", NOON).ident
    assert one.ident != made("bob", Occasion.TIME_LEFT, first, ("s", "t"), "/x", NOON).ident


@given(st.text(), st.text())
def test_words_from_anywhere_become_one_line_and_text(subject: str, text: str) -> None:
    told = made("alice", TEST, "k", (subject, text), "/", NOON)
    assert told.subject.isprintable() and len(told.subject) <= 200
    assert all(line.replace("\t", "").isprintable() for line in told.text.split("\n"))
    posted = body(told)
    assert b"\n" not in posted and json.loads(posted)["subject"] == told.subject


def test_a_subject_ends_no_header() -> None:
    told = made("alice", Occasion.ENDED, "k", ("sky\r\nBcc: eve@example.org\u202e", "a\nb\x00"), "/", NOON)
    assert (told.subject, told.text) == ("sky Bcc: eve@example.org", "a\nb ")


def test_pauses_grow_to_an_hour() -> None:
    minutes = [pause(attempts) / timedelta(minutes=1) for attempts in range(1, 9)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause(10**6) == LONGEST_PAUSE


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "10.2.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fc00::1", "fec0::1",
        "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::",
        "64:ff9b::7f00:1", "::7f00:1", "2001:0:a00:1::1",
    ],
)  # fmt: skip
def test_an_address_of_the_sites_own_is_not_reached(address: str) -> None:
    assert not may_reach(ip_address(address), ())
    assert not may_reach(ip_address(address), ALLOWED)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::"])
def test_a_public_address_is(address: str) -> None:
    assert may_reach(ip_address(address), ())


@pytest.mark.parametrize("address", ["10.1.2.3", "::1", "::ffff:10.1.2.3"])
def test_so_is_one_the_site_allows(address: str) -> None:
    assert may_reach(ip_address(address), ALLOWED) and not may_reach(ip_address(address), ())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://hooks.example.org", ""),
        ("https://hooks.example.org:8443/a/b?c=d", ""),
        ("https://8.8.8.8/", ""),
        ("https://[2606:4700::1111]/", ""),
        ("http://hooks.example.org/", "write https://"),
        ("ftp://hooks.example.org/", "write https://"),
        ("//hooks.example.org/", "write https://"),
        ("hooks.example.org", "write https://"),
        ("https://", "write https://"),
        ("https://user@hooks.example.org/", "no user name"),
        ("https://:secret@hooks.example.org/", "no user name"),
        ("https://hooks.example.org/#x", "leave out the #"),
        ("https://hooks.example.org:x/", "no address"),
        ("https://hooks.example.org:99999/", "no address"),
        ("https://[::1/", "no address"),
        ("https://hooks.example.org/\r\nX: y", "in ASCII"),
        ("https://höks.example.org/", "in ASCII"),
        ("https://a b/", "in ASCII"),
        ("https://127.0.0.1/", "no public address"),
        ("https://[::ffff:10.0.0.1]/", "no public address"),
        ("https://localhost/", "this machine itself"),
        ("https://x.localhost./", "this machine itself"),
        ("https://h/" + "x" * 2000, "in ASCII"),
    ],
)
def test_the_address_of_a_webhook(url: str, said: str) -> None:
    problem = url_problem(url, allow_http=False, allowed=())
    assert (said in problem) if said else problem == ""


def test_what_the_site_allows_is_no_problem() -> None:
    assert url_problem("http://10.1.0.9/", allow_http=True, allowed=ALLOWED) == ""
    assert "http://" in url_problem("gopher://x/", allow_http=True, allowed=())
