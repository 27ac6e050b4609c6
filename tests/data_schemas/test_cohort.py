import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_schemas import cohort
from data_schemas.cohort import CohortSpec, parse_cohort_spec
from data_schemas.cohort_tables import (
    CohortTable,
    conversion_factor,
    resolve,
    scalar_text,
    units_like,
)
from data_schemas.errors import ConfigurationError

EXAMPLES = Path(__file__).parents[2] / "examples"


def _documented() -> str:
    """The worked example of the module's docstring, which is the manual."""
    text = cohort.__doc__ or ""
    return textwrap.dedent(text[text.index("    name =") :])


def _with(old: str, new: str) -> str:
    text = _documented()
    assert text.count(old) == 1, old
    return text.replace(old, new)


def _refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_cohort_spec(text)
    assert caught.value.exit_code == 11
    return str(caught.value)


def test_the_documented_example_is_a_spec() -> None:
    spec = parse_cohort_spec(_documented())
    assert list(spec.tables) == ["participants", "clinical", "hdrs17", "weekly"]
    assert spec.patient["age_years"].column == "participants.age"
    assert spec.patient["coil_site_mni_mm"].references() == (
        "clinical.x",
        "clinical.y",
        "clinical.z",
    )
    assert spec.outcome.final.visit == "ses-post"
    assert spec.outcome.definition().describe() == (
        "at least 50 % fall of the HDRS-17 total from baseline at end of treatment, six weeks"
    )
    (extra,) = spec.extra_declarations()
    assert (extra.name, extra.minimum, extra.maximum) == ("stimsite_accumbens_fc", -1, 1)


SPECS = [
    path
    for path in sorted(EXAMPLES.glob("*/*.toml"))
    if path.name != "card.toml" and not path.name.endswith("settings.toml")
]


@pytest.mark.parametrize("path", SPECS, ids=str)
def test_the_examples_are_specs(path: Path) -> None:
    spec = parse_cohort_spec(path.read_text(encoding="utf-8"))
    assert spec.licence
    assert spec.citation
    assert not spec.simulated


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError):
        parse_cohort_spec(_documented()).name = "another"


def test_the_order_of_tables_is_kept() -> None:
    # The first one lists the participants.
    text = _documented()
    first, second = text.index("[tables.participants]"), text.index("[tables.clinical]")
    third = text.index("[tables.hdrs17]")
    swapped = text[:first] + text[second:third] + text[first:second] + text[third:]
    assert next(iter(parse_cohort_spec(swapped).tables)) == "clinical"


@pytest.mark.parametrize("key", [key for key in CohortSpec.model_fields if len(key) > 4])
def test_a_misspelt_key_is_named_with_the_nearest(key: str) -> None:
    given_spec = tomllib.loads(_documented())
    section: dict[str, Any] = given_spec
    wrong = key[:-1]
    section[wrong] = section.pop(key, "words")
    with pytest.raises(ConfigurationError) as caught:
        # TOML of the same content, top level only.
        parse_cohort_spec(_as_toml(section))
    assert f"{wrong}: is not a key of this section. Did you mean '{key}'?" in str(caught.value)


