"""OpenAPI 3.1 of a user's functions (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from .problems import CONTENT_TYPE
from .program import Program
from .signature import Parameter, Signature
from .values.formats import FORMATS, NAN_POLICIES

#: What an answer other than a result means, by status.
_PROBLEMS = {
    "400": "The request cannot be understood.",
    "401": "The token does not let it pass.",
    "403": "The request may not pass.",
    "404": "There is no such notebook.",
    "406": "None of the forms that Accept names is known.",
    "409": "The notebook cannot be called: the text says what to change in it.",
    "413": "The request is too long.",
    "415": "The body is no JSON.",
    "422": "The parameters do not fit; `errors` names all that is wrong.",
    "429": "Too many calls of this notebook wait already.",
    "500": "The notebook failed: `exception`, `message` and `cell` say where; or its result has no such form.",
    "503": "Too many calls wait already.",
    "504": "The call took too long, and was ended.",
}
#: Statuses of refusals of the site, which comes before the user server and answers all programs alike.
_BY_THE_SITE = frozenset(("400", "401", "403", "404", "413", "429", "503", "504"))
_STYLES = {"list": {"style": "form", "explode": True}}


def document(functions: Sequence[tuple[str, Program, Signature]], *, base_url: str, title: str) -> dict[str, Any]:
    """Return the OpenAPI document of functions.

    Args:
        functions: path of the notebook, what runs, and its parameters.
        base_url: URL path of the user server, with a slash at both ends.
        title: of the document.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": base_url}],
        "paths": {
            f"/restified/{quote(path)}": _path(path, program, signature) for path, program, signature in functions
        },
        "components": {
            "schemas": {"Problem": _problem_schema(), "Refusal": _refusal_schema()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _path(path: str, program: Program, signature: Signature) -> dict[str, Any]:
    shared = {
        "summary": program.title or path,
        "description": program.description,
        "responses": _responses(),
    }
    identity = quote(path.removesuffix(".ipynb"), safe="").replace("%", "_").replace(".", "_")
    names = {parameter.name for parameter in signature.parameters}
    body: dict[str, Any] = {"content": {"application/json": {"schema": signature.json_schema()}}}
    if any(parameter.required for parameter in signature.parameters):
        body["required"] = True
    ours = [_ours(name, schema) for name, schema in _OURS.items() if name not in names]
    return {
        "get": {
            **shared,
            "operationId": f"get_{identity}",
            "parameters": [*map(_parameter, signature.parameters), *ours],
        },
        "post": {**shared, "operationId": f"post_{identity}", "requestBody": body, "parameters": ours},
    }


_OURS = {
    "format": {"type": "string", "enum": ["", *FORMATS]},
    "nan": {"type": "string", "enum": list(NAN_POLICIES), "default": "error"},
}
_ABOUT = {
    "format": "Form of the result; what Accept says does not count then, unless this is empty.",
    "nan": "What becomes of NaN and infinities in JSON, which has no words for them.",
}


def _ours(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": _ABOUT[name], "schema": schema}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    told: dict[str, Any] = {"name": parameter.name, "in": "query", "required": parameter.required}
    schema = {name: value for name, value in parameter.schema.items() if name != "description"}
    if parameter.description:
        told["description"] = parameter.description
    if parameter.style == "json":
        return told | {"content": {"application/json": {"schema": schema}}}
    return told | _STYLES.get(parameter.style, {}) | {"schema": schema}


def _responses() -> dict[str, Any]:
    kinds: dict[str, Any] = {form.media_type: {} for form in FORMATS.values() if form.name != "file"}
    problem = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}, "text/html": {}}
    return {
        "200": {"description": "What the notebook returned.", "content": kinds},
        "202": {
            "description": "The call goes on; Location says where to ask about it.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **{
            status: {"description": text, "content": problem | (refusal if status in _BY_THE_SITE else {})}
            for status, text in _PROBLEMS.items()
        },
        "default": {"description": "What the notebook answers by a Response of its own.", "content": {"*/*": {}}},
    }


def _refusal_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "Why the site does not pass the request on.",
        "required": ["error", "message"],
        "properties": {"error": text, "message": text},
    }


def _problem_schema() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "integer"}
    fault = {"type": "object", "properties": {"parameter": text, "detail": text, "code": text}}
    return {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": number,
            "detail": text,
            "errors": {"type": "array", "items": fault},
            "exception": text,
            "message": text,
            "cell": number,
            "traceback": {"type": "array", "items": text},
        },
    }
