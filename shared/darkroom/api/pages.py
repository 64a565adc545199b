"""The HTML pages of the API: the reference, and a page for each type of problem."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from http import HTTPStatus
from pathlib import Path

from aws_lambda_powertools.event_handler import Response

from darkroom.api.problem_types.problem import Problem
from darkroom.api.responses import cacheable_response

DOCS = Path(__file__).with_name("docs")
"""The static files of the reference. Its README names their source."""

_SECURITY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_NO_FRAMES = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The script of the reference writes style elements and style attributes, so styles are not hashed.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; "
    f"connect-src 'self'; {_NO_FRAMES}"
)
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 2rem 1.25rem; max-width: 45rem; font: 16px/1.55 system-ui; }
h2 { margin: 1.5rem 0 0; font-size: 1rem; }
"""


def docs_page(if_none_match: str | None) -> Response[str]:
    """Build the page of the API reference."""
    return _static("index.html", "text/html; charset=utf-8", if_none_match, max_age=300)


def docs_script(if_none_match: str | None) -> Response[str]:
    """Build the response with the script of the API reference."""
    return _static(
        "rapidoc-min.js", "text/javascript; charset=utf-8", if_none_match, max_age=86_400
    )


def problem_page(problem: Problem, *, link_prefix: str = "") -> Response[str]:
    """Build the page of a type of problem. Its path begins with `link_prefix`."""
    retry = (
        "<p>The same request may succeed later, after the seconds in <code>Retry-After</code>.</p>"
        if problem.retry_after_seconds
        else ""
    )
    charged = "<p>Nothing was charged.</p>" if problem.is_refusal else ""
    path = escape(link_prefix + problem.type)
    status = f"HTTP {problem.status} {problem.status.phrase}"
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(problem.title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(problem.title)}</h1><p><code>{path}</code> · {status}</p>"
        f"<h2>What it means</h2><p>{escape(problem.meaning)}</p>{charged}"
        f"<h2>What to do</h2><p>{escape(problem.advice)}</p>{retry}"
        '<p><a href="../docs">API reference</a></p></body></html>'
    )
    style_hash = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; {_NO_FRAMES}"
    headers = {"Content-Security-Policy": policy, "Cache-Control": "public, max-age=300"}
    return Response(HTTPStatus.OK, "text/html; charset=utf-8", text, headers=headers | _SECURITY)


def _static(
    name: str, content_type: str, if_none_match: str | None, *, max_age: int
) -> Response[str]:
    text = (DOCS / name).read_text(encoding="utf-8")
    response = cacheable_response(
        text, if_none_match, f"public, max-age={max_age}", content_type=content_type
    )
    response.headers |= _SECURITY | {"Content-Security-Policy": DOCS_POLICY}
    # The compressed body and the plain body have the same ETag, so it is weak.
    response.headers["ETag"] = f"W/{response.headers['ETag']}"
    if response.status_code == HTTPStatus.OK:
        # Powertools compresses the body if the client accepts gzip.
        response.compress = True
        response.headers["Vary"] = "Accept-Encoding"
    return response
