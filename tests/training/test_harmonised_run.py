"""A whole run with harmonisation: judged, bootstrapped, tried elsewhere and reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from cohort_tables import quick_config, simulated_table, with_bystanders
from finished_runs import write_finished_run

from serving.predictor import ResponsePredictor
from training.config import HarmonisationConfig
from training.external import ExternalPatients
from training.learning.fit import served_rows
from training.report.build import build_report
from training.report.explain import load_explanations
from training.summary import EXPLANATIONS_FILE


def test_every_part_of_a_run_harmonises_alike(tmp_path: Path) -> None:
    combat = HarmonisationConfig(method="combat", covariates=("age_years",), reference_site="")
    table = simulated_table(n=120, signal=1.5, scanned=0.7)
    X = table.X.copy()
    X[np.ix_(table.site == "site-1", table.columns_of("connectivity"))] += 0.3
    table = with_bystanders(replace(table, X=X, harmonisation=combat), 12, 8)
    further = simulated_table(40, n_sites=2, signal=1.5, seed=5)
    elsewhere = ExternalPatients(
        name="Further clinics", description="Adults elsewhere", fingerprint="e" * 64,
        X=further.X, y=further.y, site=np.char.add("far-", further.site),
        has_connectome=further.has_connectome,
    )  # fmt: skip
    run = write_finished_run(
        tmp_path / "run", table, config=quick_config(harmonisation=combat), external=elsewhere
    )
    model = ResponsePredictor.load(tmp_path / "run" / "model")
    assert model.document.harmonisation is not None
    rows = served_rows(table, model)
    explained = load_explanations(tmp_path / "run" / EXPLANATIONS_FILE)
    np.testing.assert_array_equal(explained.X, rows.X)
    far = served_rows(table, model, table.rows_of(elsewhere.X, elsewhere.y, elsewhere.site))
    assert far.measured is not None
    np.testing.assert_array_equal(far.X, far.measured.X)
    assert {"external", "stability"} <= set(run.evaluation["split"].str.split("/").str[0])
    page = build_report(tmp_path / "run").read_text("utf-8")
    assert "What scanners add to connectivity was taken away" in page
