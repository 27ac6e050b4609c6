"""Two promotions at once where MLflow keeps its records in a real PostgreSQL."""

from pathlib import Path

import pytest
from ledgers import postgres_server
from promotion_contest import contend
from tracked_runs import quiet_mlflow

from training.promotion.rollback import rollback
from training.promotion.succession import Succession
from training.tracking.store import open_client, plain_mlflow

NAME = "tms-response"


@pytest.mark.nightly
def test_of_two_processes_one_wins_and_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_server() as server, quiet_mlflow():
        url = server.new_database().replace("postgresql:", "postgresql+psycopg:")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        with plain_mlflow():
            client = open_client()
            experiment = client.create_experiment("contest", tmp_path.as_uri())
            client.create_registered_model(NAME)
            for _ in range(3):
                run_id = client.create_run(experiment).info.run_id
                client.create_model_version(NAME, tmp_path.as_uri(), run_id)
            client.set_registered_model_alias(NAME, "champion", "1")
        winners = contend(tmp_path, rounds=20)
        reign = rollback(NAME)
        with plain_mlflow():
            found = Succession.read(client, NAME)
    before = ["1", *winners]
    assert [each.version for each in found.reigns] == [*before, before[-2]]
    assert found.champion == reign.version == before[-2]
