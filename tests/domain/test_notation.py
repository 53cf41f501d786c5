"""What people write for things, people and rights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain import notation
from sciserver_hpc.domain.access import Action, Resource, ResourceKind, Subject, SubjectKind, nameable

NAMES = st.text(min_size=1, max_size=255).filter(nameable)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("Storage/alice/shared", "user_volume", "Storage/alice/shared"),
        ("job:17", "job", "17"),
        ("image:python", "image", "python"),
        ("domain:batch", "domain", "batch"),
        ("data:sunspots", "data_volume", "sunspots"),
        ("root:Storage", "root_volume", "Storage"),
        ("group:survey", "group", "survey"),
    ],
)
def test_things(text: str, kind: str, name: str) -> None:
    assert notation.thing(text) == Resource(kind=kind, name=name)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("bob", "user", "bob"),
        ("group:survey", "portal_group", "survey"),
        ("directory:astro", "group", "astro"),
        ("everyone", "everyone", ""),
    ],
)
def test_subjects(text: str, kind: str, name: str) -> None:
    assert notation.subject(text) == Subject(kind=kind, name=name)


@pytest.mark.parametrize(
    "text", ["", "python", "planet:mars", "job:", "a/b", "image:a\nb", "image:" + "x" * 256]
)
def test_what_is_no_thing_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"no thing|1 to 255|not printable"):
        notation.thing(text)


@pytest.mark.parametrize("text", ["", "planet:mars", "group:", "b\u202eob"])
def test_who_is_nobody_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"nobody|1 to 255|not printable"):
        notation.subject(text)


@given(st.builds(Resource, kind=st.sampled_from(ResourceKind), name=NAMES | st.just("a/b/c")))
def test_every_thing_can_be_written_and_read_again(resource: Resource) -> None:
    assert notation.thing(notation.written(resource)) == resource


@given(st.builds(Subject, kind=st.sampled_from(sorted(set(SubjectKind) - {"everyone"})), name=NAMES))
def test_every_subject_can_be_named_and_read_again(subject: Subject) -> None:
    assert notation.subject(notation.named(subject)) == subject


def test_actions_and_roles_may_be_mixed() -> None:
    volume = ResourceKind.USER_VOLUME
    assert notation.actions(volume, ["writer", "grant"]) == (Action.GRANT, Action.READ, Action.WRITE)
    assert notation.actions(volume, ["read", "read"]) == (Action.READ,)
    with pytest.raises(ValueError, match="with an image; there are use, grant, user, manager"):
        notation.actions(ResourceKind.IMAGE, ["reader"])
