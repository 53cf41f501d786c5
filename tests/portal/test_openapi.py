"""The API's document says what the API does."""

from __future__ import annotations

import re
from pathlib import Path

from portal.api import ROUTES

from .house import House

PAGE = Path(__file__).parents[2] / "docs" / "api" / "README.md"


def test_every_route_of_the_api_is_described(house: House) -> None:
    document = house.browser().get("/api/v1/openapi.json").json
    described = {(m.upper(), p) for p, operations in document["paths"].items() for m in operations}
    there = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in house.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == there
    assert document["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere(house: House) -> None:
    answer = house.browser().get("/api/v1/openapi.json")
    schemas = answer.json["components"]["schemas"]
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert wanted and wanted <= set(schemas)
    assert "#/$defs/" not in answer.text


def test_every_operation_has_its_own_name_and_words(house: House) -> None:
    paths = house.browser().get("/api/v1/openapi.json").json["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and operation["responses"]["default"] for operation in operations)


def test_the_page_in_the_docs_names_every_route_and_its_scope() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for route in ROUTES:
        rule = re.sub(r"<int:\w+>", "<id>", route.rule)
        line = next((line for line in text.splitlines() if f"`{route.method} {rule}`" in line), "")
        assert line, f"{route.method} {rule}"
        if route.access.scope:
            assert f"`{route.access.scope}`" in line
