"""Every bad cohort through `check` and `train`: exit code, sentence, and nobody's data shown."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fresh_process import tms_response as in_own_process

import tms_response

AGE = "7731"  # in the age of everybody
ID = "Q7planted"  # in everybody's id
HEADER = "record_id,age,gender,n_failed,episode_weeks,clinic,hdrs_before,hdrs_after\n"
SITES = ("north", "south", "east")
SCANS = '\n[connectome]\nfiles = "scans/sub-{id}_relmat.tsv"\n'


@dataclass
class Clinic:
    """The cohort.toml of the README with its table, before they are written."""

    folder: Path
    spec: str
    rows: list[str]
    header: str = HEADER
    files: dict[str, bytes] = field(default_factory=dict)

    def write(self) -> None:
        self.folder.mkdir(parents=True)
        table = (self.header + "".join(self.rows)).encode()
        for name, content in {"patients.csv": table, **self.files}.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        (self.folder / "cohort.toml").write_text(self.spec, "utf-8")


def row(number: int, *, after: int, site: str = "", before: object = 24) -> str:
    """Return a patient, one of eighty."""
    age = f"{30 + number % 40}.{AGE}"
    where = site or SITES[number % 3]
    filled = f"{'FM'[number % 2]},{number % 5},{10 + number},{where},{before},{after}"
    return f"{ID}{number:02d},{age},{filled}\n"


def rows(responders: int) -> list[str]:
    # 37 has no factor in common with 80, so that response follows no other column.
    return [row(k, after=8 if 37 * k % 80 < responders else 20) for k in range(80)]


def change_spec(old: str, new: str) -> Callable[[Clinic], None]:
    def change(clinic: Clinic) -> None:
        assert old in clinic.spec
        clinic.spec = clinic.spec.replace(old, new)

    return change


def change_header(clinic: Clinic) -> None:
    clinic.header = HEADER.replace("age", "age_y")


def out_of_range(clinic: Clinic) -> None:
    clinic.rows[3] = row(3, before=f"{AGE}.625", after=20)


def one_class(clinic: Clinic) -> None:
    clinic.rows = rows(responders=80)


def few(clinic: Clinic) -> None:
    clinic.rows = rows(responders=9)


def lonely(clinic: Clinic) -> None:
    clinic.rows[-1] = row(79, after=20, site="west")


def duplicate(clinic: Clinic) -> None:
    clinic.rows[5] = clinic.rows[4]


def lopsided(clinic: Clinic) -> None:
    clinic.spec += SCANS
    matrix = f"Node\tLH_Vis_1\tRH_Vis_1\nLH_Vis_1\t1\t0.{AGE}\nRH_Vis_1\t0.25\t1\n"
    clinic.files = {f"scans/sub-{ID}04_relmat.tsv": matrix.encode()}


def content(table: bytes) -> Callable[[Clinic], None]:
    def change(clinic: Clinic) -> None:
        clinic.files = {"patients.csv": table}

    return change


def semicolons(clinic: Clinic) -> None:
    clinic.header = HEADER.replace(",", ";")
    clinic.rows = [each.replace(",", ";").replace(".", ",") for each in clinic.rows]


def decimal_commas(clinic: Clinic) -> None:
    semicolons(clinic)
    change_spec('id = "record_id"', 'id = "record_id"\nseparator = ";"')(clinic)
    clinic.rows[1:] = [each.replace(f",{AGE}", "") for each in clinic.rows[1:]]


BAD: dict[str, tuple[Callable[[Clinic], None], int, str]] = {
    # what is done, the exit code, and the sentence of both commands
    "an unknown column": (
        change_header, 10, r"there is no column 'age'\. Did you mean 'age_y'\?"),
    "an unknown instrument": (
        change_spec("HDRS-17", "HDRS17"), 11,
        r"outcome\.instrument: 'HDRS17' is not a known instrument\. Did you mean 'HDRS-17'\?"),
    "a score out of range": (
        out_of_range, 10, r"is out of range for a HDRS-17 total \(allowed: 0 to 52\)"),
    "all of one class": (one_class, 10, r"[Aa]ll (80 )?patients are of one class"),
    "a duplicated id": (duplicate, 10, r"repeats the id of an earlier row"),
    "a post-treatment column": (
        change_spec("patients.n_failed", "patients.hdrs_after"), 11,
        r"'patients\.hdrs_after' cannot be a predictor: it is the outcome itself"),
    "a matrix that is not symmetric": (lopsided, 10, r"not symmetric"),
    "an empty file": (content(b""), 10, r"patients\.csv is empty\."),
    "a header alone": (content(HEADER.encode()), 10, r"has a header and no rows\."),
    "a file that is not text": (content(bytes(range(256))), 10, r"is not a text file\."),
    "semicolons": (
        semicolons, 10, r"looks separated by ';'.*separator = \";\" in \[tables\.patients\]"),
    "decimal commas": (
        decimal_commas, 10, r"is not a number; if its comma .*decimal = \",\" in \[tables\.pat"),
}  # fmt: skip


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of MLflow for all of these runs."""
    return tmp_path_factory.mktemp("store") / "mlflow.db"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """Eighty patients at three sites, half of whom respond."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    spec = readme.partition("```toml\n")[2].partition("```")[0]
    return Clinic(tmp_path / "clinic", spec, rows(responders=40))


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run a command in this process and return its exit code and all that it says."""
    code = tms_response.run([str(each) for each in arguments])
    shown = "".join(capsys.readouterr())
    assert "Traceback" not in shown
    assert "fault of the program" not in shown
    assert AGE not in shown
    return code, shown


