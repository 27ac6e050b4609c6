"""One reign after another: none is lost, none is doubled, and the way back is the way there."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from promotion_contest import contend

from data_schemas.errors import PromotionRefusedError, ServiceError, UsageError
from training.promotion import rollback as rollback_module
from training.promotion import succession
from training.promotion.rollback import rollback
from training.promotion.succession import Succession, new_reign, succeed
from training.tracking.store import open_client, plain_mlflow

NAME = "tms-response"


@dataclass
class Registry:
    """What MLflow's client does, as far as a succession asks for it."""

    champion: str | None = "1"
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: int = 4

    def get_registered_model(self, name: str) -> Any:
        aliases = {} if self.champion is None else {"champion": int(self.champion)}
        return SimpleNamespace(name=name, tags=dict(self.tags), aliases=aliases)

    def get_model_version(self, _name: str, version: str) -> Any:
        if not 1 <= int(version) <= self.versions:
            raise MlflowException("no such version")
        return SimpleNamespace(run_id=f"run-{version}")

    def search_model_versions(self, _query: str) -> Any:
        return [SimpleNamespace(version=n + 1, run_id=f"run-{n + 1}") for n in range(self.versions)]

    def get_run(self, run_id: str) -> Any:
        own = {key: value for (run, key), value in self.params.items() if run == run_id}
        return SimpleNamespace(data=SimpleNamespace(params=own))

    def log_param(self, run_id: str, key: str, value: str, *, synchronous: bool) -> None:
        assert synchronous
        if self.params.setdefault((run_id, key), value) != value:
            raise MlflowException("Changing param values is not allowed.")

    def set_registered_model_tag(self, _name: str, key: str, value: str) -> None:
        self.tags[key] = value

    def set_registered_model_alias(self, _name: str, alias: str, version: str) -> None:
        assert alias == "champion"
        self.champion = version

    def set_model_version_tag(self, _name: str, _version: str, key: str, value: str) -> None:
        assert (key, json.loads(value)["how"]) == ("promotion", "promotion")


def read(registry: Any) -> Succession:
    return Succession.read(registry, NAME)


def promote(registry: Any, version: str, before: Succession | None = None) -> None:
    before = before or read(registry)
    present = before.with_present()
    below = None if before.champion is None else present.last_number
    succeed(registry, before, new_reign(present.last_number + 1, version, below, "promotion"))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Any:
    registry = Registry()
    monkeypatch.setattr(rollback_module, "open_client", lambda: registry)
    monkeypatch.setattr(succession, "_SECONDS_TO_SUCCEED", 0.05)
    monkeypatch.setattr(succession, "_SECONDS_BETWEEN_LOOKS", 0.01)
    return registry


def test_rollbacks_go_back_the_way_that_promotions_came(registry: Any) -> None:
    for version in ("2", "3", "1"):
        promote(registry, version)
    for version in ("3", "2", "1"):
        assert rollback(NAME, "drift").version == registry.champion == version
    with pytest.raises(UsageError, match="before"):
        rollback(NAME)
    reigns = read(registry).reigns
    assert [reign.number for reign in reigns] == [1, 2, 3, 4, 5, 6, 7]
    assert [reign.how for reign in reigns] == ["found", *["promotion"] * 3, *["rollback"] * 3]
    assert reigns[-1].why == "drift"


@given(steps=st.lists(st.sampled_from(["1", "2", "3", "4", "back", "by hand"]), max_size=12))
def test_any_history_is_undone_like_a_stack(steps: list[str]) -> None:
    registry: Any = Registry(versions=40)
    stack = ["1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollback_module, "open_client", lambda: registry)
        for number, step in enumerate(steps, start=10):
            if step == "by hand":
                # What somebody else sets has no history that could be known.
                registry.champion = str(number)
                stack = [registry.champion]
            elif step != "back":
                promote(registry, step)
                stack.append(step)
            elif len(stack) > 1:
                stack.pop()
                rollback(NAME)
            else:
                with pytest.raises(UsageError):
                    rollback(NAME)
            assert registry.champion == stack[-1]
    numbers = [reign.number for reign in read(registry).reigns]
    assert numbers == list(range(1, len(numbers) + 1))


def test_of_two_that_read_the_same_one_wins_and_one_is_told(registry: Any) -> None:
    before = read(registry)
    promote(registry, "2", before)
    with pytest.raises(PromotionRefusedError, match="came first") as refused:
        promote(registry, "3", before)
    assert refused.value.exit_code == 14
    assert registry.champion == "2"
    promote(registry, "3")
    assert registry.champion == "3"


def test_of_many_threads_one_wins_each_reign() -> None:
    registry: Any = Registry()
    won: list[int] = []

    def challenge() -> None:
        for _ in range(10):
            try:
                promote(registry, "2")
            except PromotionRefusedError:
                continue
            won.append(1)

    threads = [threading.Thread(target=challenge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reigns = read(registry).reigns
    assert len(won) == len([reign for reign in reigns if reign.how == "promotion"]) >= 10


def test_a_promotion_that_died_bars_the_next_one_once(registry: Any) -> None:
    before = read(registry)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    alive, registry.set_registered_model_alias = registry.set_registered_model_alias, die
    registry.set_registered_model_tag, tag = die, registry.set_registered_model_tag
    with pytest.raises(KeyboardInterrupt):
        promote(registry, "2")
    registry.set_registered_model_alias, registry.set_registered_model_tag = alive, tag
    with pytest.raises(PromotionRefusedError, match="was not ended"):
        promote(registry, "3", before)
    assert read(registry).present is not None
    assert registry.champion == "1"
    promote(registry, "3")
    assert registry.champion == "3"
    assert rollback(NAME).version == "1"


def test_the_first_champion_of_all_has_nothing_below(registry: Any) -> None:
    registry.champion = None
    promote(registry, "2")
    assert registry.champion == "2"
    with pytest.raises(UsageError):
        rollback(NAME)


def test_a_deleted_version_is_not_returned_to(registry: Any) -> None:
    promote(registry, "4")
    promote(registry, "2")
    registry.versions = 3
    with pytest.raises(ServiceError):
        rollback(NAME)
    assert registry.champion == "2"
    promote(registry, "3")


@pytest.mark.system
def test_of_two_processes_one_wins_and_one_is_told(store: Path) -> None:
    winners = contend(store, rounds=6)
    with plain_mlflow():
        found = Succession.read(open_client(), NAME)
    assert [reign.version for reign in found.reigns] == ["1", *winners]
    assert found.champion == winners[-1]
