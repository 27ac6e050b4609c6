"""The card of an updated model: that of the model before, which says so above all else."""

from data_schemas.filled_card import FilledCard
from serving.predictor import ResponsePredictor
from serving.stored_card import StoredCard
from serving.update_document import LocalUpdate
from training.card.render import as_html, as_markdown


def updated_card(
    before: StoredCard | None, updated: ResponsePredictor, update: LocalUpdate
) -> StoredCard | None:
    """Return the card of a model with a warning that it was updated; None where it had none.

    What it says of the training patients holds; its figures are those of the model before.
    """
    if before is None:
        return None
    card = FilledCard.model_validate_json(before.json)
    order = "patients are ranked as before" if update.slope > 0 else "all get the same chance now"
    warning = (
        f"Recalibrated ({update.method}) on the outcomes of {update.n_patients} patients of "
        f"{update.place}: {order}, and the figures below are those of version {update.parent}."
    )
    changes = {
        "model_version": updated.identity.version,
        "warnings": (*card.warnings, warning),
    }
    card = card.model_copy(update=changes)
    return StoredCard(as_html(card, links=False), as_markdown(card), card.to_text())
