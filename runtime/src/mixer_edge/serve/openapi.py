"""The API's description in OpenAPI 3.1, and as a page, from the endpoints and their dataclasses."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from http import HTTPStatus
from typing import Any, Literal

import mixer_edge
from mixer_edge.serve.endpoint import Endpoint

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def describe(endpoints: Sequence[Endpoint], title: str) -> dict[str, Any]:
    """Return the OpenAPI document of these endpoints."""
    schemas: dict[str, Any] = {"Error": {"type": "object", "properties": {"error": {"type": "string"}}}}
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.shown_path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": mixer_edge.__version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def page(document: Mapping[str, Any], style: str) -> str:
    """Return an OpenAPI document as a page without scripts."""
    schemas = document["components"]["schemas"]
    requests, answers = [], []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = ", ".join(operation.get("requestBody", {}).get("content", {}))
            codes = ", ".join(code for code in operation["responses"] if code != "200")
            requests.append(
                f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(operation['description'])}"
                + (f" Reads {escape(body)}." if body else "")
                + f"</td><td>{_link(_short(operation['responses']['200']), schemas)}</td><td>{codes}</td></tr>"
            )
    for name, schema in schemas.items():
        fields_of = "".join(
            f"<tr><td><code>{escape(field)}</code></td><td>{_link(_type(spec), schemas)}</td></tr>"
            for field, spec in schema["properties"].items()
        )
        answers.append(f"<h2 id='{escape(name)}'>{escape(name)}</h2><table>{fields_of}</table>")
    title = escape(document["info"]["title"])
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>API of {title}</title><style>{style}</style></head><body><main><h1>API of {title}</h1>"
        "<p><a href='/'>The page</a>, <a href='/openapi.json'>openapi.json</a>. Every error is an "
        f"<a href='#Error'>Error</a>.</p><table><tr><th>request<th>what it does<th>answer<th>errors{''.join(requests)}"
        f"</table>{''.join(answers)}</main></body></html>"
    )


def _link(text: str, schemas: Mapping[str, Any]) -> str:
    """Return text as HTML, with a link for the name of a schema in it."""
    return re.sub(
        r"\w+", lambda word: f"<a href='#{word[0]}'>{word[0]}</a>" if word[0] in schemas else word[0], escape(text)
    )


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    description = " ".join((inspect.getdoc(endpoint.handler) or "").replace("``", "").split())
    if isinstance(endpoint.answer, str):
        content: dict[str, Any] = {endpoint.answer: {}}
    else:
        content = {"application/json": {"schema": _schema(endpoint.answer, schemas)}}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "summary": description.partition(". ")[0].removesuffix("."),
        "description": description,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)", endpoint.shown_path)
        ]
        + [{"name": name, "in": "query", "schema": {"type": "integer", "minimum": 1}} for name in endpoint.query],
        "responses": {"200": {"description": "OK", "content": content}}
        | {str(code): {"description": HTTPStatus(code).phrase, "content": refusal} for code in endpoint.errors},
    }
    if endpoint.changes:
        operation["security"] = [{"token": []}]
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": {media: {} for media in endpoint.body}}
    return operation


def _schema(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a type; dataclasses go into ``schemas``."""
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in schemas:
            hints = typing.get_type_hints(hint)
            schemas[hint.__name__] = {}
            schemas[hint.__name__] = {
                "type": "object",
                "required": [field.name for field in fields(hint)],
                "properties": {field.name: _schema(hints[field.name], schemas) for field in fields(hint)},
            }
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(option, schemas) for option in arguments]}
    if hint is type(None):
        return {"type": "null"}
    if origin in (tuple, list):
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    if hint is Any:
        return {}
    raise TypeError(f"no JSON schema for {hint}")


def _short(answer: Mapping[str, Any]) -> str:
    (media, content), *_ = answer["content"].items()
    return _type(content["schema"]) if "schema" in content else str(media)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "anything"))
