"""The local stack's clients share one session, which reads the models of the services once."""

from __future__ import annotations

from typing import Any

import botocore.loaders
import pytest

from local.cloudformation import account

URL = "http://127.0.0.1:9"


def test_clients_of_several_roles_read_the_list_of_services_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_files: list[str] = []
    load_file = botocore.loaders.JSONFileLoader.load_file

    def counted(loader: Any, path: str) -> Any:
        content = load_file(loader, path)
        if content is not None:
            read_files.append(path)
        return content

    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", counted)
    account._session.cache_clear()
    keys = [account.role_access_key(f"arn:aws:iam::123456789012:role/{name}") for name in "ab"]

    clients = [account.client("sqs", URL, key) for key in (*keys, account.ADMINISTRATOR)]

    assert [each._request_signer._credentials.access_key for each in clients] == [
        keys[0].id,
        keys[1].id,
        account.ACCESS_KEY_ID,
    ]
    assert read_files
    assert len(read_files) == len(set(read_files))
