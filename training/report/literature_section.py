"""The report's table that holds the signs found against those of published studies."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from features.table import YES_NO, Feature, Sign
from training.report.attributions import Attributions
from training.report.literature import AGREES, DISAGREES, SIGNS, UNDECIDED, verdict
from training.report.tables import Cell, Estimate, Table, table
from training.report.words import HELD, direction_words
from training.summary import Characteristic, RunSummary


def literature_table(
    summary: RunSummary, found: Attributions, features: Sequence[Feature]
) -> tuple[Table, str] | None:
    """Return the table and what it comes to; None where studies of TMS do not apply.

    Parameters
    ----------
    features : sequence of Feature
        Of the model's columns.
    """
    compared = [feature for feature in features if feature.name in SIGNS]
    if not summary.population.is_tms or not compared:
        return None
    patients = {row.label: row for row in summary.characteristics}
    effects = found.importance.set_index("feature").to_dict("index")
    verdicts: Counter[str] = Counter()
    rows = []
    for feature in compared:
        sign = SIGNS[feature.name].for_outcome(summary.outcome.kind)
        own, in_patients = _patients_cell(patients.get(feature.label), sign)
        verdicts[in_patients] += 1
        rows.append(
            [
                Cell(feature.label),
                Cell(_published(feature, sign), SIGNS[feature.name].source),
                _model_cell(feature, effects[feature.name], sign),
                own,
            ]
        )
    header = [
        "Input", "In the literature",
        Cell("In this model", "effect, log-odds"),
        Cell("In these patients", "standardised difference by outcome"),
    ]  # fmt: skip
    return table("Signs found and signs published", header, rows), _words(summary, verdicts)


def _published(feature: Feature, sign: Sign) -> str:
    if sign == 0:
        return "studies disagree, or found none"
    return direction_words(float(sign), yes_no=feature.unit == YES_NO)


def _model_cell(feature: Feature, effect: Mapping[Hashable, float], sign: Sign) -> Cell:
    lower, upper = effect["effect_lower"], effect["effect_upper"]
    text = Estimate(effect["effect_log_odds"], lower, upper, 0).text(2, "+")
    if feature.monotone:
        return Cell(text, mark=HELD)
    return Cell(text, mark=verdict(sign, lower, upper) if sign else "")


def _patients_cell(row: Characteristic | None, sign: Sign) -> tuple[Cell, str]:
    if row is None or row.standardised_difference is None:
        return Cell("withheld or unknown"), ""
    lower, upper = row.difference_lower, row.difference_upper
    assert lower is not None  # noqa: S101  # for the type checker: it stands beside its estimate
    assert upper is not None  # noqa: S101
    text = Estimate(row.standardised_difference, lower, upper, 0).text(2, "+")
    if sign == 0:
        return Cell(text), ""
    found = verdict(sign, lower, upper)
    return Cell(text, mark=found), found


def _words(summary: RunSummary, verdicts: Counter[str]) -> str:
    words = (
        f"Of {sum(verdicts[name] for name in (AGREES, DISAGREES, UNDECIDED))} published signs that "
        f"can be compared, these patients agree with {verdicts[AGREES]}, disagree with "
        f"{verdicts[DISAGREES]} and leave {verdicts[UNDECIDED]} undecided: the interval lies on "
        "both sides of no difference."
    )
    if summary.population.simulated:
        words += (
            " The patients were simulated after these studies, so agreement shows that the method "
            "finds what was put in, and is no evidence for the studies."
        )
    return words
