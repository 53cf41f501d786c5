"""Pages of service accounts: who sees what, secrets that are shown once, forms that keep what was typed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from portal.service_accounts import SCOPE_WORDS
from sciserver_hpc.domain.access import Action, Subject, SubjectKind
from sciserver_hpc.domain.groups import Status, user
from sciserver_hpc.domain.service_accounts import SCOPES
from sciserver_hpc.domain.tokens import Scope

from .cast import EVIL, SHARE, VOLUME, Cast, portal
from .house import Browser as Forms
from .live import LOOKS, check, log_in, page_of

CI = Subject(kind=SubjectKind.SERVICE, name="ci")
AT = "/service-accounts/ci"
TOKEN = {"name": "nightly", "scopes": ["groups:read"], "days": "7"}


def secret_on(page: str) -> str:
    found = re.search(r'id="secret">(sht_[\w-]{43})<', page)
    assert found
    return found[1]


@pytest.fixture
def alice(cast: Cast) -> Forms:
    """alice's browser; her group survey has account `ci`."""
    cast.house.services.service_accounts.create(cast.asker("alice"), "ci", EVIL, portal("survey"))
    return cast.house.browser("alice")


def test_an_account_is_made_for_oneself_or_ones_group(cast: Cast) -> None:
    bob = cast.house.browser("bob")
    form = bob.get("/new/service-account").text
    assert '<option value="survey"' in form and '<option value="lab"' not in form
    asked = {"name": "ci", "description": "Nightly", "group": "survey"}
    assert bob.post("/new/service-account", asked).headers["Location"] == AT
    assert bob.post("/new/service-account", asked).status_code == 303  # twice is once
    assert "svc:ci" in cast.house.browser("alice").get("/me").text
    assert bob.post("/new/service-account", {"name": "own"}).headers["Location"] == "/service-accounts/own"
    refused = cast.house.browser("carol").post("/new/service-account", asked | {"name": "hers"})
    assert refused.status_code == 403 and "a group you own or are an admin of" in refused.text


@pytest.mark.parametrize(
    ("name", "status"), [("", 422), ("A", 422), ("svc:x", 422), ("x" * 29, 422), ("c1", 409), ("root", 303)]
)
def test_a_bad_name_is_told_at_its_field_and_the_rest_stays(alice: Forms, name: str, status: int) -> None:
    answer = alice.post("/new/service-account", {"name": name, "description": "kept <b>"})
    assert answer.status_code == status
    if status != 303:
        assert "problem-name" in answer.text and 'value="kept &lt;b&gt;"' in answer.text


def test_a_secret_is_shown_once_and_is_good_until_the_next(cast: Cast, alice: Forms) -> None:
    first = secret_on(alice.post(f"{AT}/tokens", TOKEN).text)
    page = alice.get(AT).text
    assert "nightly" in page and first not in page and "<script>alert" not in page
    [token] = cast.house.services.service_accounts.tokens(cast.people["alice"], "ci")
    second = secret_on(alice.post(f"{AT}/tokens/{token.id}/rotate", {"days": "3"}).text)
    login = cast.house.services.login
    known = login.resolve(second)
    assert login.resolve(first) is None and known is not None and known[0].username == "svc:ci"
    assert alice.post(f"{AT}/tokens/{token.id}/revoke").status_code == 303
    assert login.resolve(second) is None
    assert alice.post(f"{AT}/tokens/{token.id}/revoke").status_code == 404


@pytest.mark.parametrize(
    ("form", "field"),
    [({"name": ""}, "name"), ({"scopes": []}, "scopes"), ({"scopes": ["jobs:write"]}, "scopes"),
     ({"days": "91"}, "days"), ({"days": "x"}, "days")],
)  # fmt: skip
def test_a_bad_token_is_told_at_its_field(alice: Forms, form: dict[str, object], field: str) -> None:
    answer = alice.post(f"{AT}/tokens", TOKEN | form)
    assert answer.status_code == 422 and f'id="problem-{field}"' in answer.text


def test_who_looks_after_the_site_stops_it_and_speaks_not_by_it(cast: Cast, alice: Forms) -> None:
    root1 = cast.house.browser("root1")
    assert "New token" in alice.get(AT).text and "New token" not in root1.get(AT).text
    assert root1.post(f"{AT}/tokens", TOKEN).status_code == 403
    assert root1.post(f"{AT}/disable").status_code == 303
    assert "only an administrator enables it" in alice.get(AT).text
    assert alice.post(f"{AT}/enable").status_code == 403
    assert root1.post(f"{AT}/enable").status_code == 303
    assert alice.post(f"{AT}/disable").status_code == alice.post(f"{AT}/enable").status_code == 303
    for who in ("carol", "erin"):
        browser = cast.house.browser(who)
        assert browser.get(AT).status_code == browser.post(f"{AT}/disable").status_code == 404
        assert browser.get("/service-accounts/nothing").status_code == 404


