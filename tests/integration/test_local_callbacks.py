"""`/local/callbacks` receives callbacks on the local stack, and only there."""

from __future__ import annotations

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from local.api_gateway.callback_receiver import PATH, CallbackReceiver


@pytest.fixture
def client() -> Client:
    def api(environ: object, start_response: object) -> object:
        return Response("the API", 404)(environ, start_response)  # type: ignore[arg-type]

    return Client(CallbackReceiver(api))  # type: ignore[arg-type]


def test_a_callback_is_stored_with_its_headers(client: Client) -> None:
    sent = client.post(
        PATH, base_url="http://172.17.0.1:3000", data="{}", headers={"webhook-id": "1.completed"}
    )

    [received] = client.get(PATH, base_url="http://127.0.0.1:3000").get_json()["callbacks"]
    assert sent.status_code == 204
    assert (received["headers"]["webhook-id"], received["body"]) == ("1.completed", "{}")


def test_only_the_last_callbacks_are_stored(client: Client) -> None:
    for number in range(103):
        client.post(PATH, base_url="http://127.0.0.1:3000", data=str(number))

    stored = client.get(PATH, base_url="http://127.0.0.1:3000").get_json()["callbacks"]
    assert [callback["body"] for callback in stored] == [str(number) for number in range(3, 103)]


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("http://darkroom.example.com", {}),
        ("http://127.0.0.1.example.com:3000", {}),
        ("http://127.0.0.1:3000", {"X-Forwarded-For": "203.0.113.9"}),
        ("http://127.0.0.1:3000", {"Forwarded": "for=203.0.113.9"}),
    ],
)
def test_the_receiver_does_not_exist_for_the_outside(
    client: Client, host: str, headers: dict[str, str]
) -> None:
    assert client.get(PATH, base_url=host, headers=headers).text == "the API"
    assert client.post(PATH, base_url=host, headers=headers, data="{}").text == "the API"


def test_other_methods_and_large_bodies_are_refused(client: Client) -> None:
    large = b"x" * (1024 * 1024 + 1)

    assert client.put(PATH, base_url="http://127.0.0.1:3000").status_code == 405
    assert client.post(PATH, base_url="http://127.0.0.1:3000", data=large).status_code == 413
    assert client.get("/jobs", base_url="http://127.0.0.1:3000").text == "the API"
