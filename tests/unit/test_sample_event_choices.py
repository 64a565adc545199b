"""Wrong arguments of `make invoke` get an answer that lists the choices, or the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import description
from tests.aws import ROOT, TEMPLATE, folder_of
from tools import invoke
from tools.sample_events import samples
from tools.sample_events.prepare import PREPARATIONS


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(description, "PATH", tmp_path / "stack.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "FUNCTION is missing. FUNCTION is one of:\n  api\n  audit_accounts\n"),
        (["jobs"], "There is no function jobs. FUNCTION is one of:\n  api\n"),
        (["api", ""], "EVENT is missing. EVENT is the path of a JSON file, or one of:\n"),
        (["api", "submit"], "api has no event submit. EVENT is the path of a JSON file, or"),
        (["store_output", "nope"], "store_output has no event nope. EVENT is the path of"),
        (["store_output"], "No local stack runs. Start it with `make run` in another terminal."),
        (["api", "mine.json"], "No local stack runs. Start it with `make run` in another"),
        ([], "usage: "),
    ],
)
def test_wrong_arguments_are_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke.main(arguments) == 2

    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert printed.out == ""


def test_a_stack_that_has_ended_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text('{"aws_url": "http://127.0.0.1:9", "process_id": 1}')

    with pytest.raises(description.NoStack, match="has ended"):
        description.StackDescription.read(path)


def test_each_sample_event_is_filled_in() -> None:
    assert sorted(PREPARATIONS) == sorted(
        f"{function}/{name}" for function, names in samples.choices().items() for name in names
    )


def test_each_folder_of_events_is_a_function_of_the_template() -> None:
    folders = {
        logical_id: folder_of(logical_id)
        for logical_id, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }

    assert {samples.logical_id(folder): folder for folder in samples.choices()} == folders
