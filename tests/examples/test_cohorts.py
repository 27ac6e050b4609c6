"""The example cohorts, read where their data is at hand."""

import os
from pathlib import Path

import pytest

from training.cohort.check import check_cohort
from training.cohort.read import read_cohort
from training.config import load_config
from training.course.landmarks import landmark_table, landmarks_of
from training.dataset import build_table

ROOT = Path(__file__).parents[2]
OCD = ROOT / "examples" / "ocd-ctbs-2023"
BLUES = ROOT / "examples" / "beat-the-blues"


@pytest.fixture
def ocd_data() -> Path:
    """The OCD tables: TMS_RESPONSE_OCD_DATA, or ../shared/data beside the repository."""
    beside = ROOT.parent / "shared" / "data" / "ocd-ctbs-2023"
    folder = Path(os.environ.get("TMS_RESPONSE_OCD_DATA", beside))
    if not folder.is_dir():
        pytest.skip("the OCD data is not here; TMS_RESPONSE_OCD_DATA can name its folder")
    return folder


def _responders(path: Path, data: Path | None = None) -> tuple[int, int]:
    learned = read_cohort(path, data).trained_on()
    return sum(bool(member.outcome and member.outcome.response) for member in learned), len(learned)


def test_the_active_arm_of_the_ocd_trial_has_6_responders_of_26(ocd_data: Path) -> None:
    assert _responders(OCD, ocd_data) == (6, 26)
    cohort = read_cohort(OCD, ocd_data)
    sham = cohort.not_trained_on()
    assert len(sham) == 24
    assert sum(bool(member.outcome and member.outcome.response) for member in sham) == 8
    assert {issue.code for issue in cohort.issues} == {
        "remitted_baseline",
        "few_in_the_smaller_class",
    }


def test_both_arms_of_the_ocd_trial_have_14_responders_of_50(ocd_data: Path) -> None:
    assert _responders(OCD / "pooled.toml", ocd_data) == (14, 50)


def test_the_ocd_predictors_are_read_before_treatment(ocd_data: Path) -> None:
    cohort = read_cohort(OCD, ocd_data)
    first = next(member for member in cohort.members if member.id == "sub-001")
    assert first.patient.anxiety_total == 16
    assert first.patient.depression_total == 25
    assert first.patient.extra["ybocs_total"] == 24
    assert len(first.patient.extra) == len(cohort.spec.extra)
    missing = {m.field: m.missing for m in check_cohort(OCD, ocd_data).missingness}
    assert missing["extra.stimsite_accumbens_fc"] == 3


def test_the_two_ocd_specs_differ_in_the_arms_only() -> None:
    def lines(name: str) -> list[str]:
        text = (OCD / name).read_text(encoding="utf-8")
        return [
            line for line in text.splitlines() if not line.startswith(("#", "name", "train_on"))
        ]

    active, pooled = lines("cohort.toml"), lines("pooled.toml")
    different = [pair for pair in zip(active, pooled, strict=True) if pair[0] != pair[1]]
    assert [pair[0].split(" = ")[0] for pair in different] == ["description"]


def test_the_programme_arm_of_beat_the_blues_has_16_responders_of_52() -> None:
    if not (BLUES / "data" / "BtheB.csv").is_file():
        pytest.skip(
            "the Beat the Blues table is not here; examples/beat-the-blues/fetch.py gets it"
        )
    assert _responders(BLUES) == (16, 52)
    cohort = read_cohort(BLUES)
    assert len(cohort.members) == 100
    others = cohort.not_trained_on()
    assert sum(member.outcome is not None for member in others) == 45
    assert sum(member.outcome is None for member in others) == 0
    assert not cohort.spec.treatment.is_tms


def test_beat_the_blues_has_a_course_of_three_visits() -> None:
    if not (BLUES / "data" / "BtheB.csv").is_file():
        pytest.skip(
            "the Beat the Blues table is not here; examples/beat-the-blues/fetch.py gets it"
        )
    cohort = read_cohort(BLUES / "course.toml")
    config = load_config(BLUES / "course-settings.toml")
    everyone = build_table(cohort, config)
    counts = [
        landmark_table(cohort, everyone, landmark, config).counts
        for landmark in landmarks_of(cohort.spec, config.course)
    ]
    assert {(each.learned_from, each.events, each.outcome_unknown) for each in counts} == {
        (52, 31, 45)
    }
    second = cohort.members[1].course
    assert second is not None
    assert [visit.score for visit in second.visits] == [16, 24, 17]
