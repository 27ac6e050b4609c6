"""Checks of who the patients are, how many, and where."""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from training.checks.evidence import Check, Evidence
from training.cohort.records import CohortMember, is_trained_on
from training.dataset import TrainingTable
from training.learning.splits import SINGLE_PATIENT_SITES, UNKNOWN_SITE
from training.performance.heterogeneity import heterogeneity_p
from training.performance.site_summary import restricted_tau_squared
from training.planning.shortfall import shortfall

_NO_SITES: Final = frozenset({UNKNOWN_SITE, SINGLE_PATIENT_SITES})
# SD of logit(response) over ten published cohorts that used different instruments: 0.21 to 0.66.
SITE_SD_LOGIT: Final = 0.59
# Sites of one study rate the same illness; means farther apart are hardly the same scale.
_BASELINE_GAP_SD: Final = 1.5
_FEWEST_AT_A_SITE: Final = 10
# The lowest loss of patients in a trial; with it, nobody is missing in one of twenty studies of 66.
_LOWEST_LOSS: Final = 0.045
_UNLIKELY: Final = 0.05
_NOTABLE_LOSS: Final = 0.2
_COMPLETERS: Final = re.compile(r"complet(er|ed)(?!.*baseline)", re.IGNORECASE)


def too_few_sentence(table: TrainingTable, minimum: int) -> str | None:
    """Return why this cohort is too small to tune a model on, or None when it is not."""
    if table.smaller_class >= minimum:
        return None
    return (
        f"Only {table.smaller_class} patients are in the rarer outcome; at least {minimum} are "
        "needed to fit a model, so only the base rate and a fixed logistic regression were "
        "evaluated, and the model never answers."
    )


def _below_riley(evidence: Evidence) -> Iterator[str]:
    found = shortfall(evidence.document, evidence.scalars, evidence.model)
    if found.missing:
        yield found.sentence()


def _one_large_site(evidence: Evidence) -> Iterator[str]:
    names, counts = np.unique(evidence.table.site, return_counts=True)
    largest = int(np.argmax(counts))
    share = counts[largest] / counts.sum()
    if len(names) > 1 and share > 0.5 and names[largest] not in _NO_SITES:
        yield f"Site {names[largest]} holds {100 * share:.0f} % of the patients."


def _rates_differ(evidence: Evidence) -> Iterator[str]:
    table = evidence.table
    log_odds, variances = [], []
    for name in np.unique(table.site):
        y = table.y[table.site == name]
        events, nonevents = int(np.count_nonzero(y)), int(np.count_nonzero(~y))
        if name not in _NO_SITES and len(y) >= _FEWEST_AT_A_SITE:
            # Half a patient to either side keeps the log-odds finite.
            log_odds.append(float(np.log((events + 0.5) / (nonevents + 0.5))))
            variances.append(1 / (events + 0.5) + 1 / (nonevents + 0.5))
    if len(log_odds) < 3:
        return
    rates, spread = np.array(log_odds), np.array(variances)
    tau = restricted_tau_squared(rates, spread) ** 0.5
    if tau > SITE_SD_LOGIT and heterogeneity_p(rates, spread) < _UNLIKELY:
        yield (
            f"The rate of the outcome differs between {len(rates)} sites by an SD of {tau:.2f} in "
            f"log-odds, beyond chance; ten published cohorts differ by {SITE_SD_LOGIT}."
        )


def _baselines_differ(evidence: Evidence) -> Iterator[str]:
    by_site: dict[str, list[float]] = {}
    for member in evidence.cohort.trained_on():
        if member.outcome is not None and member.patient.site:
            by_site.setdefault(member.patient.site, []).append(member.outcome.baseline_total)
    large = {name: np.array(totals) for name, totals in by_site.items()
             if len(totals) >= _FEWEST_AT_A_SITE}  # fmt: skip
    for name, totals in sorted(large.items()):
        others = [other for place, other in large.items() if place != name]
        if not others:
            return
        rest = np.concatenate(others)
        pooled_sd = float(np.sqrt((np.var(totals, ddof=1) + np.var(rest, ddof=1)) / 2))
        gap = float(np.mean(totals) - np.mean(rest))
        if pooled_sd > 0 and abs(gap) > _BASELINE_GAP_SD * pooled_sd:
            yield (
                f"Baseline totals at site {name} lie {abs(gap) / pooled_sd:.1f} SD "
                f"{'above' if gap > 0 else 'below'} those of the other sites."
            )


def _instruments_differ(evidence: Evidence) -> Iterator[str]:
    yield from _rates_differ(evidence)
    yield from _baselines_differ(evidence)


