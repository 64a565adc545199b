"""Writes the folder of a release: `python -m tests.compatibility.record 0.1.0`.

Run it with the code of the release, when the release is made. The ids, the secrets and the clock
are those of the simulation, so a second run writes the same files. An existing folder is never
overwritten, because the tests must not adapt to new code.
"""

from __future__ import annotations

import json
import shutil
import sys

import tests.conftest  # noqa: F401 (sets the environment before any other import)
from tests.aws import ROOT, TEMPLATE
from tests.compatibility.runs import run, view
from tests.compatibility.situations import SITUATIONS, Situation
from tests.compatibility.snapshot import (
    Release,
    Snapshot,
    ends_of,
    modes,
    released_templates,
    take,
    to_text,
)
from tests.simulation.environment import Environment
from tests.simulation.records import Records


def main(version: str) -> None:
    """Record a release. Raises FileExistsError if its folder exists."""
    release = Release(f"release_{version.replace('.', '_')}")
    (release.folder / "snapshots").mkdir(parents=True)
    shutil.copy(ROOT / "workflow.asl.yaml", release.definition_file)
    release.functions_file.write_text(json.dumps(_functions(), indent=1) + "\n")
    release.templates_file.write_text(to_text(released_templates()))
    for situation in SITUATIONS:
        snapshot = _record(situation)
        # The interpreter numbers its tokens. A recorded token must differ from each later one.
        text = to_text(snapshot).replace('"token-', '"recorded-token-')
        snapshot = json.loads(text)
        ends = {
            mode: ends_of(run(snapshot, mode, release.definition())) for mode in modes(snapshot)
        }
        path = release.folder / "snapshots" / f"{situation.name}.json"
        path.write_text(to_text(snapshot | {"ends": ends}))


def _record(situation: Situation) -> Snapshot:
    environment = Environment()
    with environment.activated(**situation.variables):
        situation.reach(environment)
        snapshot = {"meaning": situation.meaning, "variables": dict(situation.variables)}
        snapshot |= take(environment)
        jobs = Records().accounts(environment.cloud.table.items)["web/ann"].jobs
        paths = ["/credits", *(f"/jobs/{job_id}" for job_id in sorted(jobs)), *situation.paths]
        return snapshot | {"responses": {path: view(environment, path) for path in paths}}


def _functions() -> dict[str, str]:
    substitutions = TEMPLATE["Resources"]["Workflow"]["Properties"]["DefinitionSubstitutions"]
    return {key: value["Ref"].removesuffix(".Alias") for key, value in substitutions.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
