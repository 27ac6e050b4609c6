"""Finished runs with model cards, for the tests of the card."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from cohort_tables import minimal_spec, simulated_table, with_bystanders
from finished_runs import FinishedRun, write_finished_run

from data_schemas.card_text import CardText
from data_schemas.cohort_sections import Arms
from data_schemas.filled_card import FilledCard
from training.card.build import build_card
from training.external import ExternalPatients
from training.report.build import build_report

TRAINED_ON_ACTIVE = Arms(column="t.arm", active=("a",), sham=("s",))


def simulated_run(folder: Path) -> FinishedRun:
    """Simulated patients at four sites, another study and hostile names."""
    table = with_bystanders(simulated_table(signal=1.5))
    further = simulated_table(60, signal=1.5, seed=5)
    elsewhere = ExternalPatients(
        name="Further clinics", description="Adults elsewhere", fingerprint="e" * 64,
        X=further.X, y=further.y, site=further.site, has_connectome=further.has_connectome,
        unknown=with_bystanders(further, n_sham=0, n_unknown=12).bystanders,
    )  # fmt: skip
    spec = minimal_spec(name="Clinics <b>& co</b>", arms=TRAINED_ON_ACTIVE)
    return _with_card(write_finished_run(folder, table, spec=spec, external=elsewhere))


def real_run(folder: Path) -> FinishedRun:
    """120 patients of one site who got no TMS, each with an age that is known anywhere."""
    table = simulated_table(n=120, n_sites=1, signal=1.5, scanned=0)
    X = table.X.copy()
    names = [feature.name for feature in table.features]
    X[:, names.index("age_years")] = 20.0625 + np.arange(len(X)) * 0.4375
    treatment = minimal_spec().treatment.model_copy(
        update={"is_tms": False, "description": "a computer programme"}
    )
    spec = minimal_spec(simulated=False, treatment=treatment)
    return _with_card(write_finished_run(folder, replace(table, X=X), spec=spec))


def too_small_run(folder: Path) -> FinishedRun:
    """26 patients, of whom six reached the outcome."""
    table = simulated_table(n=26, n_sites=1, scanned=0)
    table = replace(table, y=np.isin(np.arange(26), [1, 5, 9, 13, 20, 22]))
    spec = minimal_spec(simulated=False, arms=TRAINED_ON_ACTIVE)
    return _with_card(write_finished_run(folder, table, spec=spec))


def _with_card(run: FinishedRun) -> FinishedRun:
    build_report(run.folder)
    build_card(run.folder)
    return run


def card_of(folder: Path) -> FilledCard:
    """Return the card in a folder, from its JSON."""
    return FilledCard.model_validate_json((folder / "card.json").read_bytes())


def as_toml(said: dict[str, str]) -> str:
    """Write what the owner says, by its place such as `use.users`."""
    sections: dict[str, list[str]] = {}
    for place, words in said.items():
        section, _, key = place.partition(".")
        sections.setdefault(section, []).append(f"{key} = '''{words}'''")
    return "\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items())


def everything_said() -> dict[str, str]:
    """Return words of their own for every place that the owner can fill."""
    return {place: f"Words on {place.replace('_', '-')}" for place in CardText().said()}


def sayings(card: FilledCard) -> Iterator[str]:
    """Yield everything that a card tells."""
    yield from (card.title, card.model_version, *card.warnings)
    for answer in card.answers:
        yield from (answer.question, answer.short, *answer.details)
    for table in card.tables:
        yield from (table.caption, *table.header)
        for row in table.rows:
            yield from row
    for standard in card.standards:
        yield from (standard.title, standard.note, standard.reference)
        for item in standard.items:
            yield from (item.number, item.name, item.verdict)
            yield from (part.text or "not provided" for part in item.parts)
            yield from (place.title for place in item.places)


def plain_markdown(text: str) -> str:
    """Return what a reader of rendered Markdown sees, spaces made single."""
    shown = re.sub(r"(?<!\\)[*|]|^#+ |^- ", " ", text, flags=re.MULTILINE)
    return single_spaced(re.sub(r"\\(.)", r"\1", shown))


def single_spaced(text: str) -> str:
    """Return text with every run of spaces made one."""
    return re.sub(r"\s+", " ", text)
