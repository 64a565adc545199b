"""The ports of the local stack refuse tunnels, foreign web pages and unsigned requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from joserfc.jws import extract_compact
from moto.secretsmanager.models import secretsmanager_backends

from local.client import Client
from local.real_replicate import RealReplicate
from local.simulators.replicate import SimulatedReplicate
from local.stack import LocalStack

BUILD_DIRECTORY = Path(".aws-sam/local")
TOKEN = "r8_token_of_the_real_replicate"
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """A stack whose real Replicate, a simulator, reaches it through a tunnel."""
    with SimulatedReplicate() as replicate:
        real = RealReplicate(
            token=TOKEN,
            base_url=f"{replicate.base_url}/v1",
            delivery_hosts=replicate.base_url.removeprefix("http://"),
            public_url="https://tunnel.example",
        )
        with LocalStack(BUILD_DIRECTORY, real_replicate=real) as running:
            yield running


def sign_in(stack: LocalStack, **headers: str) -> requests.Response:
    body = {"user": "ann", "groups": ["admin"]}
    return requests.post(f"{stack.api_url}/local/token", json=body, headers=headers, timeout=5)


def dummy_client(stack: LocalStack, service: str) -> Any:
    """Return a client with any credentials, as a user of the AWS CLI has them."""
    session = boto3.Session("any", "credentials", region_name="us-east-1")
    return session.client(service, endpoint_url=stack.aws_url)  # type: ignore[call-overload]


def unsigned_client(stack: LocalStack, service: str) -> Any:
    config = Config(signature_version=UNSIGNED)
    session = boto3.Session(region_name="us-east-1")
    return session.client(service, endpoint_url=stack.aws_url, config=config)  # type: ignore[call-overload]


class TestTokenEndpoint:
    def test_responds_to_this_machine_under_both_names(self, stack: LocalStack) -> None:
        port = urlsplit(stack.api_url).port

        assert sign_in(stack).status_code == 200
        assert sign_in(stack, Host=f"localhost:{port}").status_code == 200
        assert sign_in(stack, Origin="http://localhost:5173").status_code == 200

    def test_refuses_tunnels_rebound_names_and_foreign_pages(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        port = urlsplit(stack.api_url).port
        attacks = [
            {"Host": "evil.example"},
            {"Host": f"evil.example:{port}"},
            {"Host": f"127.0.0.1.evil.example:{port}"},
            {"Host": f"127.0.0.1:{port}@evil.example"},
            {"Host": "127.0.0.1:1"},
            {"X-Forwarded-For": "203.0.113.9"},
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-Host": f"127.0.0.1:{port}"},
            {"Forwarded": "for=203.0.113.9"},
            {"Cf-Connecting-Ip": "203.0.113.9"},
            {"Origin": EVIL},
            {"Origin": "null"},
            {"Origin": "http://localhost.evil.example"},
        ]
        for attack in attacks:
            with subtests.test(attack=attack):
                response = sign_in(stack, **attack)

                assert (response.status_code, response.json()["status"]) == (403, 403)
                assert "token" not in response.json()
                assert response.headers["Content-Type"] == "application/problem+json"

    def test_a_token_lives_for_one_day_at_most(self, stack: LocalStack) -> None:
        body = {"user": "ann", "expires_in_seconds": 315_360_000}
        token = requests.post(f"{stack.api_url}/local/token", json=body, timeout=5).json()["token"]

        assert lifetime_seconds(token) == 86_400
        assert Client(stack.api_url, token).get("/credits")["granted"] == 0


def lifetime_seconds(token: str) -> int:
    claims = json.loads(extract_compact(token.encode()).payload)
    return int(claims["exp"]) - int(claims["iat"])


class TestWebhookPort:
    def test_serves_the_webhook(self, stack: LocalStack) -> None:
        for origin in (stack.webhook_url, stack.api_url):
            response = requests.post(
                f"{origin}/webhooks/replicate",
                json={},
                headers={"Host": "tunnel.example", "X-Forwarded-For": "203.0.113.9"},
                timeout=20,
            )
            assert response.status_code == 401
            assert response.json()["type"].endswith("/problems/webhook-rejected")

    def test_serves_no_other_path(self, stack: LocalStack, subtests: pytest.Subtests) -> None:
        assert stack.webhook_url
        signed_in = {"Authorization": f"Bearer {stack.token('ann', groups=['admin'])}"}
        for path in (
            "/local/token",
            "/health",
            "/jobs",
            "/docs",
            "/",
            "/webhooks",
            "/webhooks/../local/token",
            "/webhooks/%2e%2e/local/token",
            "/webhooks/..%2flocal%2ftoken",
            "/webhooks/../jobs",
        ):
            with subtests.test(path=path):
                assert status_of(stack.webhook_url, path, signed_in) == 404


def status_of(url: str, path: str, headers: dict[str, str]) -> int:
    """Send a POST whose path is not normalized, and return the status."""
    session = requests.Session()
    prepared = requests.Request("POST", url, json={"user": "eve"}, headers=headers).prepare()
    prepared.url = f"{url}{path}"
    return session.send(prepared, timeout=20).status_code


class TestAwsPort:
    def test_any_credentials_may_use_it(self, stack: LocalStack) -> None:
        assert dummy_client(stack, "dynamodb").list_tables()["TableNames"]
        assert dummy_client(stack, "s3").list_buckets()["Buckets"]
        assert dummy_client(stack, "sqs").list_queues()["QueueUrls"]

    def test_refuses_unsigned_requests(self, stack: LocalStack, subtests: pytest.Subtests) -> None:
        for service, method in (
            ("dynamodb", "list_tables"),
            ("s3", "list_buckets"),
            ("sqs", "list_queues"),
            ("secretsmanager", "list_secrets"),
            ("lambda", "list_functions"),
            ("stepfunctions", "list_state_machines"),
        ):
            call = getattr(unsigned_client(stack, service), method)
            with subtests.test(service=service), pytest.raises(ClientError) as refused:
                call()

            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        for path in ("/moto-api/data.json", "/moto-api/reset", "/favicon.ico"):
            with subtests.test(path=path):
                assert requests.post(f"{stack.aws_url}{path}", timeout=5).status_code == 403
        function = stack.physical_id("ApiFunction")
        invocation = f"{stack.aws_url}/2015-03-31/functions/{function}/invocations"
        assert requests.post(invocation, json={}, timeout=5).status_code == 403

    def test_sign_in_and_the_keys_of_the_pool_need_no_signature(self, stack: LocalStack) -> None:
        pool_id = stack.physical_id("UserPool")
        keys = requests.get(f"{stack.aws_url}/{pool_id}/.well-known/jwks.json", timeout=5)
        cognito = unsigned_client(stack, "cognito-idp")
        with pytest.raises(cognito.exceptions.UserNotFoundException):
            cognito.initiate_auth(
                ClientId=stack.physical_id("UserPoolClient"),
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": "nobody", "PASSWORD": "wrong"},
            )
        with pytest.raises(ClientError) as refused:
            cognito.list_users(UserPoolId=pool_id)

        assert keys.json()["keys"]
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    def test_refuses_foreign_pages_and_rebound_names(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        port = urlsplit(stack.aws_url).port
        scope = "20261130/us-east-1/secretsmanager/aws4_request"
        signed = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential=any/{scope}",
            "X-Amz-Target": "secretsmanager.ListSecrets",
            "Content-Type": "application/x-amz-json-1.1",
        }
        accepted = requests.post(stack.aws_url, data="{}", headers=signed, timeout=5)
        assert (accepted.status_code, cors(accepted)) == (200, {})
        for attack in (
            {"Origin": EVIL},
            {"Origin": "null"},
            {"Host": "evil.example"},
            {"Host": f"evil.example:{port}"},
            {"X-Forwarded-For": "203.0.113.9"},
            {"X-Forwarded-Host": f"127.0.0.1:{port}"},
        ):
            with subtests.test(attack=attack):
                refused = requests.post(
                    stack.aws_url, data="{}", headers=signed | attack, timeout=5
                )
                assert (refused.status_code, cors(refused)) == (403, {})
        asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
        preflight = requests.options(stack.aws_url, headers=asked, timeout=5)
        assert (preflight.status_code, cors(preflight)) == (403, {})


def cors(response: requests.Response) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in response.headers.items()
        if name.lower().startswith("access-control-")
    }


class TestBucket:
    @pytest.fixture
    def link(self, stack: LocalStack) -> str:
        """A signed link to an object in a bucket that allows one origin."""
        s3 = stack.client("s3")
        s3.create_bucket(Bucket="shared")
        rule = {
            "AllowedMethods": ["GET"],
            "AllowedOrigins": ["https://*.gallery.example"],
            "AllowedHeaders": ["x-*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        }
        s3.put_bucket_cors(Bucket="shared", CORSConfiguration={"CORSRules": [rule]})
        s3.put_object(Bucket="shared", Key="a.txt", Body=b"mine")
        url: str = s3.generate_presigned_url("get_object", {"Bucket": "shared", "Key": "a.txt"})
        return url

    def test_cors_headers_follow_the_rules_of_the_bucket(self, link: str) -> None:
        allowed = requests.get(link, headers={"Origin": "https://a.gallery.example"}, timeout=5)
        foreign = requests.get(link, headers={"Origin": EVIL}, timeout=5)
        none = requests.get(link, timeout=5)

        assert [response.content for response in (allowed, foreign, none)] == [b"mine"] * 3
        assert cors(allowed)["access-control-allow-origin"] == "https://a.gallery.example"
        assert cors(allowed)["access-control-expose-headers"] == "ETag"
        assert (cors(foreign), cors(none)) == ({}, {})

    def test_a_preflight_follows_the_rules_of_the_bucket(self, link: str) -> None:
        def status(origin: str, method: str, header: str) -> int:
            asked = {
                "Origin": origin,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": header,
            }
            return requests.options(link, headers=asked, timeout=5).status_code

        gallery = "https://a.gallery.example"
        assert status(gallery, "GET", "x-one") == 200
        assert status(EVIL, "GET", "x-one") == 403
        assert status(gallery, "DELETE", "x-one") == 403
        assert status(gallery, "GET", "authorization") == 403

    def test_a_foreign_page_cannot_sign_with_any_credentials(
        self, stack: LocalStack, link: str
    ) -> None:
        scope = "20261130/us-east-1/s3/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=any/{scope}"}
        forged = dummy_client(stack, "s3").generate_presigned_url(
            "get_object", {"Bucket": "shared", "Key": "a.txt"}
        )
        path = link.partition("?")[0]

        assert requests.get(path, headers=signed, timeout=5).content == b"mine"
        assert requests.get(path, headers=signed | {"Origin": EVIL}, timeout=5).status_code == 403
        assert requests.get(forged, timeout=5).status_code == 403


class TestRealSecrets:
    def test_the_functions_read_the_token(self, stack: LocalStack) -> None:
        arn = stack.physical_id("ReplicateTokenSecret")
        secrets = stack.client("secretsmanager")

        assert secrets.get_secret_value(SecretId=arn)["SecretString"] == TOKEN
        with pytest.raises(secrets.exceptions.ResourceNotFoundException):
            secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")

    def test_other_credentials_read_no_real_secret(
        self, stack: LocalStack, subtests: pytest.Subtests
    ) -> None:
        secrets = dummy_client(stack, "secretsmanager")
        for logical_id in ("ReplicateTokenSecret", "ReplicateWebhookSecret"):
            arn = stack.physical_id(logical_id)
            for secret_id in (arn, arn.rpartition(":")[2], arn.rpartition(":")[2][:-7]):
                with subtests.test(secret_id=secret_id), pytest.raises(ClientError):
                    secrets.get_secret_value(SecretId=secret_id)
            with subtests.test(logical_id=logical_id), pytest.raises(ClientError):
                secrets.put_secret_value(SecretId=arn, SecretString="mine")
            with subtests.test(batch=logical_id), pytest.raises(ClientError):
                secrets.batch_get_secret_value(SecretIdList=[arn])

    @pytest.mark.usefixtures("stack")
    def test_the_token_is_nowhere_in_moto(self) -> None:
        backends = secretsmanager_backends["123456789012"]
        stored = [
            vars(secret) for backend in backends.values() for secret in backend.secrets.values()
        ]

        assert stored
        assert TOKEN not in str(stored)
