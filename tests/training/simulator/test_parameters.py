from pathlib import Path

import numpy as np
import pytest

from data_schemas.errors import ConfigurationError, UsageError
from training.simulator.agreement import DOCUMENT, parameter_section
from training.simulator.parameters import DEFAULT_PARAMETERS, load_parameters, parameter_rows


def test_every_parameter_names_evidence_and_source() -> None:
    rows = parameter_rows()

    assert len(rows) > 100
    assert all(len(row.source) > 5 for row in rows)
    assert {row.evidence for row in rows} == {"published", "judgement", "assumption"}


def test_unconfirmed_knowledge_is_called_an_assumption() -> None:
    evidence = {row.key: row.evidence for row in parameter_rows()}

    assert evidence["correlations.anxiety_severity"] == "assumption"
    assert evidence["profiles.general.severity_sd_points"] == "assumption"
    assert evidence["other_columns.coil_site_mean_mni_mm"] == "assumption"


def test_shares_are_whole() -> None:
    parameters = load_parameters()

    assert sum(parameters.roster.share) == pytest.approx(1)
    assert sum(parameters.other_columns.sessions_planned_share) == pytest.approx(1)


def test_missingness_lies_in_the_ranges_meant() -> None:
    parameters = load_parameters()
    items = parameters.missing.model_dump()
    single = [
        share for name, share in items.items() if not name.startswith(("duration", "outcome"))
    ]
    by_site = np.array(parameters.roster.anxiety_missing)

    assert all(0.02 <= share <= 0.10 for share in single)
    assert np.all(((by_site >= 0.3) & (by_site <= 0.6)) | ((by_site >= 0.02) & (by_site <= 0.1)))
    assert np.any(by_site >= 0.3)


def test_the_null_scenario_has_no_connectivity_anywhere() -> None:
    null = load_parameters().scenario("null")

    assert (null.sgacc, null.default_mode, null.frontoparietal, null.sgacc_slope_sd) == (0,) * 4


def test_profiles_repeat_the_general_one() -> None:
    profiles = load_parameters().profiles

    assert profiles["veterans"].severity_mean_points == profiles["general"].severity_mean_points
    assert profiles["veterans"].female < profiles["general"].female
    assert profiles["low_rate"].intercept_offset < profiles["veterans"].intercept_offset < 0


def test_an_unknown_scenario_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'conservative'\? Allowed: null, "):
        load_parameters().scenario("conservativ")


def changed_file(folder: Path, old: str, new: str) -> Path:
    text = DEFAULT_PARAMETERS.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / "parameters.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


SEVERITY = 'severity = { value = -0.10, evidence = "judgement", source = "'


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (SEVERITY, 'severity = { value = -0.10, evidence = "judgement", note = "', "needs exactly"),
        (SEVERITY, SEVERITY.replace("judgement", "hearsay"), "unknown evidence"),
        ("sgacc_reliability = { value = 0.45", "sgacc_reliability = { value = 1.45", "0 to 1"),
        ("sgacc_reliability =", "sgacc_relyability =", "sgacc_relyability: is not a known field"),
        ('"veterans", "low_rate", "general"', '"veteran", "low_rate", "general"', "not a profile"),
        ("share = { value = [0.18, ", "share = { value = [", "one entry a site"),
        ("[scenarios.elbau]", "[scenarios.elbow]", "scenarios"),
        ("[site_effects]", "[site_effects", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load_parameters(changed_file(tmp_path, old, new))


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    other = load_parameters(changed_file(tmp_path, "# Every parameter", "# Each parameter"))

    assert other.sha256 != load_parameters().sha256
    assert other.model_dump(exclude={"sha256"}) == load_parameters().model_dump(exclude={"sha256"})


def test_the_document_is_that_of_these_parameters() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")

    assert load_parameters().sha256 in document, "run: python -m training.simulator.agreement"
    assert "\n".join(parameter_section()) in document
