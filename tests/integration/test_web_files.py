"""The local stack serves the gallery's files beside the API."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Response

from local.api_gateway.http_server import HttpServer
from local.api_gateway.token_endpoint import TokenEndpoint
from local.api_gateway.web_files import DEMO_ADMIN, DEMO_USERS, WebFiles
from tests.aws import ROOT
from tools.web.files import UnknownContentType, content_security_policy, served_files

BUCKET = "http://127.0.0.1:4566"
FILES = {
    "index.html": "<!doctype html><title>Gallery</title>",
    "app.js": "export const name = 'gallery';\n" * 20,
    "style.css": "body { margin: 0 }",
    "icon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "core/api.js": "export {};",
    "texts/zh.js": "export default { title: '画廊' };",
    "examples/flux-schnell.webp": "RIFF",
    "examples/README.txt": "Images.",
    "vendor/LICENSE-preact": "MIT",
    "vendor/vendor.json": "{}",
    "jobs": "A file at a path of the API.",
}
NOT_SERVED = ("types.d.ts", "api.d.ts", "tsconfig.json", "biome.json", ".env", ".git/config")
CONTENT_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "core/api.js": "text/javascript; charset=utf-8",
    "texts/zh.js": "text/javascript; charset=utf-8",
    "examples/flux-schnell.webp": "image/webp",
    "examples/README.txt": "text/plain; charset=utf-8",
    "vendor/LICENSE-preact": "text/plain; charset=utf-8",
    "vendor/vendor.json": "application/json",
}


def api(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Respond with the request's method and path, as the API behind the gallery."""
    response = Response(f"API {environ['REQUEST_METHOD']} {environ['PATH_INFO']}", 404)
    return response(environ, start_response)


def has_route(method: str, path: str) -> bool:
    return (method, path) == ("GET", "/jobs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the files of a gallery, and one file beside it."""
    root = tmp_path / "web"
    for name, text in [*FILES.items(), *((name, "private") for name in NOT_SERVED)]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "secret.js").write_text("secret")
    (root / "link.js").symlink_to(tmp_path / "secret.js")
    return root


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    server = HttpServer(0)
    gallery = WebFiles(api, root=root, has_route=has_route, bucket_origin=BUCKET)
    server.serve(TokenEndpoint(None, gallery))  # type: ignore[arg-type]
    yield server.url
    server.stop()


def get(url: str, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, f"{url}/{path}", headers=headers, timeout=5)