def _as_toml(content: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {_inline(value)}" for key, value in content.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_inline(inner)}' for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(inner) for inner in value) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


WRONG = [
    # what is replaced, by what, and the sentence
    ('visit = "session_id" ', 'vissit = "session_id" ',
     r"tables\.hdrs17\.vissit: is not a key of this section\. Did you mean 'visit'\?"),
    ('"HDRS-17"', '"HDRS17"',
     r"outcome\.instrument: 'HDRS17' is not a known instrument\. Did you mean 'HDRS-17'\?"),
    ("age_years =", "age_year =",
     r"patient\.age_year: is not a field of a patient\. Did you mean 'age_years'\?"),
    ("age_years =", "connectome =", r"patient\.connectome: has a section of its own"),
    ("age_years =", "sessions_completed =",
     r"patient\.sessions_completed: cannot be a predictor: it counts the sessions given"),
    ('"participants.age"', '"participant.age"',
     r"patient\.age_years: 'participant\.age' names no table .* Did you mean 'participants'\?"),
    ('"participants.age"', '{ column = "participants.age", visit = "ses-pre" }',
     r"patient\.age_years: names the visit 'ses-pre', but \[tables\.participants\]"),
    ('"participants.age"', '{ value = 40, column = "participants.age" }',
     r"patient\.age_years: needs exactly one of: column, columns, value"),
    ('"participants.age"', '["participants.age"]', r"patient\.age_years: takes one column"),
    ('["clinical.x", "clinical.y", "clinical.z"]', '"clinical.x"',
     r"patient\.coil_site_mni_mm: takes a list of columns"),
    ('["clinical.x", "clinical.y", "clinical.z"]', '["clinical.x", "clinical.y"]',
     r"patient\.coil_site_mni_mm: takes three columns"),
    ('"clinical.failed_trials"', '"clinical.week1_score"',
     r"'clinical\.week1_score' cannot be a predictor: it was measured during or after treatment"),
    ('"clinical.failed_trials"', '{ column = "hdrs17.hdrs17_total", visit = "ses-post" }',
     r"patient\.failed_trials: .* cannot be a predictor: it is the outcome itself"),
    ('"clinical.failed_trials"', '{ column = "hdrs17.rater", visit = "ses-post" }',
     r"patient\.failed_trials: .* it is read at the visit of the outcome, 'ses-post'"),
    ('"clinical.failed_trials"', '{ column = "hdrs17.rater", visit = "ses-week3" }',
     r"patient\.failed_trials: .* it is read at the visit 'ses-week3'"),
    ('baseline = "ses-pre" ', 'baseline = "ses-post" ',
     r"tables\.hdrs17\.baseline: cannot be before treatment: it is read at the visit of the"),
    ('visit = "ses-pre" }', 'visit = "ses-week2" }',
     r"outcome\.baseline: .* cannot be a predictor: it is read at the visit 'ses-week2'"),
    ("[extra.stimsite_accumbens_fc]", "[extra.stimsite_fc_change]",
     r"extra\.stimsite_fc_change: cannot be a predictor: it is derived from the outcome"),
    ("F = \"female\"", "F = \"femal\"",
     r"patient\.sex\.values\.F: 'femal' is not one of the allowed .* Did you mean 'female'\?"),
    ('{ value = "HAM-A" }', '{ value = "HAMA" }',
     r"patient\.anxiety_instrument\.value: 'HAMA' .*Did you mean 'HAM-A'\?"),
    ('anxiety_instrument = { value = "HAM-A" }\n', "",
     r"patient\.anxiety_total: needs anxiety_instrument beside it"),
    ('from_unit = "weeks"', 'from_unit = "week"',
     r"from_unit: 'week' does not convert into months\. Did you mean 'weeks'\?"),
    ('from_unit = "weeks"', 'from_unit = "weeks", factor = 2',
     r"takes from_unit, or factor and offset, but not both"),
    ('values = { F = "female", M = "male" }', 'values = { F = "female" }, factor = 2',
     r"patient\.sex: maps the values of one column, which takes no unit or factor"),
    ('{ value = "HAM-A" }', '{ value = "HAM-A", visit = "ses-pre" }',
     r"patient\.anxiety_instrument: has a value for everybody, beside which no other key"),
    ('unit = "Pearson r"', 'values = { a = "low" }\nunit = "Pearson r"',
     r"extra\.stimsite_accumbens_fc: is a number, so its values must map to numbers"),
    ('hdrs17_total", visit = "ses-pre" }', 'hdrs17_total", visit = "ses-pre", from_unit = "cm" }',
     r"outcome\.baseline\.from_unit: 'cm' does not convert into points\. Use factor and offset"),
    ('values = { F = "female", M = "male" }', "factor = 2",
     r"patient\.sex: is not a number, so no unit can be converted"),
    ('one_of = ["MDD", "BD"]', "", r"keep\.1: needs one of: equals, one_of, none_of, at_least"),
    ("minimum = -1", "minimum = 2", r"minimum must be less than maximum"),
    ("minimum = -1", "minimum = nan", r"extra\.stimsite_accumbens_fc\.minimum: .*finite number"),
    ('active = ["active"]', 'active = ["sham"]', r"arms: a label stands for two arms"),
    ('train_on = ["active"] ', 'train_on = ["control"] ',
     r"arms: train_on names 'control', which has no labels here"),
    ('train_on = ["active"] ', 'train_on = ["actve"] ',
     r"arms\.train_on\.1: 'actve' is not one of the allowed values\. Did you mean 'active'\?"),
    ("{id}_*", "sub-*", r"connectome\.files: .* must hold \{id\}"),
    ("derivatives/**/", "../", r"connectome\.files: .* must be a pattern inside the data folder"),
    ("derivatives/**/", "derivatives**/", r"connectome\.files: .* only as a whole folder"),
    ('"participants.tsv"  ', '"../participants.tsv"', r"'\.\./participants\.tsv' must be a path"),
    ('"participants.tsv"  ', '"/etc/participants.tsv"', r"must be a path inside the data folder"),
    ('"participants.tsv"  ', '"participants.docx"', r"must end in one of: \.csv, \.tsv"),
    ('"phenotype/clinical.tsv"', '"c.tsv"\nencoding = "utf9"', r"'utf9' is not an encoding"),
    ('visit = "session_id" ', "#", r"tables\.hdrs17: baseline names a visit"),
    ('visit = "ses-post" }', 'visit = "ses-pre" }',
     r"outcome\.final: is the same column and visit as outcome\.baseline"),
    ('final = { column = "hdrs17.hdrs17_total", visit = "ses-post" }',
     'final = "hdrs17.hdrs17_total"', r"outcome\.final: \[tables\.hdrs17\] has several visits"),
    ('final = { column = "hdrs17.hdrs17_total", visit = "ses-post" }',
     'final = ["clinical.q1", "clinical.q2"]', r"outcome\.final\.columns: HDRS-17 has 17 items"),
    ('final = { column = "hdrs17.hdrs17_total", visit = "ses-post" }',
     "final = { value = 3 }", r"outcome\.final: must be read from a column"),
    ('start_date = "participants.first_session"', 'start_date = "participant.first_session"',
     r"treatment\.start_date: .*names no table of this spec.* Did you mean 'participants'\?"),
    ('start_date = "participants.first_session"', 'start_date = { value = "2021-03-04" }',
     r"treatment\.start_date: is read from one column; beside it, only visit and missing"),
    ('start_date = "participants.first_session"', 'start_date = ["clinical.x", "clinical.y"]',
     r"treatment\.start_date: is read from one column"),
    ('start_date = "participants.first_session"', "start_date = 2021-03-04",
     r"treatment\.start_date: '2021-03-04' should be an object"),
    ('"participants.age"', '"participants.first_session"',
     r"patient\.age_years: .* cannot be a predictor: it dates the start of treatment"),
    ('"clinical.stim_nac_r"', '"participants.first_session"',
     r"extra\.stimsite_accumbens_fc: .* cannot be a predictor: it dates the start of treatment"),
    ("is_tms = true", 'is_tms = "maybe"', r"treatment\.is_tms: 'maybe' should be true or false"),
    ('licence = "CC BY 4.0"\n', "", r"licence: is required"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG)
def test_what_is_wrong_is_said_in_a_sentence(old: str, new: str, sentence: str) -> None:
    message = _refused(_with(old, new))
    assert re.search(sentence, message), message


def test_all_problems_are_told_at_once() -> None:
    text = _with("age_years =", "age_year =").replace('"weeks"', '"week"')
    message = _refused(text)
    assert "patient.age_year:" in message
    assert "patient.episode_duration_months.from_unit:" in message


def test_broken_toml_names_line_and_column() -> None:
    assert "(at line 3, column 9)" in _refused('name = "x"\n\nlicence "CC0"\n')


def test_a_column_that_only_sounds_late_can_be_vouched_for() -> None:
    late = "{ column = 'clinical.end_of_school' }"
    assert "before_treatment = true" in _refused(_with('"clinical.failed_trials"', late))
    vouched = "{ column = 'clinical.end_of_school', before_treatment = true }"
    assert parse_cohort_spec(_with('"clinical.failed_trials"', vouched))


@pytest.mark.parametrize("visit", ["week0", "day_0", "visit1", "session 1", "screening"])
def test_a_visit_numbered_first_may_precede_treatment(visit: str) -> None:
    source = f"{{ column = 'hdrs17.anything', visit = '{visit}' }}"
    assert parse_cohort_spec(_with('"clinical.failed_trials"', source))


def test_a_wide_outcome_column_cannot_be_a_predictor() -> None:
    text = (EXAMPLES / "beat-the-blues" / "cohort.toml").read_text(encoding="utf-8")
    leaking = text.replace('"trial.drug"', '"trial.bdi.2m"')
    assert "extra.antidepressant: 'trial.bdi.2m' cannot be a predictor" in _refused(leaking)


def test_a_reference_splits_at_the_first_dot_that_names_a_table() -> None:
    one = {"a": CohortTable(file="a.csv")}
    two = {**one, "b": CohortTable(file="b.csv")}
    assert resolve("b.x.y", two) == ("b", "x.y")
    assert resolve("x.y", two) is None
    assert resolve("x.y", one) == ("a", "x.y")


NAMED = ("hours", "days", "weeks", "months", "years", "mm", "cm", "m", "share", "percent")


@given(st.sampled_from(NAMED), st.sampled_from(NAMED))
def test_conversions_undo_each_other(left: str, right: str) -> None:
    if right in units_like(left):
        there, back = conversion_factor(left, right), conversion_factor(right, left)
        assert there * back == pytest.approx(1)
    else:
        assert left not in units_like(right)


def test_a_year_has_twelve_months_and_52_weeks_and_a_bit() -> None:
    assert conversion_factor("years", "months") == pytest.approx(12)
    assert conversion_factor("years", "weeks") == pytest.approx(365.25 / 7)
    assert conversion_factor("cm", "mm") == 10
    assert units_like("points") == ()


@given(st.integers(-1000, 1000))
def test_a_whole_float_reads_like_its_integer(number: int) -> None:
    assert scalar_text(float(number)) == scalar_text(number) == str(number)
