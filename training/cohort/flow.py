"""Who is in: the filters of the spec, step by step, counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_schemas.cohort import CohortSpec
from data_schemas.errors import FieldProblem
from training.cohort.joining import Mask, Study, satisfies
from training.cohort.records import CohortMember, FlowStep, is_trained_on


@dataclass(frozen=True)
class Selection:
    """The participants left after the filters, and the steps that led there."""

    chosen: Mask
    flow: tuple[FlowStep, ...]


def apply_filters(study: Study) -> Selection:
    """Apply the `keep` steps of the spec, one after another."""
    spec = study.spec
    chosen = np.ones(len(study.ids), dtype=np.bool_)
    first = next(iter(spec.tables.values())).file
    flow = [FlowStep(f"listed in {first}", study.listed)]
    if len(study.ids) < study.listed:
        left_out = study.listed - len(study.ids)
        flow.append(FlowStep("with a row that the spec keeps", len(study.ids), left_out))
    for number, step in enumerate(spec.keep, 1):
        column = study.column(step.column, step.visit)
        before = int(chosen.sum())
        chosen &= satisfies(column, step, study.findings)
        remaining = int(chosen.sum())
        flow.append(FlowStep(step.because, remaining, before - remaining))
        if before and not remaining:
            problem = "leaves nobody; compare its values with those of the column"
            study.findings.error("nobody_left", FieldProblem(f"keep.{number}", problem))
    return Selection(chosen, tuple(flow))


def last_steps(members: Sequence[CohortMember], spec: CohortSpec) -> tuple[FlowStep, ...]:
    """Count from the members to those that a model learns from."""
    with_outcome = [member for member in members if member.outcome]
    instrument = spec.outcome.instrument
    steps = [
        FlowStep(
            f"{instrument} known before treatment and at {spec.outcome.horizon}",
            len(with_outcome),
            len(members) - len(with_outcome),
        )
    ]
    if spec.arms is not None:
        learned = sum(is_trained_on(member.arm, spec) for member in with_outcome)
        arms = " or ".join(spec.arms.train_on)
        steps.append(FlowStep(f"in the {arms} arm", learned, len(with_outcome) - learned))
    return tuple(steps)
