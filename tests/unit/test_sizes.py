"""The size of each built function with its layers, and its limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import sizes
from tools.check_build import faults

TEMPLATE = """
Globals:
  Function:
    Layers: [!Ref Shared]
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: Shared}
  Media:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: Media}
  Small:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: Small}
  Large:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: Large, Layers: [!Ref Media]}
  Table:
    Type: AWS::DynamoDB::Table
    Properties: {}
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    for name, size in (("Shared", 500), ("Media", 4_000), ("Small", 10), ("Large", 20)):
        (tmp_path / name / "python").mkdir(parents=True)
        (tmp_path / name / "python/code.so").write_bytes(bytes(size))
    return tmp_path


def test_a_function_has_its_code_the_common_layers_and_its_own(build: Path) -> None:
    assert sizes.function_sizes(build) == {
        "Small": {"Small": 10, "Shared": 500},
        "Large": {"Large": 20, "Shared": 500, "Media": 4_000},
    }


def test_a_function_may_have_the_limit_and_no_byte_more(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "FUNCTION_BYTES_MAX", 4_520)
    assert list(sizes.too_large(build)) == []

    monkeypatch.setattr(sizes, "FUNCTION_BYTES_MAX", 4_519)
    (fault,) = sizes.too_large(build)
    assert fault.startswith("Large: 0.0 MB with its layers, more than")
    assert fault in list(faults(build, "arm64"))


def test_the_table_begins_with_the_largest_function(build: Path) -> None:
    (build / "Media/python/code.so").write_bytes(bytes(12_340_000))

    large, small = sizes.table(build)

    assert large == "  12.3 MB  Large (Large 0.0, Shared 0.0, Media 12.3)"
    assert small.split()[:3] == ["0.0", "MB", "Small"]


def test_the_command_fails_if_a_function_is_too_large(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sizes", str(build)])

    assert sizes.main() == 0
    monkeypatch.setattr(sizes, "FUNCTION_BYTES_MAX", 4_519)
    assert sizes.main() == 1
    assert "Large" in capsys.readouterr().err


def test_the_limit_is_below_that_of_lambda() -> None:
    """Lambda's limit is 250 MB. The value in bytes is 262,144,000, by the API's answer."""
    assert sizes.FUNCTION_BYTES_MAX == 200_000_000