def check(capsys: pytest.CaptureFixture[str], clinic: Clinic) -> tuple[int, str]:
    return said(capsys, "check", clinic.folder)


def train(capsys: pytest.CaptureFixture[str], clinic: Clinic, *more: object) -> tuple[int, str]:
    out = clinic.folder.parent / "run"
    return said(capsys, "train", clinic.folder, "--out", out, *more)


@pytest.mark.parametrize("command", [check, train])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_cohort_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
    clinic: Clinic,
    command: Callable[[pytest.CaptureFixture[str], Clinic], tuple[int, str]],
    name: str,
) -> None:
    break_it, expected, sentence = BAD[name]
    break_it(clinic)
    clinic.write()
    code, shown = command(capsys, clinic)
    assert code == expected, shown
    assert len(re.findall(sentence, shown)) == 1, shown
    is_report = command is check and expected == 10
    assert shown.count("error: ") == (0 if is_report else 1)
    assert shown.count("│ error") == (1 if is_report else 0)
    # A matrix is named by its file, which BIDS names after the participant.
    assert str(clinic.folder) not in shown
    assert (ID in shown) == (break_it is lopsided)


@pytest.mark.parametrize("command", ["check", "train"])
def test_a_directory_that_is_not_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    code, shown = said(capsys, command, tmp_path / "nowhere")
    assert code == 10
    assert re.search(r"There is no folder or file '.*nowhere'", shown)


def test_a_failed_run_leaves_nothing_of_a_patient(
    capsys: pytest.CaptureFixture[str], clinic: Clinic, store: Path
) -> None:
    lopsided(clinic)
    clinic.write()
    code, _ = train(capsys, clinic)
    assert code == 10
    left = [path for path in (clinic.folder.parent / "run").rglob("*") if path.is_file()]
    tracked = [path for path in store.parent.rglob("*") if path.is_file()]
    assert tracked
    for path in (*left, *tracked):
        assert ID.encode() not in path.read_bytes(), path
        assert b"relmat" not in path.read_bytes(), path


def test_fewer_than_ten_in_the_smaller_class_train_a_model_that_abstains(
    capsys: pytest.CaptureFixture[str], clinic: Clinic, quick_config: Path
) -> None:
    few(clinic)
    clinic.write()
    code, shown = check(capsys, clinic)
    assert code == 0
    assert "Fewer than 10 patients are in the rarer of response and no response" in shown
    code, shown = train(capsys, clinic, "--config", quick_config)
    assert code == 0, shown
    assert "This model gives no predictions: " in shown
    assert ID not in shown
    run = clinic.folder.parent / "run"
    document = _json(run / "model" / "model.json")
    assert "9" in document["abstention"]["always"]
    assert {model["name"] for model in _json(run / "summary.json")["models"]} == {
        "base_rate", "logistic_clinical",
    }  # fmt: skip


def test_a_site_with_one_patient_is_pooled_with_a_warning(
    capsys: pytest.CaptureFixture[str], clinic: Clinic, quick_config: Path
) -> None:
    lonely(clinic)
    clinic.write()
    code, shown = check(capsys, clinic)
    assert code == 0
    assert "1 site has a single patient with a known outcome." in shown
    assert "such sites are pooled" in shown
    code, shown = train(capsys, clinic, "--config", quick_config)
    assert code == 0, shown
    assert "Some sites have one patient" in shown
    assert "such patients were put together" in shown
    assert ID not in shown
    held_out = (clinic.folder.parent / "run" / "out_of_fold.csv").read_text("utf-8")
    assert "north" in held_out
    assert "west" not in held_out


def test_in_a_process_of_its_own(clinic: Clinic) -> None:
    out_of_range(clinic)
    clinic.write()
    done = in_own_process("train", "clinic", "--out", "run", cwd=clinic.folder.parent, code=10)
    assert "row 5, patients.csv, column 'hdrs_before': is out of range" in done.stderr
    for planted in ("Traceback", AGE, ID):
        assert planted not in done.stdout + done.stderr


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content
