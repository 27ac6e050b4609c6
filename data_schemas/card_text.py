"""The grammar of `card.toml`: what only the owner of a model can say of it.

It lies beside `cohort.toml`, and every key may be left out: the card then says "not provided". A
short one::

    [developer]
    name = "Department of Psychiatry, Example Hospital"
    contact = "tms-model@example.org"
    funding = "Example Foundation, grant 123; it had no part in the work"

    [use]
    intended_use = "Research on who responds to TMS; no decision rests on it"
    out_of_scope = "Anybody under 18; any treatment but left DLPFC TMS"

    [maintenance]
    validity_monitoring = "The model is compared with what happened, twice a year"

Nothing in it enters a model or its fingerprint; figures come from the run, never from here.
"""

import tomllib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from data_schemas.errors import ConfigurationError
from data_schemas.spec_errors import spec_problems

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
_Said = _Words | None
_SECTION = ConfigDict(frozen=True, extra="forbid")


def _said(description: str) -> Any:  # noqa: ANN401  # as pydantic's Field
    return Field(default=None, description=description)


class Developer(BaseModel):
    """Who made the model, and with whose money."""

    model_config = _SECTION

    name: _Said = _said("Person or organisation that developed the model.")
    contact: _Said = _said("Whom to ask, and how.")
    funding: _Said = _said("Who paid, and what part they had in the work.")
    conflicts_of_interest: _Said = _said("Competing interests of those who made it.")
    third_parties: _Said = _said("Parts or services of others that the model rests on.")


class Use(BaseModel):
    """What the model is for, and what it is not for."""

    model_config = _SECTION

    context: _Said = _said("The clinical question, why a model, and which models exist.")
    objectives: _Said = _said("What the study set out to do.")
    intended_use: _Said = _said("What it is to be used for, and where in the course of care.")
    population: _Said = _said("Patients for whom it is meant.")
    users: _Said = _said("Who is to use it.")
    expertise: _Said = _said("What the users must know or be trained in.")
    decision_role: _Said = _said("Whether it informs, augments or replaces a decision.")
    instructions: _Said = _said("How it is used, step by step.")
    out_of_scope: _Said = _said("Tasks, situations and patients for which it must not be used.")
    risks: _Said = _said("Known risks and limits beside those that the run found.")
    biases: _Said = _said("Known biases and ethical considerations.")
    risk_level: _Said = _said("Clinical risk level, by which classification.")
    inequalities: _Said = _said("Known health inequalities in this field.")
    patient_information: _Said = _said("How patients consent or are told.")


class Data(BaseModel):
    """What the tables do not say about how they came to be."""

    model_config = _SECTION

    design: _Said = _said("Study design and where the data comes from.")
    dates: _Said = _said("First and last inclusion, and end of follow-up.")
    setting: _Said = _said("Kind of care, and where the centres are.")
    eligibility: _Said = _said("Who could take part, before the tables were made.")
    representativeness: _Said = _said("How the patients compare with those it is meant for.")
    relevance: _Said = _said("Why this data suits the place where the model is used.")
    preparation: _Said = _said("What was done to the data before it came into the tables.")
    outcome_choice: _Said = _said("Why this outcome, and how it was assessed.")
    outcome_assessors: _Said = _said("Who assessed the outcome, and their training.")
    outcome_blinding: _Said = _said("What the assessors of the outcome did not know.")
    predictor_choice: _Said = _said("Why these predictors.")
    predictor_assessment: _Said = _said("How predictors were measured, and blinding.")
    predictor_assessors: _Said = _said("Who assessed the predictors, and their training.")
    sample_size: _Said = _said("Why this many patients.")
    external_testers: _Said = _said("Who tested the model on another cohort.")
    external_process: _Said = _said("How the other cohort was chosen and tested on.")
    external_representativeness: _Said = _said("How the other cohort compares.")


class Fairness(BaseModel):
    """What was done so that the model is fair."""

    model_config = _SECTION

    approach: _Said = _said("What fair means here, and how it was pursued.")
    bias_management: _Said = _said("What was done to find and reduce bias.")


class Maintenance(BaseModel):
    """What becomes of the model once it is in use."""

    model_config = _SECTION

    validity_monitoring: _Said = _said("How and how often its accuracy is checked.")
    local_validity: _Said = _said("Its accuracy where it is used.")
    fairness_monitoring: _Said = _said("How and how often its fairness is checked.")
    local_fairness: _Said = _said("Its fairness where it is used.")
    updates: _Said = _said("How and how often it is updated.")
    correction: _Said = _said("How soon it is corrected when something is found.")
    security: _Said = _said("How it and its data are protected.")


class Release(BaseModel):
    """In what state the model was released."""

    model_config = _SECTION

    stage: _Said = _said("Such as research, silent trial, or in use.")
    date: _Said = _said("When it was released.")
    availability: _Said = _said("Where and to whom it is available, and on what terms.")
    record_systems: _Said = _said("Record systems that it was tried with.")
    regulatory_status: _Said = _said("Approval, exemption or opinion, and by whom.")
    reimbursement: _Said = _said("Whether its use is paid for.")


class Openness(BaseModel):
    """Ethics, protocol, sharing and publications."""

    model_config = _SECTION

    ethics: _Said = _said("Committee, number, and consent or waiver.")
    protocol: _Said = _said("Where the protocol is, or that there is none.")
    registration: _Said = _said("Register and number, or that it was not registered.")
    data_sharing: _Said = _said("Whether and how others get the data.")
    code_sharing: _Said = _said("Whether and how others get the code.")
    public_involvement: _Said = _said(
        "How patients and the public took part, or that they did not."
    )
    stakeholders: _Said = _said("Who else was consulted.")
    publications: _Said = _said("Peer-reviewed publications about the model.")
    clinical_trial: _Said = _said("Trials of its use.")
    outcome_evaluations: _Said = _said("Studies of what its use does to patients' outcomes.")
    interpretation: _Said = _said("What the results mean beside earlier studies.")
    next_steps: _Said = _said("What has to be studied next.")


class CardText(BaseModel):
    """A whole `card.toml`."""

    model_config = _SECTION

    developer: Developer = Developer()
    use: Use = Use()
    data: Data = Data()
    fairness: Fairness = Fairness()
    maintenance: Maintenance = Maintenance()
    release: Release = Release()
    openness: Openness = Openness()

    def said(self) -> dict[str, str | None]:
        """Return what the owner says by its place, such as `developer.name`; None where nothing."""
        return {
            f"{section}.{key}": getattr(getattr(self, section), key)
            for section, field in type(self).model_fields.items()
            for key in type(field.default).model_fields
        }


def parse_card_text(text: str, where: str = "card.toml") -> CardText:
    """Read a `card.toml`.

    Parameters
    ----------
    text : str
        The file's content; an empty one says nothing.
    where : str
        The file's name, for messages.

    Raises
    ------
    ConfigurationError
        Naming each wrong key, what is allowed and the nearest match; for broken TOML, the line and
        column.
    """
    try:
        given: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not valid TOML: {error}.") from None
    try:
        return CardText.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(
            f"{where} does not say what a card has room for. Leave out what is not known.",
            spec_problems(error, CardText, given),
        ) from None
