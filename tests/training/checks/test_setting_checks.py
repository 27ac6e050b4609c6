from dataclasses import replace

from check_evidence import cohort, document, evidence, found, quiet_document, quiet_table

from data_schemas.cohort_sections import Arms, Treatment
from serving.model_document import Calibration
from training.cohort.records import CohortIssue
from training.summary import ConnectomeCounts


def test_simulated_patients_are_called_that() -> None:
    assert found("TMS022", evidence(of=cohort(simulated=True))) == [
        "The patients are simulated; nothing here is evidence about real patients."
    ]
    assert found("TMS022", evidence()) == []


def test_other_treatments_are_said() -> None:
    other = Treatment(is_tms=False, description="A computer programme.")
    assert found("TMS023", evidence(of=cohort(treatment=other))) == [
        "The treatment was not TMS but: A computer programme."
    ]
    assert found("TMS023", evidence()) == []


def test_learning_from_other_arms_is_said() -> None:
    arms = Arms(column="t.arm", active=("a",), sham=("s",), train_on=("active", "sham"))
    (said,) = found("TMS024", evidence(of=cohort(arms=arms)))
    assert "improvement in general" in said
    active = arms.model_copy(update={"train_on": ("active",)})
    assert found("TMS024", evidence(of=cohort(arms=active))) == []


def test_refused_scans_are_counted_by_reason() -> None:
    counts = ConnectomeCounts(n_read=9, n_accepted=2, refused={"they moved": 5, "too short": 2})
    said = found("TMS027", evidence(table=replace(quiet_table(), connectomes=counts)))
    assert said == [
        "5 scans were refused because they moved.",
        "2 scans were refused because too short.",
    ]
    assert found("TMS027", evidence()) == []


def test_a_model_that_never_answers_says_why_and_nothing_else() -> None:
    flat = Calibration(slope=0, intercept=0)
    silent = quiet_document().abstention.model_copy(update={"always": "There are too few."})
    of = evidence(doc=document(abstention=silent, calibration=flat))
    assert found("TMS028", of) == ["There are too few."]
    assert found("TMS029", of) == []
    without_signal = evidence(doc=document(calibration=flat))
    assert found("TMS028", without_signal) == []
    assert found("TMS029", without_signal)[0].startswith("No usable signal")


def test_what_was_noticed_while_reading_is_passed_on_once() -> None:
    issues = (
        CohortIssue("warning", "lowest_baseline", "t.csv", "a doubt"),
        CohortIssue("note", "several_connectomes", "t.csv", "a remark"),
        CohortIssue("warning", "missing_outcome", "outcome", "said by another check"),
    )
    of = evidence(of=cohort(issues=issues))
    assert found("TMS032", of) == ["t.csv: a doubt"]
    assert found("TMS033", of) == ["t.csv: a remark"]
    assert found("TMS032", evidence()) == found("TMS033", evidence()) == []
