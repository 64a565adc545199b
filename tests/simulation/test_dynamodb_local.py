"""DynamoDB Local is installed once, by the first process that needs it."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.dynamodb_local import fetched

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

PROCESSES = 3


def test_parallel_processes_share_one_installation(dynamodb_local: object, tmp_path: Path) -> None:
    home = tmp_path / "dynamodb-local"

    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as workers:
        homes = list(workers.map(fetched, [home] * PROCESSES))

    assert homes == [home] * PROCESSES
    assert (home / "DynamoDBLocal.jar").is_file()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["dynamodb-local"]
