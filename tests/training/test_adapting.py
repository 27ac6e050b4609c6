import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table

import tms_response
from data_schemas.patient import Patient
from features.harmonisation import MINIMUM_SITE_SCANS
from features.patient_rows import patient_row
from serving.model_card import model_card
from serving.predictor import BOOSTER_FILE, DOCUMENT_FILE, ResponsePredictor
from training.cohort.read import read_cohort
from training.config import HarmonisationConfig
from training.learning.fit import fit_predictor
from training.learning.models import LIGHTGBM_BOTH
from training.scans import PatientScans
from training.simulator.writer import simulate

N_SCANS = 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that harmonises, of scans unlike those of the simulator."""
    table = simulated_table(n=200, scanned=0.7)
    combat = HarmonisationConfig(method="combat", covariates=("age_years",), reference_site="")
    fitted = fit_predictor(
        replace(table, harmonisation=combat), minimal_spec(), quick_config(),
        served=LIGHTGBM_BOTH, fingerprint="f" * 64,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model")
    fitted.save(folder)
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans of two sites without a single outcome."""
    folder = tmp_path_factory.mktemp("cohort") / "local"
    simulate(folder, 60, 2, seed=3, n_matrices=N_SCANS)
    totals = folder / "phenotype" / "hdrs17.tsv"
    frame = pd.read_csv(totals, sep="\t", dtype=str, keep_default_na=False)
    after = frame["session_id"] == "ses-post"
    frame.loc[after, frame.columns.str.startswith("hdrs17")] = "n/a"
    frame.to_csv(totals, sep="\t", index=False)
    return folder


def test_no_outcome_is_known(cohort: Path) -> None:
    assert not any(member.outcome for member in read_cohort(cohort).members)


def scanned(cohort: Path, model: Path) -> list[Patient]:
    read = read_cohort(cohort)
    scans = PatientScans(ResponsePredictor.load(model).document.connectome.quality, read.folder)
    patients = [scans.attach(member) for member in read.members if member.connectome_files]
    return [patient for patient in patients if patient.connectome is not None]


@pytest.fixture(scope="module")
def site(cohort: Path, model: Path) -> str:
    """The site with most usable scans."""
    sites = [str(patient.site) for patient in scanned(cohort, model)]
    return max(sorted(set(sites)), key=sites.count)


def adapted(model: Path, cohort: Path, out: Path, *more: str) -> int:
    return tms_response.run(["adapt", str(model), str(cohort), "--out", str(out), *more])


def test_learns_the_site_and_changes_nothing_else(
    model: Path, cohort: Path, site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new"
    assert adapted(model, cohort, out, "--site", site) == 0
    assert f"Learned the scanner of {site} from" in capsys.readouterr().out
    assert (out / BOOSTER_FILE).read_bytes() == (model / BOOSTER_FILE).read_bytes()
    before, after = (
        json.loads((folder / DOCUMENT_FILE).read_text("utf-8")) for folder in (model, out)
    )
    new = [shift for shift in after["harmonisation"]["sites"] if shift["site"] == site]
    assert new[0]["adapted"]
    assert new[0]["n_scans"] >= MINIMUM_SITE_SCANS
    after["harmonisation"]["sites"].remove(new[0])
    assert after.pop("adapted_from") == ResponsePredictor.load(model).identity.version
    assert before.pop("adapted_from") is None
    assert after == before


def test_the_card_says_which_scanners_are_known(
    model: Path, cohort: Path, site: str, tmp_path: Path
) -> None:
    assert adapted(model, cohort, tmp_path / "new", "--site", site) == 0
    parent, child = (ResponsePredictor.load(folder) for folder in (model, tmp_path / "new"))
    before, after = (" ".join(model_card(each).statements) for each in (parent, child))
    known = "for patients of site-0, site-1, site-2, site-3; of any other site"
    assert known in before
    assert known in after
    assert site not in before
    assert f"The scanner of {site} was learned after training, from" in after
    assert f"All else is as in version {parent.identity.version}." in after


def test_the_new_model_treats_the_sites_patients_otherwise_and_no_others(
    model: Path, cohort: Path, site: str, tmp_path: Path
) -> None:
    assert adapted(model, cohort, tmp_path / "new", "--site", site) == 0
    parent, child = (ResponsePredictor.load(folder) for folder in (model, tmp_path / "new"))
    unseen = "site_unseen_for_harmonisation"
    [patient, *_] = [each for each in scanned(cohort, model) if each.site == site]
    notices = [
        [notice.code for notice in each.predict(patient).notices] for each in (parent, child)
    ]
    assert unseen in notices[0]
    assert unseen not in notices[1]
    for other in ("site-0", "elsewhere"):
        elsewhere = patient.model_copy(update={"site": other})
        one, two = (each.predict(elsewhere) for each in (parent, child))
        assert one.response_probability == two.response_probability
        assert one.contributions == two.contributions
    rows = [
        each._scanners.without(patient_row(patient, each.features), patient)
        for each in (parent, child)
    ]
    assert not np.array_equal(rows[0], rows[1], equal_nan=True)


def test_too_few_scans_are_refused(
    model: Path, cohort: Path, site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    shutil.copytree(cohort, few)
    ids = [m.connectome_files for m in read_cohort(few).members if m.patient.site == site]
    for files in [files for files in ids if files][MINIMUM_SITE_SCANS - 1 :]:
        for path in files:
            path.unlink()
    assert adapted(model, few, tmp_path / "new", "--site", site) == 10
    assert "at least 5 are needed" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_adapted_is_refused(
    model: Path, cohort: Path, site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new"
    assert adapted(model, cohort, out) == 10
    assert "records 2 sites; name the one to learn with --site" in capsys.readouterr().err
    assert adapted(model, cohort, out, "--site", site + "s") == 10
    assert f"Did you mean '{site}'" in capsys.readouterr().err
    assert adapted(model, cohort, model, "--site", site) == 2
    assert "exists already" in capsys.readouterr().err
    plain = fit_predictor(
        simulated_table(n=120), minimal_spec(), quick_config(),
        served=LIGHTGBM_BOTH, fingerprint="f" * 64,
    )  # fmt: skip
    plain.save(tmp_path / "plain")
    assert adapted(tmp_path / "plain", cohort, out, "--site", site) == 12
    assert "trained without harmonisation" in capsys.readouterr().err
    assert not out.exists()


def test_a_cohort_that_records_no_site_is_all_of_the_named_one(
    model: Path, cohort: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    shutil.copytree(cohort, local)
    spec = local / "cohort.toml"
    spec.write_text(spec.read_text("utf-8").replace('site = "participants.site"\n', ""), "utf-8")
    assert adapted(model, local, tmp_path / "new", "--site", "Mercy") == 0
    effects = ResponsePredictor.load(tmp_path / "new").document.harmonisation
    assert effects is not None
    assert effects.knows("Mercy")
