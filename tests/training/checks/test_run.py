"""All checks together: order, codes, what is ignored, and what ends a strict run."""

import re

import pytest
from check_evidence import evidence

from data_schemas.errors import ConfigurationError, DataError
from training.checks.run import (
    ALL_CHECKS,
    codes_found,
    refuse_errors,
    require_known_codes,
    run_checks,
)
from training.config import ChecksConfig
from training.summary import Finding

ERROR = Finding(code="TMS003", severity="error", message="extra.x speaks of “week 2”.")
WARNING = Finding(code="TMS022", severity="warning", message="Simulated.")


def run(*ignore: str) -> tuple[Finding, ...]:
    of = evidence()
    config = ChecksConfig(ignore=ignore)
    return run_checks(of.cohort, of.table, of.evaluation, of.models, of.document, config=config)


def test_codes_are_unique_and_well_formed() -> None:
    codes = [check.code for check in ALL_CHECKS]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"TMS\d{3}", code) for code in codes)


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.code)
def test_each_check_says_what_it_means_and_what_to_do(check: "object") -> None:
    for name in ("meaning", "remedy"):
        assert str(getattr(check, name)).endswith(".")
    title, reference = (str(getattr(check, name)) for name in ("title", "reference"))
    assert title[0].isupper()
    assert not title.endswith(".")
    assert not reference or any(word in reference for word in ("doi:10.", "PubMed", "Journal"))


def test_a_finding_carries_all_that_its_check_says() -> None:
    (finding,) = (each for each in run() if each.code == "TMS001")
    (check,) = (check for check in ALL_CHECKS if check.code == "TMS001")
    assert finding.severity == check.severity
    assert finding.title == check.title
    assert finding.remedy == check.remedy
    assert finding.reference == check.reference
    assert not finding.ignored


def test_the_gravest_come_first_and_what_is_ignored_last() -> None:
    found = run("TMS001")
    order = [(each.ignored, ["error", "warning", "note"].index(each.severity)) for each in found]
    assert order == sorted(order)
    assert found[-1].code == "TMS001"
    assert found[-1].ignored
    assert "TMS001" in codes_found(run())
    assert "TMS001" not in codes_found(found)


def test_unknown_codes_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'TMS01' is not a check\. Did you mean"):
        require_known_codes(ChecksConfig(ignore=("TMS01",)))
    with pytest.raises(ConfigurationError, match=re.escape("docs/checks.md")):
        run("TMS999")


def test_codes_are_listed_once() -> None:
    assert codes_found([WARNING, ERROR, ERROR]) == "TMS003 TMS022"


def test_a_strict_run_ends_with_errors_that_are_not_ignored() -> None:
    with pytest.raises(DataError) as raised:
        refuse_errors([WARNING, ERROR])
    assert "TMS003: extra.x speaks of" in str(raised.value)
    assert "TMS022" not in str(raised.value)
    refuse_errors([WARNING, ERROR.model_copy(update={"ignored": True})])