def test_every_scope_it_may_have_is_offered_in_words() -> None:
    assert tuple(SCOPE_WORDS) == SCOPES


def test_it_is_deleted_once_its_name_was_typed(alice: Forms) -> None:
    answer = alice.post(f"{AT}/delete", {"confirm": "cj"})
    assert answer.status_code == 422 and "problem-confirm" in answer.text
    assert alice.post(f"{AT}/delete", {"confirm": "ci"}).headers["Location"] == "/me"
    assert alice.get(AT).status_code == 404


def test_its_page_tells_what_it_has_and_what_it_did(cast: Cast, alice: Forms) -> None:
    cast.sharing.give(cast.asker("alice"), VOLUME, CI, [Action.READ])
    cast.groups.invite(cast.asker("alice"), "survey", CI)
    secret = secret_on(alice.post(f"{AT}/tokens", TOKEN | {"scopes": ["groups:write"]}).text)
    client = cast.house.app.test_client()
    bearer = {"Authorization": f"Bearer {secret}"}
    client.post("/api/v1/groups/survey/invite", json={"member": {"kind": "user", "name": "erin"}},
                headers=bearer)  # fmt: skip
    page = alice.get(AT).text
    assert "may read" in page and '<a href="/groups/survey">survey</a>' in page
    assert "<strong>svc:ci</strong> tried to invite" in page and "nightly: groups:write" in page
    members = alice.get("/groups/survey").text
    assert "service account</span> ci" in members and "of <span" in members


def test_managers_answer_its_invitations_on_their_pages(cast: Cast) -> None:
    known = cast.house.services.service_accounts
    known.create(cast.asker("erin"), "hers")
    assert not cast.groups.invite(cast.asker("alice"), "survey", user("svc:hers")).counts
    erin = cast.house.browser("erin")
    assert cast.groups.waiting(cast.people["erin"]) == 1
    assert "invites your service account hers" in erin.get("/groups").text
    answer = erin.post("/groups/survey/accept", {"member": "service_account:hers"})
    membership = cast.house.store.membership("survey", user("svc:hers"))
    assert answer.status_code == 303 and membership is not None and membership.status is Status.ACCEPTED
    assert "Its members see who is in it" in erin.get("/groups/survey").text
    assert "Take out of survey" in erin.get("/service-accounts/hers").text
    assert erin.post("/groups/survey/leave", {"member": "service_account:hers"}).status_code == 303
    assert erin.get("/groups/lab").status_code == 404


def test_a_private_groups_page_is_its_programs_managers_too(cast: Cast) -> None:
    known, erin = cast.house.services.service_accounts, cast.house.browser("erin")
    known.create(cast.asker("erin"), "hers")
    assert erin.get("/groups/lab").status_code == 404
    owner = cast.groups.get(cast.people["root1"], "lab").group.owner
    cast.groups.invite(cast.asker(owner), "lab", user("svc:hers"))
    assert "invites your service account hers" in erin.get("/groups/lab").text
    assert erin.post("/groups/lab/accept", {"member": "service_account:hers"}).status_code == 303
    assert erin.get("/groups/lab").status_code == 200
    assert erin.get("/groups/lab").text.count("Its members see who is in it") == 1


def test_it_is_found_where_people_are_chosen(cast: Cast, alice: Forms) -> None:
    for typed in ("ci", "svc:ci"):
        page = alice.post(SHARE, {"q": typed, "action": "find"}).text
        assert 'value="service_account:ci"' in page


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_its_pages_are_accessible_and_fit(
    cast: Cast, alice: Forms, browser: Browser, url: str, width: dict[str, int], dark: bool
) -> None:
    known, asker = cast.house.services.service_accounts, cast.asker("alice")
    cast.groups.invite(asker, "survey", CI)
    for name in ("nightly", "a-name-without-any-place-to-break-" + "x" * 20):
        known.make_token(asker, "ci", name, [Scope.JOBS_READ, Scope.GRANTS_WRITE], timedelta(days=3))
    with page_of(browser, url, width=width, dark=dark) as page:
        log_in(page, "alice")
        for path in ("/me", "/new/service-account", AT, "/groups/survey"):
            page.goto(path)
            for summary in page.locator("summary").all():
                summary.click()
            check(page)
        page.goto(AT)
        page.get_by_label("Name", exact=True).fill("hourly")
        page.get_by_role("checkbox", name="jobs:read").check()
        page.get_by_role("button", name="Make token").click()
        expect(page.get_by_role("status")).to_contain_text("shown this once")
        check(page)
