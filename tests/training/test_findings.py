from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cohort_tables import minimal_spec, quick_config, simulated_table

from data_schemas.cohort_sections import Arms, Treatment
from serving.model_document import ModelDocument
from training.cohort.records import Cohort, CohortIssue
from training.findings import findings, too_few_sentence
from training.learning.fit import fit_predictor
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL
from training.learning.splits import SINGLE_PATIENT_SITES

MODELS = (BASE_RATE, LIGHTGBM_CLINICAL, LIGHTGBM_BOTH)
TABLE = simulated_table()


@pytest.fixture(scope="module")
def document() -> ModelDocument:
    return fit_predictor(
        TABLE, minimal_spec(), quick_config(), served=LIGHTGBM_BOTH, fingerprint="f"
    ).document


def evaluation(
    brier: tuple[float, ...] = (0.25, 0.24, 0.23), gain: tuple[float, float, float] = (0, -1, 1)
) -> pd.DataFrame:
    rows = [
        (model, "leave_one_site_out", "brier", b, b, b, 240)
        for model, b in zip(MODELS, brier, strict=True)
    ]
    pair = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"
    rows.append((pair, "leave_one_site_out/within_site", "auroc", *gain, 96))
    return pd.DataFrame(
        rows, columns=["model", "split", "metric", "estimate", "lower", "upper", "n"]
    )


def cohort(**spec: object) -> Cohort:
    whole = minimal_spec(**spec)
    return Cohort("made up", whole, (), (), (), "f", simulated=whole.simulated)


def sentences(
    of: Cohort, document: ModelDocument, table: pd.DataFrame | None = None, patients: object = None
) -> str:
    judged = evaluation() if table is None else table
    shown = patients or TABLE
    assert isinstance(shown, type(TABLE))
    return "\n".join(
        f"{f.severity}: {f.message}" for f in findings(of, shown, judged, MODELS, document)
    )


def test_simulated_patients_are_called_that(document: ModelDocument) -> None:
    assert "The patients are simulated" in sentences(cohort(), document)
    assert "simulated" not in sentences(cohort(simulated=False), document)


def test_other_treatments_and_arms_are_said(document: ModelDocument) -> None:
    spec = cohort(
        treatment=Treatment(is_tms=False, description="A computer programme."),
        arms=Arms(column="t.arm", active=("a",), sham=("s",), train_on=("active", "sham")),
    )
    text = sentences(spec, document)
    assert "not TMS but: A computer programme." in text
    assert "improvement in general" in text


def test_pooled_single_patient_sites_are_said(document: ModelDocument) -> None:
    site = TABLE.site.astype("<U40")
    site[:2] = SINGLE_PATIENT_SITES
    assert "who cannot be judged within a site" in sentences(
        cohort(), document, patients=replace(TABLE, site=site)
    )


def test_no_model_better_than_the_base_rate_is_a_warning(document: ModelDocument) -> None:
    text = sentences(cohort(), document, evaluation(brier=(0.23, 0.24, 0.25)))
    assert "warning: No model predicts held-out patients better" in text
    assert "No model predicts" not in sentences(cohort(), document)


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        ((0.05, 0.01, 0.09), "Connectivity adds to the clinical columns: AUROC changes by +0.050"),
        ((0.05, -0.01, 0.11), "It is not shown that connectivity adds anything"),
        ((-0.05, -0.09, -0.01), "Connectivity harms"),
        ((0.05, np.nan, np.nan), "Too few patients have connectivity to say what it adds (96)"),
    ],
)
def test_what_connectivity_adds_is_a_number_with_an_interval(
    gain: tuple[float, float, float], sentence: str, document: ModelDocument
) -> None:
    assert sentence in sentences(cohort(), document, evaluation(gain=gain))


def test_errors_and_warnings_come_first(document: ModelDocument) -> None:
    noted = replace(cohort(), issues=(CohortIssue("note", "n", "t.csv", "a note"),))
    order = [line.split(":")[0] for line in sentences(noted, document).splitlines()]
    assert order == sorted(order, key=["error", "warning", "note"].index)


def test_too_few_counts_the_rarer_outcome() -> None:
    few = replace(TABLE, y=np.arange(len(TABLE.y)) < 6)
    sentence = too_few_sentence(few, 10)
    assert sentence is not None
    assert sentence.startswith("Only 6 patients are in the rarer outcome; at least 10")
    assert too_few_sentence(TABLE, 10) is None
