"""What a route of the API is: its rule, view, access and the models of what goes in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError

from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.problems import problems

from ..guard import Access, allow

Asked = TypeVar("Asked", bound=BaseModel)


@dataclass(frozen=True)
class Route:
    """One line of the route table.

    summary: a sentence for the document. body, query, answer: models; answer is None where bytes or nothing
    come back.
    """

    method: str
    rule: str
    view: Callable[..., Any]
    access: Access
    summary: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"
    headers: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The view's name: the endpoint's and the operation's."""
        return self.view.__name__


def register(blueprint: Blueprint, routes: tuple[Route, ...]) -> None:
    """Add each route with its access."""
    for route in routes:
        view = allow(route.access)(_as_json(route))
        blueprint.add_url_rule(route.rule, route.name, view, methods=[route.method])


def body(model: type[Asked]) -> Asked:
    """The request's JSON as `model`.

    Raises Invalid with a sentence per field.
    """
    try:
        return checked(model, request.get_json())
    except RecursionError as error:
        raise Invalid({"request": "nests too deep; flatten it, or put the data into a volume"}) from error


def query(model: type[Asked]) -> Asked:
    """The query string as `model`; the last of repeated keys counts.

    Raises Invalid with a sentence per field.
    """
    return checked(model, {key: values[-1] for key, values in request.args.lists() if values[-1] != ""})


def checked(model: type[Asked], data: Any) -> Asked:
    """`data` as `model`.

    Raises Invalid with a sentence per field.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Invalid(problems(error)) from error


def _as_json(route: Route) -> Callable[..., Any]:
    @wraps(route.view)
    def view(**arguments: Any) -> Any:
        result = route.view(**arguments)
        if not isinstance(result, BaseModel):
            return result
        return Response(result.model_dump_json(), route.status, mimetype="application/json")

    return view
