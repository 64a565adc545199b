"""A build has the API descriptions of all services that the functions call, and no others."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.session import Session
from pynamodb.constants import SERVICE_NAME

from tests.aws import ROOT
from tools.deployment.api_descriptions import SERVICES, remove_unused

ALL = Path(botocore.__file__).parent / "data"


def called_services() -> Iterator[str]:
    """Yield the first argument of each call `client(…)` or `….client(…)` in the functions."""
    for folder in ("shared", "functions"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and "client" in name_of(node.func):
                    yield from (
                        str(argument.value)
                        for argument in node.args[:1]
                        if isinstance(argument, ast.Constant)
                    )


def name_of(function: ast.expr) -> str:
    match function:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data of botocore in a built layer, with a few services that are not called."""
    data = tmp_path / "Layer/python/botocore/data"
    data.mkdir(parents=True)
    for path in ALL.iterdir():
        if path.is_file():
            shutil.copy(path, data)
        elif path.name in (*SERVICES, "ecr", "ses", "dynamodbstreams"):
            shutil.copytree(path, data / path.name)
    remove_unused(tmp_path)
    return data


def client_from(data: Path, service: str) -> object:
    """Create a client with the descriptions in this folder only."""
    session = Session()
    loader = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    return session.create_client(service, region_name="us-east-1")


def test_the_list_has_every_service_that_the_functions_call() -> None:
    assert {*called_services(), SERVICE_NAME} == set(SERVICES)


def test_every_listed_service_works_after_the_others_are_removed(data: Path) -> None:
    for service in SERVICES:
        assert client_from(data, service)

    assert {path.name for path in data.iterdir() if path.is_dir()} == set(SERVICES)


def test_a_service_that_is_not_listed_is_removed(data: Path) -> None:
    with pytest.raises(UnknownServiceError):
        client_from(data, "ecr")


def test_the_files_of_all_services_stay(data: Path) -> None:
    files = {path.name for path in ALL.iterdir() if path.is_file()}

    assert {path.name for path in data.iterdir() if path.is_file()} == files
    assert "endpoints.json" in files or "endpoints.json.gz" in files
