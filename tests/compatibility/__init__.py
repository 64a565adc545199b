"""Tests that new code still handles the rows, executions and messages of earlier releases.

A deployment replaces the code while jobs are open. Their rows and their messages stay, and their
executions keep the old definition of the workflow. Each release has a folder with what it leaves
behind: `release_0_1_0` has that of release 0.1.0. A recorded folder never changes.

- `situations` lists the situations in which a deployment can find a job.
- `snapshot` takes and restores the state of the environment of `tests/simulation`.
- `record` runs the code of a release and writes the folder of that release.

A snapshot is a JSON file. `rows` are the items of the table in DynamoDB's JSON, `objects` are the
bucket's files in base64, `predictions` and `runway_tasks` are the provider's. `executions` are
those of Step Functions, and `events` those of the event bus. `webhooks` were not delivered yet.
`responses` are the release's responses to GET requests. `ends` are the final records of the jobs,
when the release's own code continues from the snapshot: see `snapshot.Mode`.
"""
