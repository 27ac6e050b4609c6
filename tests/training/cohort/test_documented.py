"""The worked example of `data_schemas/cohort.py`, with the BIDS folder that it describes."""

import textwrap
from datetime import date
from pathlib import Path

from data_schemas import cohort as grammar
from data_schemas.course import Course
from data_schemas.outcome import Outcome
from data_schemas.patient import Patient
from training.cohort.read import read_cohort

SCAN = (
    "derivatives/xcp_d/sub-01/ses-pre/func/"
    "sub-01_ses-pre_task-rest_space-fsLR_atlas-4S456Parcels_stat-pearsoncorrelation_relmat.tsv"
)
FILES = {
    "participants.tsv": """participant_id age sex site diagnosis arm first_session
sub-01 41 F A MDD active 2021-03-04
sub-02 999 M B BD sham 999
sub-03 30 F B PTSD active 2020
""",
    "phenotype/clinical.tsv": """\
participant_id failed_trials episode_weeks bzd hama x y z stim_nac_r last_session
sub-02 n/a 52 no 20 n/a n/a n/a -0.25 n/a
sub-01 3 104 yes 24 -38 44 26 0.1 12
sub-03 1 10 no 5 -38 44 26 0.2 n/a
""",
    "phenotype/hdrs17.tsv": """participant_id session_id hdrs17_total
sub-01 ses-post 11
sub-01 ses-pre 22
sub-02 ses-pre 26
sub-02 ses-post 25
sub-03 ses-pre 18
""",
    "phenotype/weekly.tsv": """participant_id session hdrs17_total
sub-01 10 15
sub-01 5 19
""",
    SCAN: "Node a b\n",
}


def test_the_documented_example_reads_the_folder_it_describes(tmp_path: Path) -> None:
    text = grammar.__doc__ or ""
    (tmp_path / "cohort.toml").write_text(textwrap.dedent(text[text.index("    name =") :]))
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.replace(" ", "\t"))
    cohort = read_cohort(tmp_path)
    first, second = cohort.members
    assert first.patient == Patient(
        age_years=41,
        sex="female",
        site="A",
        failed_trials=3,
        episode_duration_months=104 * 7 / (365.25 / 12),
        benzodiazepine=True,
        anxiety_instrument="HAM-A",
        anxiety_total=24,
        depression_instrument="HDRS-17",
        depression_total=22,
        coil_site_mni_mm=(-38, 44, 26),
        extra={"stimsite_accumbens_fc": 0.1},
    )
    assert first.outcome == Outcome(instrument="HDRS-17", baseline_total=22, final_total=11)
    assert first.outcome.response
    assert first.connectome_files == (tmp_path.resolve() / SCAN,)
    assert second.patient.age_years is None
    assert second.patient.coil_site_mni_mm is None
    assert second.connectome_files == ()
    assert [member.treatment_started for member in cohort.members] == [date(2021, 3, 4), None]
    visits = [{"session": 5, "score": 19}, {"session": 10, "score": 15}]
    assert first.course == Course.model_validate({"visits": visits})
    assert (first.course_ended_week, second.course_ended_week) == (12 / 5, None)
    assert second.course is None
    assert [member.arm for member in cohort.members] == ["active", "sham"]
    assert [step.remaining for step in cohort.flow] == [3, 2, 2, 1]
