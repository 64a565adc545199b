"""The pages for people: what openapi.json says, and what each type of problem means. Plain HTML that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from darkroom.api.problems import Problem

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #5b6470; --paper: #fff; --raised: #f5f6f8; --line: #dde1e6; --accent: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --faint: #9aa4b0; --paper: #14171b; --raised: #1d2127; --line: #30363d; --accent: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 6rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 2rem; margin: 0 0 .25rem; letter-spacing: -.02em; }
h2 { margin: 3rem 0 .25rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.35rem; }
h4 { margin: 1.25rem 0 .25rem; font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--faint); }
a { color: var(--accent); text-underline-offset: .15em; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin-top: 1rem; }
.faint { color: var(--faint); }
code { font: .875em/1.4 ui-monospace, Menlo, Consolas, monospace; }
p code, td code { background: var(--raised); padding: .1em .3em; border-radius: 4px; }
details { margin: .5rem 0; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); }
summary { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; padding: .6rem .9rem; cursor: pointer; }
summary code { font-weight: 600; overflow-wrap: anywhere; }
.method { min-width: 4rem; color: var(--accent); }
details > div { padding: .25rem .9rem 1rem; border-top: 1px solid var(--line); background: var(--paper); border-radius: 0 0 8px 8px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td { padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); vertical-align: top; }
td:first-child { white-space: nowrap; }
tr:first-child td { border-top: 0; }
"""
_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=300",
}
_NAME = re.compile(r"/([^/]+)$")


def page(title: str, body: str) -> Response[str]:
    """Answer with a page, which a browser lets load and run nothing."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
    text = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
    return Response(HTTPStatus.OK, "text/html; charset=utf-8", text, headers=dict(_HEADERS))


def docs_page(document: Mapping[str, Any], problems: Iterable[Problem]) -> Response[str]:
    """Show a description of an API to people."""
    info, tags = document["info"], document["tags"]
    links = " ".join(f'<a href="#{escape(tag["name"])}">{escape(tag["name"])}</a>' for tag in tags)
    parts = [
        f'<h1>{escape(info["title"])}</h1><p class="faint">Version {escape(info["version"])} · <a href="openapi.json">openapi.json</a></p>',
        _prose(info["description"]),
        f'<nav>{links} <a href="#schemas">schemas</a> <a href="#problems">problems</a></nav>',
        *(_section(document, tag) for tag in tags),
        '<h2 id="schemas">schemas</h2>',
        *(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
        '<h2 id="problems">problems</h2><table>',
        *(
            f'<tr><td><a href="problems/{problem.slug}">{problem.slug}</a></td><td>{problem.status} {escape(problem.title)}</td></tr>'
            for problem in problems
        ),
        "</table>",
    ]
    return page(info["title"], "".join(parts))


def problem_page(problem: Problem) -> Response[str]:
    """Show a type of problem to whoever ran into it."""
    retry = (
        "<p>The same request may succeed later: <code>Retry-After</code> says when it is worth a try.</p>"
        if problem.retry_after_seconds
        else ""
    )
    body = (
        f'<h1>{escape(problem.title)}</h1><p class="faint"><code>{problem.type}</code> · HTTP {problem.status} {problem.status.phrase}</p>'
        f"<h4>What it means</h4>{_prose(problem.meaning)}<h4>What to do</h4>{_prose(problem.advice)}{retry}"
        '<p class="faint">Nothing is charged for what was refused. <a href="../docs">All of the API</a></p>'
    )
    return page(problem.title, body)


def _section(document: Mapping[str, Any], tag: Mapping[str, str]) -> str:
    operations = [
        _operation(method, path, operation)
        for path, methods in [*document["paths"].items(), *document["webhooks"].items()]
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    return f'<h2 id="{escape(tag["name"])}">{escape(tag["name"])}</h2><p class="faint">{escape(tag["description"])}</p>{"".join(operations)}'


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    public = ' <span class="faint">public</span>' if operation.get("security") == [] else ""
    parts = [_prose(operation.get("description", ""))]
    if parameters := operation.get("parameters"):
        parts += ["<h4>Parameters</h4>", _table(_parameter(parameter) for parameter in parameters)]
    if body := operation.get("requestBody"):
        parts += ["<h4>Body</h4>", f"<p>{_kind(body['content']['application/json']['schema'])}</p>"]
    parts += [
        "<h4>Responses</h4>",
        _table(
            (status, _response(response)) for status, response in operation["responses"].items()
        ),
    ]
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><code class="method">{escape(method.upper())}</code>'
        f"<code>{escape(path)}</code> <span>{_inline(operation['summary'])}</span>{public}</summary><div>{''.join(parts)}</div></details>"
    )


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, str]:
    required = ", required" if parameter.get("required") else ""
    return f"<code>{escape(parameter['name'])}</code>", (
        f'{_kind(parameter["schema"])} <span class="faint">in the {parameter["in"]}{required}</span><br>{_inline(parameter.get("description", ""))}'
    )


def _response(response: Mapping[str, Any]) -> str:
    kinds = " or ".join(
        f"{_kind(content['schema'])} <span class='faint'>{escape(kind)}</span>"
        for kind, content in response.get("content", {}).items()
    )
    headers = ", ".join(f"<code>{escape(name)}</code>" for name in response.get("headers", {}))
    return "<br>".join(
        filter(
            None,
            (
                _inline(response["description"]),
                kinds,
                headers and f'<span class="faint">with</span> {headers}',
            ),
        )
    )


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    fields = (
        (
            f"<code>{escape(field)}</code>",
            _kind(part) + ("" if field in required else ' <span class="faint">optional</span>'),
        )
        for field, part in schema.get("properties", {}).items()
    )
    inner = _prose(schema.get("description", "")) + (
        _table(fields) if "properties" in schema else f"<p>{_kind(schema)}</p>"
    )
    return f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary><div>{inner}</div></details>'


def _kind(schema: Mapping[str, Any]) -> str:
    """Say in a line what a schema takes."""
    if "$ref" in schema:
        name = escape(_NAME.search(schema["$ref"])[1])  # type: ignore[index]
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kinds = schema.get("type", "anything")
    limits = [f"{word} {schema[name]}" for name, word in _LIMITS.items() if name in schema]
    items = f" of {_kind(schema['items'])}" if "items" in schema else ""
    return (
        escape(kinds if isinstance(kinds, str) else " or ".join(kinds))
        + items
        + (f' <span class="faint">({escape(", ".join(limits))})</span>' if limits else "")
    )


_LIMITS = {
    "format": "a", "pattern": "matching", "minLength": "from", "maxLength": "to", "minimum": "from", "maximum": "to", "default": "default", "const": "always",
}  # fmt: skip


def _table(rows: Iterable[tuple[str, str]]) -> str:
    return f"<table>{''.join(f'<tr><td>{first}</td><td>{second}</td></tr>' for first, second in rows)}</table>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph)


def _inline(text: str) -> str:
    """Escape a text, and show what stands between backticks or double stars as its writer meant it."""
    return re.sub(
        r"\*\*(.+?)\*\*",
        r"<strong>\1</strong>",
        re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text)),
    )
