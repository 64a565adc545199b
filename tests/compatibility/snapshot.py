"""Takes and restores the state of a simulated environment: rows, files, predictions, executions."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.aws import ROOT as PROJECT
from tests.simulation.environment import Environment
from tests.simulation.interpreter import Execution, TaskTry, read_definition
from tests.simulation.other_providers import _Task
from tests.simulation.records import Records
from tests.simulation.replicate_model import Message, Prediction

ROOT = Path(__file__).parent
CATALOG = PROJECT / "shared/darkroom/catalog"

type Snapshot = dict[str, Any]


class Mode(StrEnum):
    """What becomes of the executions of a snapshot.

    `CONTINUED`: they run on, with the definition of their release. `STOPPED`: they were aborted.
    `LOST`: Step Functions does not know them, so recovery starts the jobs again.
    """

    CONTINUED = "continued"
    STOPPED = "stopped"
    LOST = "lost"


class Release:
    """The folder of a release: its definition of the workflow, and its snapshots by name."""

    def __init__(self, name: str) -> None:
        """Name the folder, for example `release_0_1_0`. It may not exist yet."""
        self.folder = ROOT / name
        self.definition_file = self.folder / "workflow.asl.yaml"
        self.functions_file = self.folder / "functions.json"
        self.templates_file = self.folder / "templates.json"

    @property
    def names(self) -> list[str]:
        """The names of the snapshots."""
        return sorted(path.stem for path in (self.folder / "snapshots").glob("*.json"))

    @property
    def functions(self) -> dict[str, str]:
        """The logical id of the function behind each substitution of the definition."""
        found: dict[str, str] = json.loads(self.functions_file.read_text())
        return found

    @property
    def templates(self) -> dict[str, dict[str, Any]]:
        """What `released_templates` returned with the code of the release."""
        found: dict[str, dict[str, Any]] = json.loads(self.templates_file.read_text())
        return found

    @cache  # noqa: B019 (a test run has few releases)
    def definition(self) -> dict[str, Any]:
        """Return the definition, with the folders of the functions in place of their ARNs."""
        return read_definition(self.definition_file.read_text(), self.functions)

    @cache  # noqa: B019 (as above)
    def snapshot(self, name: str) -> Snapshot:
        """Read a snapshot. The caller must not change it."""
        found: Snapshot = json.loads((self.folder / "snapshots" / f"{name}.json").read_text())
        return found


def released_templates() -> dict[str, dict[str, Any]]:
    """Return what each version of each template promises, by `<code>.<version>`.

    It promises its price, its required parameters, and the JSON Schemas of all parameters.
    """
    found = {}
    for path in sorted(CATALOG.rglob("*.toml")):
        document = tomllib.loads(path.read_text())
        found[f"{document['code']}.{document['version']}"] = {
            "price": document.get("price", {}),
            "required": document["required"],
            "parameters": {
                name: {key: value for key, value in schema.items() if key != "description"}
                for name, schema in document["parameters"].items()
            },
        }
    return found


def modes(snapshot: Snapshot) -> list[Mode]:
    """Return the modes that differ for a snapshot. Without running executions, there is one."""
    runs = any(execution["status"] == "RUNNING" for execution in snapshot["executions"])
    return list(Mode) if runs else [Mode.CONTINUED]


def releases() -> list[Release]:
    """Return the recorded releases, the first one first."""
    return [Release(folder.name) for folder in sorted(ROOT.glob("release_*"))]


def to_text(snapshot: Snapshot) -> str:
    """Return the text of a snapshot's file: one line for each attribute of a row.

    Each member of the other parts is one line.
    """
    parts = [f" {json.dumps(name)}: {_part(name, value)}" for name, value in snapshot.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _part(name: str, value: Any) -> str:
    match value:
        case [_, *_] if name in ("rows", "executions"):
            text = json.dumps(value, indent=1, ensure_ascii=False).replace("\n", "\n ")
            return re.sub(r'\{\s+"(S|N|BOOL|NULL)": ([^\n]+)\n\s+\}', r'{"\1": \2}', text)
        case [_, *_]:
            lines = [json.dumps(member, ensure_ascii=False) for member in value]
            return "[\n  " + ",\n  ".join(lines) + "\n ]"
        case {**members} if members:
            lines = [
                f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(member, ensure_ascii=False)}"
                for key, member in members.items()
            ]
            return "{\n  " + ",\n  ".join(lines) + "\n }"
    return json.dumps(value, ensure_ascii=False)


def take(environment: Environment) -> Snapshot:
    """Return the state of an environment in which no invocation runs."""
    table = environment.cloud.table
    return {
        "now": _time(environment.event_queue.now),
        "rows": [table.items[key] for key in sorted(table.items)],
        "objects": {
            key: base64.b64encode(body).decode()
            for key, body in sorted(environment.cloud.objects.items())
        },
        "predictions": [
            _written(prediction) | {"input": without_signatures(prediction.input)}
            for prediction in environment.replicate.predictions.values()
        ],
        "runway_tasks": {
            task_id: {"done_at": _time(task.done_at), "is_deleted": task.is_deleted}
            for task_id, task in environment.runway.tasks.items()
        },
        "executions": [_of_execution(each) for each in environment.states.executions.values()],
        "events": list(environment.cloud.events),
        "webhooks": [_written(message) for message in environment.held_webhooks],
        "requests": [
            {"headers": invocation.event["headers"], "body": invocation.event["body"]}
            for invocation in environment.invocations
            if "idempotency-key" in invocation.event.get("headers", {})
        ],
    }


def restore(snapshot: Snapshot, mode: Mode, definition: Mapping[str, Any]) -> Environment:
    """Return an environment with the state of a snapshot, and continue its executions.

    `definition` is the definition of the recorded executions. Events of the event bus are
    delivered once more: SQS delivers at least once.
    """
    environment = Environment(seed=1)
    queue = environment.event_queue
    queue.skip_seconds((datetime.fromisoformat(snapshot["now"]) - queue.now).total_seconds())
    environment.cloud.table.items = {
        (row["pk"]["S"], row["sk"]["S"]): row for row in snapshot["rows"]
    }
    environment.cloud.objects = {
        key: base64.b64decode(body) for key, body in snapshot["objects"].items()
    }
    environment.cloud.events = list(snapshot["events"])
    for event in snapshot["events"]:
        queue.after(1, "callback queue", lambda event=event: environment._notify(event))  # type: ignore[misc]
    for task_id, task in snapshot["runway_tasks"].items():
        done_at = datetime.fromisoformat(task["done_at"])
        environment.runway.tasks[task_id] = _Task(done_at, task["is_deleted"])
    for document in snapshot["predictions"]:
        _continue_prediction(environment, _read_as(Prediction, document))
    for execution in () if mode is Mode.LOST else snapshot["executions"]:
        _continue_execution(environment, execution, mode, definition)
    environment.held_webhooks = [_read_as(Message, document) for document in snapshot["webhooks"]]
    return environment


def ends_of(environment: Environment) -> dict[str, Any]:
    """Return the final record of each job and the balance of each account."""
    accounts = Records().accounts(environment.cloud.table.items)
    return {
        name: {
            "balance": {
                counter: partition.balance.get(counter, 0)
                for counter in ("granted", "available", "held", "spent", "in_flight", "jobs_total")
            }
            if partition.balance
            else None,
            "jobs": {
                job_id: {
                    "status": job["status"],
                    "charged": job["charged"],
                    "refunded": job["refunded"],
                    "failure_code": job.get("failure_code"),
                    "outputs": len(job["outputs"]),
                }
                for job_id, job in sorted(partition.jobs.items())
            },
        }
        for name, partition in sorted(accounts.items())
    }


def without_signatures(document: Any) -> Any:
    """Return a JSON document without the query of each URL."""
    match document:
        case dict():
            return {name: without_signatures(value) for name, value in document.items()}
        case list():
            return [without_signatures(value) for value in document]
        case str() if document.startswith("https://"):
            return urlsplit(document)._replace(query="").geturl()
    return document


def _of_execution(execution: Execution) -> dict[str, Any]:
    task_try = execution.current
    timeout = task_try.timeout if task_try else None
    return {
        "name": execution.name,
        "input": execution.input,
        "status": execution.status,
        "stopped_at": _time(execution.stopped_at),
        "state": execution.state,
        "entered_at": _time(execution.entered_at),
        "data": execution.data,
        "retries": {str(number): count for number, count in execution.retries.items()},
        "task_token": task_try.token if task_try else None,
        "times_out_at": _time(timeout.at) if timeout else None,
    }


def _continue_execution(
    environment: Environment, recorded: Mapping[str, Any], mode: Mode, definition: Mapping[str, Any]
) -> None:
    states, queue = environment.states, environment.event_queue
    execution = Execution(
        recorded["name"],
        recorded["input"],
        definition,
        status=recorded["status"],
        stopped_at=_parsed(recorded["stopped_at"]),
        state=recorded["state"],
        entered_at=_parsed(recorded["entered_at"]),
        data=recorded["data"],
        retries={int(number): count for number, count in recorded["retries"].items()},
    )
    states.executions[execution.name] = execution
    if not execution.is_running:
        return
    if mode is Mode.STOPPED:
        states.stop(execution, "ABORTED")
    elif not execution.state:
        states._schedule_entry(execution, definition["StartAt"], json.loads(execution.input))
    elif recorded["task_token"]:
        task_try = execution.current = TaskTry(recorded["task_token"])
        states._tokens[task_try.token] = execution, task_try
        task_try.timeout = queue.at(
            datetime.fromisoformat(recorded["times_out_at"]),
            f"{execution.name[-6:]} times out in {execution.state}",
            lambda: states._task_failed(execution, task_try, "States.Timeout", ""),
        )
    else:
        # The state waits for a time, or its invocation was killed and is repeated.
        state = definition["States"][execution.state]
        queue.after(0, "continues", lambda: states._run_state(execution, state))


def _continue_prediction(environment: Environment, prediction: Prediction) -> None:
    replicate, queue = environment.replicate, environment.event_queue
    replicate.predictions[prediction.id] = prediction
    profile = replicate.fault_profile
    if prediction.status == "starting":
        queue.at(
            prediction.created_at + timedelta(seconds=profile.queue_seconds),
            f"{prediction.id[-3:]} starts",
            lambda: replicate._start(prediction, profile.run_seconds),
        )
    elif prediction.status == "processing" and prediction.started_at:
        queue.at(
            prediction.started_at + timedelta(seconds=profile.run_seconds),
            f"{prediction.id[-3:]} finishes",
            lambda: replicate._finish(prediction),
        )
    if prediction.deadline and prediction.completed_at is None:
        prediction.deadline_event = queue.at(
            prediction.deadline,
            f"{prediction.id[-3:]} reaches its deadline",
            lambda: replicate._pass_deadline(prediction),
        )


def _written(record: Any) -> dict[str, Any]:
    """Return a dataclass as a JSON document. Scheduled events are left out."""
    return {
        name: _time(value) if isinstance(value, datetime) else value
        for name, value in asdict(record).items()
        if name != "deadline_event"
    }


def _read_as[Record](kind: type[Record], document: Mapping[str, Any]) -> Record:
    times = {each.name for each in fields(kind) if "datetime" in str(each.type)}  # type: ignore[arg-type]
    return kind(
        **{name: _parsed(value) if name in times else value for name, value in document.items()}
    )


def _time(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _parsed(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
