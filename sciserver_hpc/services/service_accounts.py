"""Service accounts: made, described, disabled, ended; their tokens made, rotated, revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from ..domain import service_accounts as rules
from ..domain.access import Grant, Resource, ResourceKind, Subject, SubjectKind
from ..domain.audit import Asker
from ..domain.errors import Conflict, Invalid, NotFound, Refused
from ..domain.groups import Description, Membership, Status, portal_group, user
from ..domain.model import Model
from ..domain.people import Person
from ..domain.service_accounts import Managing, ServiceAccount
from ..domain.tokens import Scope, Token, TokenKind, token_problems
from ..ports import Clock, Store
from .digest import digest, new_secret
from .trail import Act, Trail

LONGEST_PAGE = 500


class AccountSeen(Model):
    """An account as one person sees it. mine: they manage it."""

    account: ServiceAccount
    mine: bool


class ServiceAccounts:
    """The use cases. An account one neither manages nor looks after as an administrator is NotFound.

    longest: the most a token may live.
    """

    def __init__(self, store: Store, clock: Clock, longest: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._trail = Trail(store, clock)
        self.longest = longest

    # looking --------------------------------------------------------------------------------------
    def mine(self, person: Person) -> list[ServiceAccount]:
        """Those the person manages, by name."""
        owners = [user(person.username), *self.groups(person)]
        return self._store.service_accounts_of(owners)

    def groups(self, person: Person) -> list[Subject]:
        """The groups in whose name the person may make accounts."""
        named = self._store.administered(person.username)
        return [portal_group(name) for name in named]

    def every(self, person: Person, after: str = "", limit: int = 100) -> list[ServiceAccount]:
        """All of the site's, by name, for its administrators. Raises Refused."""
        if not person.admin:
            raise Refused({"service accounts": "only administrators list those of others"})
        return self._store.service_accounts(after, max(1, min(limit, LONGEST_PAGE + 1)))

    def get(self, person: Person, name: str) -> AccountSeen:
        """One. Raises NotFound."""
        managing = self._managing(person, name)
        return AccountSeen(account=managing.account, mine=managing.manages)

    def tokens(self, person: Person, name: str) -> list[Token]:
        """Its live tokens, newest first. Raises NotFound."""
        account = self._managing(person, name).account
        return self._store.tokens(account.caller, self._clock.now())

    def standing(self, person: Person, name: str) -> tuple[dict[str, bool], list[Grant]]:
        """The groups it is in, by name (True: itself a member), and the live grants that reach it.

        Raises NotFound.
        """
        account, now = self._managing(person, name).account, self._clock.now()
        reached, grants = self._store.reaching([account.subject])
        itself = {one.group for one in self._store.memberships_of([account.subject], [Status.ACCEPTED])}
        names = sorted(one.name for one in reached if one.kind is SubjectKind.PORTAL_GROUP)
        return {name: name in itself for name in names}, [grant for grant in grants if grant.lives(now)]

    def owners(self, members: Iterable[Subject]) -> dict[str, Subject]:
        """Whose the service accounts among `members` are, by name."""
        names = [member.name for member in members if member.kind is SubjectKind.SERVICE]
        found = ((name, self._store.service_account(name)) for name in names)
        return {name: account.owner for name, account in found if account is not None}

    # the account itself ---------------------------------------------------------------------------
    def create(
        self, asker: Asker, name: str, description: Description = "", owner: Subject | None = None
    ) -> tuple[ServiceAccount, bool]:
        """Make one, for oneself or for a group; False with the one the asker made so before.

        Raises Refused, Conflict.
        """
        person = asker.person
        account = ServiceAccount(
            name=name,
            owner=owner or user(person.username),
            description=description,
            created_by=person.username,
            created_at=self._clock.now(),
        )
        told = Act("service.create", account.resource, account.owner, owner=account.person)
        with self._trail.acting(asker, told) as act:
            managing = Managing(person, account, self._membership(person, account.owner))
            there = self._store.service_account(name)
            if there is not None and managing.manages and _same(there, account):
                act.told = False
                return there, False
            made = rules.create(
                managing,
                owned=len(self._store.service_accounts_of([account.owner])),
                once_used=self._store.service_account_once(name),
            )
            self._store.add_service_account(made)
            return made, True
        raise AssertionError("the block above returns or raises")

    def describe(self, asker: Asker, name: str, description: Description) -> AccountSeen:
        """Change the words. Raises NotFound, Refused."""
        return self._change(asker, "describe", name, lambda managing: rules.describe(managing, description))

    def disable(self, asker: Asker, name: str) -> AccountSeen:
        """Stop its tokens. Raises NotFound, Refused."""
        return self._change(asker, "disable", name, lambda m: rules.disable(m, self._clock.now()))

    def enable(self, asker: Asker, name: str) -> AccountSeen:
        """Let its tokens be good again. Raises NotFound, Refused."""
        return self._change(asker, "enable", name, rules.enable)

    def delete(self, asker: Asker, name: str) -> None:
        """End it with its tokens, memberships and the grants to it. Raises NotFound, Refused."""
        self._managing(asker.person, name)
        with self._trail.acting(asker, Act("service.delete", _on(name))) as act:
            managing = self._managing(asker.person, name)
            act.owner = managing.account.person
            managing.need(tending=True)
            self._store.delete_service_account(managing.account, self._clock.now())

    # its tokens -----------------------------------------------------------------------------------
    def make_token(
        self, asker: Asker, name: str, label: str, scopes: Iterable[Scope], lifetime: timedelta
    ) -> tuple[str, Token]:
        """Make a token; return its secret, which is shown once, and its row.

        Raises NotFound, Invalid, Refused, Conflict (it has as many as it may).
        """
        self._managing(asker.person, name)
        wanted, secret, label = frozenset(scopes), new_secret(), label.strip()
        act = Act("service.token", _on(name), detail=f"{label[:64]}: {' '.join(sorted(wanted))}")
        with self._trail.acting(asker, act):
            account, now = self._speaking(asker, act), self._clock.now()
            if problems := token_problems(label, wanted, lifetime, self.longest, rules.SCOPES):
                raise Invalid(problems)
            if len(self._store.tokens(account.caller, now)) >= rules.MOST_TOKENS:
                raise Conflict(f"{account.subject} has {rules.MOST_TOKENS} live tokens; revoke one first.")
            hashed, end = digest(secret), now + lifetime
            made = self._store.add_token(account.caller, TokenKind.SERVICE, label, wanted, hashed, now, end)
            return secret, made
        raise AssertionError("the block above returns or raises")

    def rotate(self, asker: Asker, name: str, token_id: int, lifetime: timedelta) -> tuple[str, Token]:
        """Give a token another secret and end; the old secret is good no more.

        Raises NotFound, Invalid, Refused.
        """
        self._managing(asker.person, name)
        secret, act = new_secret(), Act("service.rotate", _on(name), detail=self._label(name, token_id))
        with self._trail.acting(asker, act):
            account, now = self._speaking(asker, act), self._clock.now()
            if problems := token_problems("any", rules.SCOPES, lifetime, self.longest, rules.SCOPES):
                raise Invalid(problems)
            end = now + lifetime
            made = self._store.rotate_token(account.caller, token_id, digest(secret), now, end)
            if made is None:
                raise _no_token(name, token_id)
            return secret, made
        raise AssertionError("the block above returns or raises")

    def revoke(self, asker: Asker, name: str, token_id: int) -> None:
        """End a token. Raises NotFound, Refused."""
        self._managing(asker.person, name)
        act = Act("service.revoke", _on(name), detail=self._label(name, token_id))
        with self._trail.acting(asker, act):
            managing = self._managing(asker.person, name)
            act.owner = managing.account.person
            managing.need(tending=True)
            if not self._store.revoke_token(managing.account.caller, token_id):
                raise _no_token(name, token_id)

    def give_up(self, asker: Asker, token: Token) -> None:
        """End the token of a service account that this is asked with."""
        me = user(asker.person.username)
        with self._trail.acting(asker, Act("service.revoke", _on(me.name), detail=token.name)) as act:
            act.told = self._store.revoke_token(token.username, token.id)

    # ------------------------------------------------------------------------------------------------
    def _change(
        self, asker: Asker, verb: str, name: str, rule: Callable[[Managing], ServiceAccount | None]
    ) -> AccountSeen:
        self._managing(asker.person, name)
        with self._trail.acting(asker, Act(f"service.{verb}", _on(name))) as act:
            managing = self._managing(asker.person, name)
            act.owner = managing.account.person
            changed = rule(managing)
            if changed is None:
                act.told = False
            else:
                self._store.change_service_account(changed)
        return self.get(asker.person, name)

    def _speaking(self, asker: Asker, act: Act) -> ServiceAccount:
        """The account, for who may speak by it. Raises NotFound, Refused."""
        managing = self._managing(asker.person, act.on.name)
        act.owner = managing.account.person
        managing.need()
        return managing.account

    def _managing(self, person: Person, name: str) -> Managing:
        """Who asks about which account. Raises NotFound."""
        account = self._store.service_account(name)
        if account is not None:
            managing = Managing(person, account, self._membership(person, account.owner))
            if managing.manages or person.admin:
                return managing
        raise NotFound(f"There is no service account {name} that you may know of.")

    def _membership(self, person: Person, owner: Subject) -> Membership | None:
        if owner.kind is not SubjectKind.PORTAL_GROUP:
            return None
        return self._store.membership(owner.name, user(person.username))

    def _label(self, name: str, token_id: int) -> str:
        """What the token is called, for the trail. Raises NotFound."""
        account = self._store.service_account(name)
        live = self._store.tokens(account.caller, self._clock.now()) if account else []
        label = next((token.name for token in live if token.id == token_id), None)
        if label is None:
            raise _no_token(name, token_id)
        return label


def _on(name: str) -> Resource:
    return Resource(kind=ResourceKind.SERVICE, name=name)


def _no_token(name: str, token_id: int) -> NotFound:
    return NotFound(f"Service account {name} has no live token {token_id}.")


def _same(there: ServiceAccount, asked: ServiceAccount) -> bool:
    words = {"owner", "description"}
    return there.model_dump(include=words) == asked.model_dump(include=words)
