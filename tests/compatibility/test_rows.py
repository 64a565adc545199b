"""The rows of each release are read: by the storage layer, by the audit and by the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import starmap
from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.services import callbacks
from darkroom.storage import (
    account_records,
    feature_flags,
    job_parts,
    job_rows,
    provider_slots,
    queue_rows,
    table,
    upload_rows,
    uploads,
)
from tests.compatibility.runs import restored, view
from tests.compatibility.snapshot import Mode, Snapshot, releases
from tests.simulation.environment import Environment
from tests.simulation.scenario_steps import ADMIN

ANN = AccountId("web", "ann")
RELEASES = releases()
# The kinds of rows that release 0.1.0 did not write.
LATER_KINDS = {"FLOW", "SPEND", "USAGE", "DELIVERY", "RECEIVER", "LIMIT"}
SNAPSHOTS = [
    pytest.param(release, name, id=f"{release.folder.name}-{name}")
    for release in RELEASES
    for name in release.names
]


def rows_of(snapshot: Snapshot) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the kind, the sort key and the attributes of each row."""
    for row in snapshot["rows"]:
        pk, sk = row["pk"]["S"], row["sk"]["S"]
        yield (sk if pk.startswith("ACCOUNT#") else pk).partition("#")[0], sk, row


def partitions_of(snapshot: Snapshot) -> set[str]:
    keys = {row["pk"]["S"] for row in snapshot["rows"]}
    return {key for key in keys if key.startswith("ACCOUNT#")}


