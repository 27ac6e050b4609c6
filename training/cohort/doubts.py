"""What is doubtful about a cohort that can nevertheless be read."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from data_schemas.cohort import CohortSpec
from data_schemas.instruments import get_instrument
from training.cohort.outcomes import Totals
from training.cohort.records import CohortMember, Findings, is_trained_on
from training.config import SMALLEST_CLASS

# Trials and clinics lose a quarter and more of their patients; below this share it is quiet.
_NOTABLE_LOSS = 0.2


def report_doubts(
    members: Sequence[CohortMember],
    baseline: Totals,
    final: Totals,
    spec: CohortSpec,
    findings: Findings,
) -> None:
    """Add a warning for each thing that limits what can be learned from these members.

    Parameters
    ----------
    members : sequence of CohortMember
    baseline, final : Totals
        Before and after treatment, for everybody that the filters kept.
    spec : CohortSpec
    findings : Findings
        Receives the warnings.
    """
    learned = [m for m in members if m.outcome and is_trained_on(m.arm, spec)]
    _doubt_outcomes(members, findings)
    _doubt_baselines(baseline, final, spec, findings)
    _doubt_classes(learned, findings)
    _doubt_sites(learned, findings)
    unlabelled = sum(member.arm is None for member in members) if spec.arms else 0
    if unlabelled:
        message = f"{unlabelled} participants have no arm and are not learned from."
        findings.remark("warning", "missing_arm", "arms.column", message)


def _doubt_outcomes(members: Sequence[CohortMember], findings: Findings) -> None:
    lost = sum(member.outcome is None for member in members)
    if members and lost / len(members) > _NOTABLE_LOSS:
        message = (
            f"{lost} of {len(members)} participants have no outcome. If those who did worse left "
            "earlier, response among the others is too high."
        )
        findings.remark("warning", "missing_outcome", "outcome", message)


def _doubt_baselines(baseline: Totals, final: Totals, spec: CohortSpec, findings: Findings) -> None:
    instrument = get_instrument(spec.outcome.instrument)
    known = baseline.values[~np.isnan(final.values)]
    lowest = int((known <= instrument.minimum).sum())
    if lowest:
        message = (
            f"{lowest} participants start at the lowest possible {instrument.name} total, from "
            "which no change can be measured; they have no outcome."
        )
        findings.remark("warning", "lowest_baseline", baseline.column.place, message)
    if instrument.remission_cutoff is None:
        return
    well = int(((known <= instrument.remission_cutoff) & (known > instrument.minimum)).sum())
    if well:
        message = (
            f"{well} participants are already at or below the remission cutoff of "
            f"{instrument.remission_cutoff} before treatment; a percent change from so low a "
            "total is unstable."
        )
        findings.remark("warning", "remitted_baseline", baseline.column.place, message)


def _doubt_classes(learned: Sequence[CohortMember], findings: Findings) -> None:
    responses = sum(bool(member.outcome and member.outcome.response) for member in learned)
    smaller = min(responses, len(learned) - responses)
    # Where all are of one class it is an error, which check and train report, and no doubt.
    if 0 < smaller < SMALLEST_CLASS:
        message = (
            f"Fewer than {SMALLEST_CLASS} patients are in the rarer of response and no response. "
            "Nothing can be tuned on so few; a model trained on them gives the base rate and "
            "abstains."
        )
        findings.remark("warning", "few_in_the_smaller_class", "outcome", message)


def _doubt_sites(learned: Sequence[CohortMember], findings: Findings) -> None:
    sizes = Counter(member.patient.site for member in learned if member.patient.site)
    single = sum(size == 1 for size in sizes.values())
    if single and len(sizes) > 1:
        sites = "1 site has" if single == 1 else f"{single} sites have"
        message = (
            f"{sites} a single patient with a known outcome. Nothing can be said of a site from "
            "one patient; such sites are pooled."
        )
        findings.remark("warning", "site_with_one_patient", "patient.site", message)
    nowhere = sum(member.patient.site is None for member in learned)
    if nowhere and sizes:
        message = f"{nowhere} patients with an outcome have no site."
        findings.remark("warning", "missing_site", "patient.site", message)
