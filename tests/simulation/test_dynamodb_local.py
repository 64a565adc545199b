"""DynamoDB Local is fetched by whoever comes first, and by nobody else."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.dynamodb_local import fetched

pytest_plugins = ["tests.simulation.dynamodb_local_fixtures"]

WORKERS = 3


def test_workers_that_need_it_at_the_same_moment_share_one(
    dynamodb_local: object, tmp_path: Path
) -> None:
    home = tmp_path / "dynamodb-local"

    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as workers:
        homes = list(workers.map(fetched, [home] * WORKERS))

    assert homes == [home] * WORKERS
    assert (home / "DynamoDBLocal.jar").is_file()
    assert [made.name for made in tmp_path.iterdir() if made.is_dir()] == ["dynamodb-local"]
