"""The OpenAPI 3.1 document, made from the route table and the models."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flask import Response, jsonify
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ..guard import Access
from .models import ErrorAnswer
from .routes import Route

PREFIX = "/api/v1"
REFS = "#/components/schemas/{model}"
_described: list[Route] = []


def describe(routes: tuple[Route, ...]) -> None:
    """Say which routes the document is about."""
    _described[:] = routes


def openapi() -> Response:
    """The document itself."""
    return jsonify(document(tuple(_described)))


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the document of `routes`."""
    models = {m for route in routes for m in (route.body, route.answer) if m is not None} | {ErrorAnswer}
    wanted = [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)]
    schemas = models_json_schema(wanted, ref_template=REFS)[1]["$defs"]  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "SciServer HPC", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path(route: Route) -> str:
    return PREFIX + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [] if route.access.public else [{"bearer": _scopes(route)}],
        "parameters": [*_in_path(route), *_in_query(route), *_in_header(route)],
        "responses": {
            str(route.status): _success(route),
            "default": _content(ErrorAnswer, "What went wrong."),
        },
    }
    if route.body is not None:
        operation["requestBody"] = _content(route.body) | {"required": True}
    return operation


def _scopes(route: Route) -> list[str]:
    return [str(route.access.scope)] if route.access.scope else []


def _success(route: Route) -> dict[str, Any]:
    if route.answer is not None:
        return _content(route.answer, "Done.")
    if route.status == 204:
        return {"description": "Done."}
    return {"description": "Done.", "content": {route.media: {"schema": {"type": "string"}}}}


def _content(model: type[BaseModel], description: str | None = None) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": {"$ref": REFS.format(model=model.__name__)}}}}
    return content if description is None else {"description": description, **content}


def _in_path(route: Route) -> list[dict[str, Any]]:
    types = {"int:": "integer", "path:": "string", "": "string"}
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": types[converter]}}
        for converter, name in re.findall(r"<(int:|path:|)(\w+)>", route.rule)
    ]


def _in_query(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    return [
        {"name": name, "in": "query", "schema": _inlined(field, schema.get("$defs", {}))}
        for name, field in schema["properties"].items()
    ]


def _inlined(field: Any, definitions: dict[str, Any]) -> Any:
    """A query model's schema with its references replaced: it is no component."""
    if isinstance(field, list):
        return [_inlined(part, definitions) for part in field]
    if not isinstance(field, dict):
        return field
    if "$ref" in field:
        return definitions[field["$ref"].rpartition("/")[2]]
    return {key: _inlined(part, definitions) for key, part in field.items()}


def _in_header(route: Route) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in route.headers]


ROUTES = (Route("GET", "/openapi.json", openapi, Access(public=True), "This document."),)
