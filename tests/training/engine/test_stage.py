"""A stage: results in order, kept at once, and found again only by the very same question."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cohort_tables import quick_config
from engine_tasks import Shared, an_object, nothing, summed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from data_schemas.errors import UsageError
from training.engine.engines import LocalEngine
from training.engine.stage import TaskResult, as_arrays, run_stage
from training.engine.work import Work, open_work

VALUES = np.random.default_rng(0).normal(size=50)


class BackwardEngine:
    """Runs the last task first, and stops after a while, as an interruption does."""

    def __init__(self, n_tasks: int | None = None) -> None:
        self.n_tasks = n_tasks

    def run(self, function: Any, shared: Any, tasks: Sequence[Any]) -> Iterator[Any]:
        for count, place in enumerate(reversed(range(len(tasks)))):
            if count == self.n_tasks:
                raise KeyboardInterrupt
            yield place, function(shared, tasks[place])


def work_in(folder: Path) -> Work:
    return Work(folder / "work", {"data": "d"})


def same(left: list[TaskResult], right: list[TaskResult]) -> bool:
    return len(left) == len(right) and all(
        one.keys() == other.keys()
        and all(
            one[name].dtype == other[name].dtype
            and one[name].shape == other[name].shape
            and one[name].tobytes() == other[name].tobytes()
            for name in one
        )
        for one, other in zip(left, right, strict=True)
    )


def test_results_come_in_the_order_of_the_tasks() -> None:
    calls: list[tuple[int, int]] = []
    results = run_stage(
        BackwardEngine(), None, "s", summed, Shared(VALUES), [3, 1, 2],
        lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    assert [str(result["text"]) for result in results] == ["task 3", "task 1", "task 2"]
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_an_interrupted_stage_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    shared, work = Shared(VALUES), work_in(tmp_path)
    whole = run_stage(LocalEngine(), None, "s", summed, shared, range(7))
    with pytest.raises(KeyboardInterrupt):
        run_stage(BackwardEngine(3), work, "s", summed, shared, range(7))
    calls: list[tuple[int, int]] = []
    rest = run_stage(
        BackwardEngine(4), work, "s", summed, shared, range(7),
        lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    assert calls == [(done, 7) for done in range(3, 8)]
    assert same(rest, whole)
    assert same(run_stage(BackwardEngine(0), work, "s", summed, shared, range(7)), whole)


def test_another_question_finds_no_result(tmp_path: Path) -> None:
    work, shared = work_in(tmp_path), Shared(VALUES)
    run_stage(LocalEngine(), work, "s", summed, shared, [1])
    for stage, function, given_to_all, task in (
        ("t", summed, shared, 1),
        ("s", nothing, shared, 1),
        ("s", summed, replace(shared, values=VALUES + 1e-15), 1),
        ("s", summed, replace(shared, seconds=1e-9), 1),
        ("s", summed, shared, 2),
    ):
        with pytest.raises(KeyboardInterrupt):
            run_stage(BackwardEngine(0), work, stage, function, given_to_all, [task])


def test_a_file_that_cannot_be_read_is_no_result(tmp_path: Path) -> None:
    work, shared = work_in(tmp_path), Shared(VALUES)
    whole = run_stage(LocalEngine(), work, "s", summed, shared, range(4))
    files = sorted((work.folder / "s").iterdir())
    content = files[0].read_bytes()
    spoilt = bytearray(content)
    spoilt[len(content) // 2] ^= 1
    for file, left in zip(files, (b"", content[:-30], bytes(spoilt), b"?"), strict=True):
        file.write_bytes(left)
    assert same(run_stage(LocalEngine(), work, "s", summed, shared, range(4)), whole)
    assert sorted((work.folder / "s").iterdir()) == files


def test_nothing_is_left_of_a_result_that_could_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="objects in value"):
        run_stage(LocalEngine(), work_in(tmp_path), "s", an_object, None, [1])
    assert list(tmp_path.iterdir()) == []


@given(
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=3),
        st.text(max_size=5)
        | st.floats()
        | st.integers(-9, 9)
        | st.booleans()
        | arrays(np.float64, array_shapes(min_dims=1, max_dims=2, min_side=0)),
        max_size=4,
    )
)
def test_what_is_read_back_is_what_was_kept(
    tmp_path_factory: pytest.TempPathFactory, result: dict[str, Any]
) -> None:
    work, kept = work_in(tmp_path_factory.mktemp("w")), as_arrays(result)
    work.save("a stage", "x.npz", kept)
    read = work.load("a stage", "x.npz")
    assert read is not None
    assert same([read], [kept])


def test_names_are_the_same_in_another_process(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from training.config import load_config\n"
        "from training.engine.work import Work\n"
        "from training.learning.rows import TrainingRows\n"
        "n = np.arange(6.0)\n"
        "rows = TrainingRows(n.reshape(3, 2), n[:3] > 0, n[:3].astype(str), (0, 1))\n"
        "shared = (load_config(), rows, {'b', 'a'}, {'x': n})\n"
        "print(Work(Path(), {}).names(load_config, shared, [1, ('x', 2)]))"
    )
    asked = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE,
            env={"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]  # fmt: skip
    one, other = (process.communicate()[0] for process in asked)
    assert one == other != b""


def test_the_work_of_a_finished_run_is_removed(tmp_path: Path) -> None:
    with open_work(tmp_path, quick_config(), "f" * 64) as work:
        run_stage(LocalEngine(), work, "s", summed, Shared(VALUES), [1])
        assert (tmp_path / "work" / "s").is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seed", "fingerprint", "said"),
    [
        (8, "f", "the configuration has changed"),
        (7, "g", "the cohort's data have changed"),
        (8, "g", "the configuration has changed and the cohort's data have changed"),
    ],
)
def test_work_of_other_data_or_settings_is_refused(
    tmp_path: Path, seed: int, fingerprint: str, said: str
) -> None:
    with pytest.raises(KeyboardInterrupt), open_work(tmp_path, quick_config(), "f") as work:
        run_stage(BackwardEngine(1), work, "s", summed, Shared(VALUES), range(3))
    with (
        pytest.raises(UsageError, match=f"cannot go on: {said} since"),
        open_work(tmp_path, quick_config(seed=seed), fingerprint),
    ):
        pytest.fail("opened")
    with open_work(tmp_path, quick_config(), "f") as work:
        run_stage(BackwardEngine(2), work, "s", summed, Shared(VALUES), range(3))


def test_work_of_another_program_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt), open_work(tmp_path, quick_config(), "f") as work:
        run_stage(BackwardEngine(1), work, "s", summed, Shared(VALUES), range(3))
    monkeypatch.setattr("training.engine.work.program_digest", lambda: "other")
    with pytest.raises(UsageError, match="the program"), open_work(tmp_path, quick_config(), "f"):
        pytest.fail("opened")
