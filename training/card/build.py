"""`card.json`, `card.md` and `card.html`: the model card of a finished run.

They are made from the files of the run's folder alone and hold neither times nor paths, so the same
files give the same bytes. A copy stands in `model/` and travels with the artefact; `model.json`
knows nothing of it.
"""

from pathlib import Path

from data_schemas.filled_card import FilledCard
from serving.stored_card import HTML_FILE, StoredCard
from training.card.evidence import CardEvidence
from training.card.first_screen import first_answers, warnings
from training.card.model_facts import title
from training.card.render import as_html, as_markdown
from training.card.standards import filled_standards
from training.card.tables import card_tables
from training.summary import MODEL_FOLDER


def build_card(run_dir: Path) -> Path:
    """Write the card of a finished run into its folder and beside its artefact.

    Parameters
    ----------
    run_dir : Path
        The folder with `summary.json`, `evaluation.csv`, `model/` and, for links, `report.html`;
        what the owner says is in its `card.toml`.

    Returns
    -------
    Path
        `card.html` in that folder.

    Raises
    ------
    DataError, ModelError
        When the folder is not that of a finished run.
    ConfigurationError
        When its `card.toml` is wrong.
    """
    card = fill_card(CardEvidence.read(run_dir))
    text, markdown = card.to_text(), as_markdown(card)
    StoredCard(as_html(card, links=True), markdown, text).save(run_dir)
    # Beside a served model there is no report to link to.
    StoredCard(as_html(card, links=False), markdown, text).save(run_dir / MODEL_FOLDER)
    return run_dir / HTML_FILE


def fill_card(evidence: CardEvidence) -> FilledCard:
    """Return the card of a run, which the three files write out."""
    standards = filled_standards(evidence)
    return FilledCard(
        model_name=evidence.document.name,
        model_version=evidence.summary.model_version,
        title=title(evidence.summary),
        warnings=warnings(evidence),
        answers=first_answers(evidence, standards),
        tables=card_tables(evidence),
        standards=standards,
    )