def missing(recorded: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield the places at which a document lacks a recorded member or has another value.

    Links may expire later than the recorded ones. Times of the same format compare as texts.
    """
    match recorded, now:
        case dict(), dict():
            for name, value in recorded.items():
                if name not in now:
                    yield f"{path}.{name} is missing"
                elif name == "links_expire_at" and value and (now[name] or "") > value:
                    continue
                else:
                    yield from missing(value, now[name], f"{path}.{name}")
        case list(), list() if len(recorded) == len(now):
            for number, (value, other) in enumerate(zip(recorded, now, strict=True)):
                yield from missing(value, other, f"{path}[{number}]")
        case _ if recorded != now:
            yield f"{path} was {recorded!r} and is {now!r}"


def api(environment: Environment, method: str, path: str, **event: Any) -> Any:
    response = environment.api(method, path, **event)
    assert response
    return response


def models() -> dict[str, Any]:
    """Return the model of each kind of row, as the docstring of `storage.table` lists them."""
    return {
        (words[1] if words[0].startswith("ACCOUNT#") else words[0]).partition("#")[0]: next(
            getattr(module, words[2])
            for module in (table, queue_rows, job_rows, upload_rows)
            if hasattr(module, words[2])
        )
        for line in (table.__doc__ or "").splitlines()
        if len(words := line.split()) == 3 and words[2].endswith("Row")
    }


def names_of(model: Any) -> set[str]:
    """Return the names that the attributes of a model have in the table."""
    return {attribute.attr_name for attribute in model.get_attributes().values()}


def test_each_kind_of_row_of_the_first_release_is_recorded() -> None:
    first = RELEASES[0]
    recorded = {kind for name in first.names for kind, _, _ in rows_of(first.snapshot(name))}

    assert models().keys() - recorded == LATER_KINDS
    assert recorded <= models().keys()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
def test_every_recorded_attribute_is_still_declared(release: Any) -> None:
    # An attribute that is renamed or removed is silently missing in the rows of earlier releases.
    declared = {kind: names_of(model) for kind, model in models().items()}
    parts = {"attempts": names_of(job_parts.AttemptMap), "outputs": names_of(job_parts.OutputMap)}
    for name in release.names:
        for kind, _, row in rows_of(release.snapshot(name)):
            assert row.keys() <= declared[kind], (name, kind)
            for part, names in parts.items():
                for member in row.get(part, {"L": []})["L"]:
                    assert member["M"].keys() <= names, (name, part)


@pytest.mark.parametrize(("release", "name"), SNAPSHOTS)
def test_responses_have_what_they_had(release: Any, name: str) -> None:
    snapshot = release.snapshot(name)
    with restored(snapshot, Mode.LOST, release.definition()) as environment:
        for path, recorded in snapshot["responses"].items():
            assert list(missing(recorded, view(environment, path), path)) == []


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
def test_the_storage_layer_reads_every_row(release: Any) -> None:
    for name in release.names:
        snapshot = release.snapshot(name)
        with restored(snapshot, Mode.LOST, release.definition()) as environment:
            now = environment.event_queue.now
            for kind, sk, _ in rows_of(snapshot):
                match kind:
                    case "UPLOAD":
                        assert uploads.read(ANN, sk.partition("#")[2], now=now).bytes_max == 1_000
                    case "FLAG":
                        assert feature_flags.is_paused()
                    case "AUDIT":
                        assert account_records.progress().after
            for pk in partitions_of(snapshot):
                records = account_records.read_account(pk)
                assert records.unreadable == (), name
                assert records.balance, name
            later = now + timedelta(hours=1)
            slots = [
                (provider, slot)
                for provider in ("replicate", "runway", "stable_diffusion")
                for slot in provider_slots.possibly_leaked(provider, now=later)
            ]
            assert len(slots) == sum(kind == "SLOT" for kind, _, _ in rows_of(snapshot)), name
            assert not any(starmap(provider_slots.release_if_leaked, slots)), name


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)
class TestTheRequestsOfAClient:
    """A client continues with what it got from an earlier release."""

    def test_a_cursor_continues_its_list(self, release: Any) -> None:
        snapshot = release.snapshot("accounts")
        path = "/credits/entries?limit=2"
        page = snapshot["responses"][path]
        whole = snapshot["responses"]["/credits/entries"]["entries"]
        with restored(snapshot, Mode.LOST, release.definition()) as environment:
            following = view(environment, f"{path}&cursor={page['next_cursor']}")

        assert [entry["id"] for entry in following["entries"]] == [
            entry["id"] for entry in whole[2:4]
        ]

    def test_a_repeated_request_returns_its_job(self, release: Any) -> None:
        snapshot = release.snapshot("completed")
        (request,) = snapshot["requests"]
        with restored(snapshot, Mode.LOST, release.definition()) as environment:
            repeated = api(environment, "POST", "/jobs", **request)
            changed = api(environment, "POST", "/jobs", **request | {"body": request["body"] + " "})

        assert (repeated.status, repeated.document["status"]) == (202, "completed")
        assert repeated.headers["Idempotency-Replayed"] == "true"
        assert changed.status == 422

    def test_an_ended_job_is_rerun_and_deleted(self, release: Any) -> None:
        snapshot = release.snapshot("completed")
        ((path, job),) = [
            (path, document)
            for path, document in snapshot["responses"].items()
            if path.startswith("/jobs/")
        ]
        with restored(snapshot, Mode.CONTINUED, release.definition()) as environment:
            rerun = api(environment, "POST", "/jobs", body={"rerun_of": job["id"]})
            deleted = api(environment, "DELETE", path)
            environment.settle()
            ended = view(environment, f"/jobs/{rerun.document['id']}")

        assert (rerun.status, deleted.status, ended["status"]) == (202, 204, "completed")
        assert ended["parameters"] == job["parameters"]

    def test_an_open_job_is_canceled(self, release: Any) -> None:
        snapshot = release.snapshot("requested")
        (path,) = [path for path in snapshot["responses"] if path.startswith("/jobs/")]
        with restored(snapshot, Mode.CONTINUED, release.definition()) as environment:
            canceled = api(environment, "POST", f"{path}/cancel")
            environment.settle()

            assert canceled.status == 202
            assert view(environment, path)["status"] == "canceled"

    def test_a_grant_is_made_once_and_new_jobs_stay_paused(self, release: Any) -> None:
        snapshot = release.snapshot("accounts")
        body = {"amount": 50, "reason": "a present", "reference": "gift"}
        job = release.snapshot("accepted")["requests"][0]
        with restored(snapshot, Mode.LOST, release.definition()) as environment:
            granted = api(environment, "POST", "/accounts/web/ann/credits", body=body, **ADMIN)
            refused = api(environment, "POST", "/jobs", **job | {"headers": {}})
            balance = view(environment, "/credits")

        assert (granted.status, refused.status) == (200, 503)
        assert balance == snapshot["responses"]["/credits"]

    def test_the_previous_callback_secret_signs_until_it_expires(self, release: Any) -> None:
        snapshot = release.snapshot("accounts")
        recorded = snapshot["responses"]["/callbacks/secret"]
        until = datetime.fromisoformat(recorded["previous_until"])
        with restored(snapshot, Mode.LOST, release.definition()):
            before = callbacks.secrets_of(ANN, now=until - timedelta(seconds=1))
            after = callbacks.secrets_of(ANN, now=until)

        assert before.all == (recorded["secret"], recorded["previous"])
        assert after.all == (recorded["secret"],)
