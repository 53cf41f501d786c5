"""Services beside an app: what of a singularity-compose file is taken, and in which order they begin."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sciserver_hpc.compose_files import format_problem
from sciserver_hpc.domain.apps import App
from sciserver_hpc.domain.catalogue import ComputeDomain, Image, Site
from sciserver_hpc.domain.compose import Service, services_of
from sciserver_hpc.domain.jobs import ServiceImage
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.withdrawal import stranded
from tests.fakes.sessions import make_session_job


def one(**changes: Any) -> dict[str, Any]:
    return {"image": "postgres", "exec": {"command": "serve"}} | changes


def file(**instances: Any) -> dict[str, Any]:
    return {"version": "2.0", "instances": instances}


def wrong(document: dict[str, Any]) -> str:
    with pytest.raises(ValueError) as caught:
        services_of(document)
    error = caught.value
    if isinstance(error, ValidationError):
        return "; ".join(f"{field}: {text}" for field, text in problems(error).items())
    return str(error)


def test_a_service_is_an_image_and_a_command() -> None:
    assert services_of(file(database=one())) == (Service(name="database", image="postgres", command="serve"),)


def test_what_one_depends_on_begins_before_it_and_the_rest_as_written() -> None:
    web, cache = one(depends_on=["cache", "database"]), one(depends_on=["database"])
    found = services_of(file(web=web, cache=cache, database=one(), last=one()))
    assert [service.name for service in found] == ["database", "cache", "web", "last"]


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        (one(image="docker://postgres:15"), "instances.database.image: must be letters, digits"),
        (one(image="/srv/images/postgres.sif"), "instances.database.image: must be letters, digits"),
        (one(image="../postgres"), "instances.database.image: must be letters, digits"),
        ({"exec": {"command": "serve"}}, "instances.database.image: is required"),
        ({"image": "postgres"}, "instances.database.exec: is required"),
        (one(exec={"command": ""}), "is empty"),
        (one(exec={"command": "serve", "options": ["fakeroot"]}), "options: is no known field"),
        (one(exec={"command": "serve\0"}), "NUL byte"),
        (one(build={"context": "."}), "instances.database.build: an image is one of the catalogue"),
        (one(ports=["5432:5432"]), "instances.database.ports: services have no network"),
        (one(network={"enable": True}), "services have no network"),
        (one(volumes=["/etc:/etc"]), "a service sees the session's home and volumes"),
        (one(volumes_from=["x"]), "a service sees the session's home and volumes"),
        (one(start={"options": ["privileged"]}), "stands in `exec"),
        (one(run=[]), "stands in `exec"),
        (one(post={"commands": ["id"]}), "stands in `exec"),
        (one(deploy={"replicas": 2}), "there is one of each service"),
        (one(environment={"A": "b"}), "environment: is no known field"),
        (one(depends_on=["nobody"]), "instances.database depends on nobody, which is not there"),
        (one(depends_on=["database"]), "database wait for each other for ever"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(instance: dict[str, Any], words: str) -> None:
    assert words in wrong(file(database=instance))


@pytest.mark.parametrize("name", ["Database", "a/b", "..", "-x", "a b", "é", "x" * 33, ""])
def test_names_are_plain(name: str) -> None:
    assert wrong(file(**{name: one()}))


def test_a_circle_is_told() -> None:
    assert (
        wrong(file(a=one(depends_on=["b"]), b=one(depends_on=["a"])))
        == "a and b wait for each other for ever"
    )


@pytest.mark.parametrize("document", [file(), {"version": "1"}, file(a=one()) | {"networks": {}}])
def test_a_file_has_services_and_nothing_else(document: dict[str, Any]) -> None:
    assert wrong(document)


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True)
INSTANCES = st.fixed_dictionaries(
    {
        "image": st.text(max_size=5) | st.just("postgres"),
        "exec": st.fixed_dictionaries({"command": st.text(max_size=5) | st.integers()}),
    },
    optional={"depends_on": st.lists(NAMES, max_size=2) | st.text(max_size=2)},
)


@given(st.fixed_dictionaries({"version": st.text(max_size=3) | st.floats(),
                              "instances": st.dictionaries(NAMES, INSTANCES, max_size=3)}))  # fmt: skip
def test_whatever_is_taken_is_of_the_librarys_format(document: dict[str, Any]) -> None:
    """By singularity-compose's own schema; and the order is one in which they can begin."""
    try:
        services = services_of(document)
    except ValueError:
        return
    assert format_problem(document) == ""
    App(name="a", version="1", title="A", tested=True, start="true", services=services)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"instances": {}}, "the file: 'version' is a required property"),
        ({"version": 2, "instances": {}}, "version: 2 is not of type 'string'"),
        (file(a={"image": 3}), "instances.a.image: 3 is not of type 'string'"),
        (file(a=one(exec={})), "instances.a.exec: 'command' is a required property"),
        ([], "the file: [] is not of type 'object'"),
    ],
)
def test_the_librarys_schema_tells_what_is_no_such_file(document: Any, words: str) -> None:
    assert format_problem(document) == words


def test_an_app_starts_its_services_in_their_order() -> None:
    first = Service(name="a", image="i", command="c")
    second = Service(name="b", image="i", command="c", depends_on=("a",))
    words = {"name": "a", "version": "1", "title": "A", "tested": True, "start": "true"}
    assert App(**words, services=(first, second)).service_images == {"i"}
    for services in ((second, first), (first, first)):
        with pytest.raises(ValidationError):
            App(**words, services=services)


def test_a_session_is_stranded_where_a_services_image_goes() -> None:
    numbers: dict[str, Any] = {
        "version": "1",
        "path": "/i.sif",
        "sha256": "ab" * 32,
        "size": 1,
        "mtime_ns": 1,
    }
    spec = make_session_job().spec
    spec = spec.model_copy(update={"services": (ServiceImage(service="db", image="postgres", **numbers),)})
    images = tuple(Image(name=name, **numbers) for name in (spec.image, "postgres"))
    domain = ComputeDomain(name=spec.domain, partition="p", images=(spec.image, "postgres"))
    old = Site(domains=(domain,), images=images)
    less = Site(domains=(domain.model_copy(update={"images": (spec.image,)}),), images=images)
    assert stranded(old, less, [spec]) == {f"image postgres in domain {spec.domain}": 1}
    gone = less.model_copy(update={"images": images[:1]})
    assert stranded(old, gone, [spec]) == {"image postgres": 1}