def raw(url: str, target: str) -> bytes:
    """Send a request target as it is, and return the response."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET {target} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_each_file_has_its_content_type(url: str) -> None:
    for name, content_type in CONTENT_TYPES.items():
        response = get(url, name)

        assert (response.status_code, response.headers["Content-Type"]) == (200, content_type), name
        assert response.content == FILES[name].encode()


def test_the_root_is_the_page_and_ignores_the_query_of_a_sign_in(url: str) -> None:
    for path in ("", "?code=1&state=2", "index.html"):
        assert get(url, path).text == FILES["index.html"]


def test_only_files_of_the_gallery_are_served(url: str) -> None:
    for name in (*NOT_SERVED, "link.js", "nothing.js", "core", "core/", "app.js/", "App.js"):
        assert get(url, name).text == f"API GET /{name}", name


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.js",
        "/core/../../secret.js",
        "/%2e%2e/secret.js",
        "/..%2fsecret.js",
        "/core/%2e%2e/%2e%2e/secret.js",
        "/..\\secret.js",
        "//secret.js",
        "/core/./api.js",
        "/app.js%00",
        "/%ff",
    ],
)
def test_a_path_never_leaves_the_folder(url: str, root: Path, target: str) -> None:
    response = raw(url, target)

    assert response.startswith(b"HTTP/1.1 404 "), response
    assert b"\r\n\r\nAPI GET " in response
    assert (root.parent / "secret.js").is_file()


def test_a_route_of_the_api_precedes_a_file(url: str) -> None:
    assert (get(url, "jobs").text, get(url, "jobs", "HEAD").status_code) == ("API GET /jobs", 404)


def test_only_get_and_head_reach_the_gallery(url: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert get(url, "app.js", method).text == f"API {method} /app.js"


def test_head_has_the_headers_of_get_and_no_body(url: str) -> None:
    for encoding in ("identity", "gzip"):
        full = get(url, "app.js", **{"Accept-Encoding": encoding})
        head = get(url, "app.js", "HEAD", **{"Accept-Encoding": encoding})

        assert (head.status_code, head.content) == (200, b"")
        names = full.headers.keys() - {"Date"}
        assert {name: head.headers.get(name) for name in names} == {
            name: full.headers[name] for name in names
        }


def test_a_file_is_compressed_for_a_client_that_accepts_gzip(url: str) -> None:
    headers = {"Accept-Encoding": "br, gzip"}
    with requests.get(f"{url}/app.js", headers=headers, stream=True, timeout=5) as response:
        sent = response.raw.read()

    assert (response.headers["Content-Encoding"], response.headers["Vary"]) == (
        "gzip",
        "Accept-Encoding",
    )
    assert gzip.decompress(sent) == FILES["app.js"].encode()
    assert len(sent) == int(response.headers["Content-Length"]) < len(FILES["app.js"])


def test_a_client_without_gzip_and_an_image_get_the_plain_file(url: str) -> None:
    for accepted in ("identity", "gzip;q=0"):
        plain = get(url, "app.js", **{"Accept-Encoding": accepted})
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in get(url, "examples/flux-schnell.webp").headers


def test_an_unchanged_file_is_not_sent_again(url: str, root: Path) -> None:
    first = get(url, "app.js")
    tag = first.headers["ETag"]

    again = get(url, "app.js", **{"If-None-Match": tag})
    (root / "app.js").write_text("changed")
    changed = get(url, "app.js", **{"If-None-Match": tag})

    assert first.headers["Cache-Control"] == "no-cache"
    assert tag.startswith('"')
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert (changed.status_code, changed.text) == (200, "changed")


def test_a_response_has_one_date(url: str) -> None:
    assert raw(url, "/app.js").count(b"\r\nDate: ") == 1


def test_each_encoding_has_its_own_tag(url: str) -> None:
    tags = {
        get(url, "app.js", **{"Accept-Encoding": encoding}).headers["ETag"]
        for encoding in ("gzip", "identity")
    }

    assert len(tags) == 2


def test_every_file_has_the_security_headers(url: str) -> None:
    for path in ("", "app.js", "config.json", "examples/flux-schnell.webp"):
        headers = get(url, path).headers

        assert headers["Content-Security-Policy"] == content_security_policy(bucket=BUCKET)
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in headers["Permissions-Policy"]


def test_the_policy_names_each_origin_and_nothing_else() -> None:
    policy = content_security_policy(
        api="https://api.example",
        bucket="https://media.example",
        sign_in="https://cognito-idp.example https://login.example",
    )

    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data: blob: https://media.example; "
        "media-src 'self' blob: https://media.example; "
        "connect-src 'self' https://api.example https://media.example "
        "https://cognito-idp.example https://login.example; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert "connect-src 'self';" in content_security_policy()


@pytest.mark.parametrize("origin", ["https://a; script-src *", "'unsafe-inline'", "*", "a\r\nb"])
def test_an_origin_cannot_change_the_policy(origin: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        content_security_policy(bucket=origin)


def test_the_configuration_names_users_and_examples_and_is_not_cached(url: str) -> None:
    response = get(url, "config.json")

    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {
        "api": "",
        "sign_in": {"kind": "local", "users": [*DEMO_USERS, DEMO_ADMIN], "admin": DEMO_ADMIN},
        "buy_credits_url": None,
        "examples": ["flux-schnell"],
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example.com"},
        {"Host": "127.0.0.1:1"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Via": "1.1 tunnel"},
    ],
)
def test_only_requests_of_this_machine_get_the_gallery(url: str, headers: dict[str, str]) -> None:
    for path in ("", "config.json"):
        assert get(url, path, **headers).text == f"API GET /{path}"


def test_the_gallery_answers_at_localhost(url: str) -> None:
    assert get(url.replace("127.0.0.1", "localhost"), "").text == FILES["index.html"]


def test_a_file_without_a_known_type_is_refused(root: Path) -> None:
    (root / "notes.docx").write_text("")

    with pytest.raises(UnknownContentType, match=r"notes\.docx"):
        served_files(root)


def test_without_the_folder_the_api_answers(tmp_path: Path) -> None:
    server = HttpServer(0)
    server.serve(WebFiles(api, root=tmp_path / "none", has_route=has_route, bucket_origin=BUCKET))
    try:
        assert get(server.url, "").text == "API GET /"
    finally:
        server.stop()


def test_every_file_of_the_repository_has_a_content_type() -> None:
    files = served_files(ROOT / "web")

    assert not [name for name in files if name.endswith((".d.ts", "tsconfig.json", "biome.json"))]
