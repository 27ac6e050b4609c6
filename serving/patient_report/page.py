"""From a prediction that was made to its page of HTML; nothing in it runs or is fetched."""

import base64
import hashlib
import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from data_schemas.errors import ModelError
from data_schemas.prediction import Notice
from serving.calibrated_trees import expit
from serving.pages import COLOURS
from serving.patient_report import figure, inputs
from serving.patient_report.figure import Figure
from serving.patient_report.likeness import likeness
from serving.patient_report.made import MadePrediction
from serving.patient_report.pushes import Pushes, explained_pushes
from serving.predictor import ResponsePredictor

_STYLE: Final = COLOURS + (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'"
"""What a browser may do with the page: apply its one style sheet, and nothing else."""

# A page made elsewhere than its prediction may differ in the last digits.
_SAME_WITHIN: Final = 1e-9
# The page says these in places of their own.
_SAID_ELSEWHERE: Final = frozenset(
    {"missing_input", "out_of_range", "research_use", "simulated_training_data"}
)
_REACH: Final = {"response": "respond", "remission": "reach remission"}


def report_page(made: MadePrediction, predictor: ResponsePredictor) -> str:
    """Return the page of a prediction.

    Parameters
    ----------
    made : MadePrediction
        By this very model.
    predictor : ResponsePredictor
        Explains the prediction again from its row of features.

    Raises
    ------
    ModelError
        When the model answers something else for this row.
    """
    document = predictor.document
    return _template().render(
        style=Markup(_STYLE),  # noqa: S704  # our own files
        policy=POLICY,
        made=made,
        moment=_moment_words(made.made_at),
        document=document,
        identity=predictor.identity,
        reach=_REACH[document.outcome.kind],
        figure=_figure(made, predictor),
        place=figure.place,
        pushes=_pushes(made, predictor),
        inputs=inputs.shown_inputs(made.row, document),
        likeness=likeness(made.row, document),
        notices=_notices(made),
    )


def _figure(made: MadePrediction, predictor: ResponsePredictor) -> Figure | None:
    if made.probability is None:
        return None
    return Figure(made.probability, predictor.document.base_rate, made.interval)


def _pushes(made: MadePrediction, predictor: ResponsePredictor) -> Pushes | None:
    """Return the steps to the probability; None where there is none, or no input moves it."""
    if made.probability is None:
        return None
    rows, document = made.row[None, :], predictor.document
    again = expit(float(predictor.log_odds(rows)[0]))
    if not math.isclose(again, made.probability, abs_tol=_SAME_WITHIN):
        raise ModelError("The model does not give this prediction again, so it cannot explain it.")
    if document.serves_base_rate:
        return None
    contributions = predictor.contributions(rows)[0]
    values = [
        inputs.value_words(feature, value, document)
        for feature, value in zip(document.features, made.row.tolist(), strict=True)
    ]
    labels = [feature.label for feature in document.features]
    return explained_pushes(predictor.baseline_log_odds, contributions, labels, values)


def _notices(made: MadePrediction) -> tuple[Notice, ...]:
    return tuple(each for each in made.notices if each.code not in _SAID_ELSEWHERE)


def _moment_words(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