def _of_trained_arms(evidence: Evidence) -> list[CohortMember]:
    spec = evidence.cohort.spec
    return [member for member in evidence.cohort.members if is_trained_on(member.arm, spec)]


def _completers_only(evidence: Evidence) -> Iterator[str]:
    for step in evidence.cohort.spec.keep:
        if _COMPLETERS.search(f"{step.column} {step.because}"):
            yield "A rule of cohort.toml keeps only those who completed treatment."
            return
    members = _of_trained_arms(evidence)
    lost = any(member.outcome is None for member in members)
    if not lost and (1 - _LOWEST_LOSS) ** len(members) < _UNLIKELY:
        yield f"Not one of {len(members)} patients lacks the outcome."


def _many_lost(evidence: Evidence) -> Iterator[str]:
    members = _of_trained_arms(evidence)
    lost = sum(member.outcome is None for member in members)
    if members and lost / len(members) > _NOTABLE_LOSS:
        share = 100 * lost / len(members)
        yield f"{lost} of {len(members)} patients ({share:.0f} %) have no outcome."


def _sites_unknown(evidence: Evidence) -> Iterator[str]:
    if UNKNOWN_SITE in evidence.table.site and evidence.table.site_names:
        yield "The site of some patients is not recorded; they were kept together."


def _single_patients(evidence: Evidence) -> Iterator[str]:
    if SINGLE_PATIENT_SITES in evidence.table.site:
        yield (
            "Some sites have one patient, who cannot be judged within a site; such patients were "
            "put together, and their sites do not count as sites."
        )


SAMPLE_CHECKS: Final = (
    Check(
        "TMS001",
        "Fewer patients than Riley's criteria ask for",
        "warning",
        "With so few events per predictor a regression overfits: its predictions are too extreme, "
        "and its performance in new patients is lower than it looks. Tree ensembles need more "
        "patients still. An AUROC of 0.65 is assumed, or the held-out one where that is higher.",
        "Learn from more patients, or from fewer predictors chosen before looking at the outcome. "
        "`tms-response plan` gives the numbers.",
        "Riley 2019, doi:10.1002/sim.7992; C statistic to R-squared: doi:10.1002/sim.8806",
        _below_riley,
    ),
    Check(
        "TMS002",
        "One site holds over half of the patients",
        "warning",
        "The model is mostly that of one site. What is measured at the others says how it travels, "
        "and the fold that holds out the large site learns from the few that are left.",
        "Read the table of single sites before the summary; add patients from other sites.",
        "Poldrack 2020, doi:10.1001/jamapsychiatry.2019.3671",
        _one_large_site,
    ),
    Check(
        "TMS004",
        "Outcome or baseline differs between sites beyond what sites differ",
        "warning",
        "One instrument stands in cohort.toml, yet the sites differ as if they had used several "
        "(versions of a scale, self-report and clinician), or had treated other patients. In one "
        "cohort 21 % responded by one scale and 45 % by another. Such a difference is learned as "
        "if it were the patients'.",
        "Ask each site which version was used, by whom it was rated and when; keep the sites that "
        "agree with a [[keep]] rule.",
        "Uppsala cohort 2024, PubMed 38897300; between-cohort SD computed from ten cohorts",
        _instruments_differ,
    ),
    Check(
        "TMS005",
        "Completers only",
        "warning",
        "In practice a quarter and more of the patients do not complete treatment, and trials lose "
        "4.5 to 8 %. Where nobody is lost, those who stopped were probably left out, and they "
        "may well respond less: the base rate is then too high, and the model knows nobody like "
        "them.",
        "List everybody who began treatment; leave the final total empty where it is unknown.",
        "TRIPOD+AI 2024, item 6, doi:10.1136/bmj-2023-078378",
        _completers_only,
    ),
    Check(
        "TMS020",
        "Many outcomes are missing",
        "warning",
        "Over a fifth of the patients have no outcome. If those who did worse left earlier, the "
        "base rate is too high and performance is that among those who stayed.",
        "Read the rows with weighted outcomes and with none or all of them reached; find out why "
        "patients were lost, and ask for their final totals.",
        "TRIPOD+AI 2024, item 11, doi:10.1136/bmj-2023-078378",
        _many_lost,
    ),
    Check(
        "TMS025",
        "Site of some patients not recorded",
        "warning",
        "They are held out together as if they were one site, though they may come from several, "
        "some of which are learned from at the same time.",
        "Record their site, or leave them out with a [[keep]] rule.",
        "",
        _sites_unknown,
    ),
    Check(
        "TMS026",
        "Sites with one patient",
        "warning",
        "Nothing can be said within a site of one patient; such patients are held out together.",
        "Add patients, or put clinics that work alike under one name of site.",
        "",
        _single_patients,
    ),
)
