"""Driving the clinician's page in a browser, as a clinician does."""

from collections.abc import Mapping
from typing import Any, Final

from playwright.sync_api import Page, expect

# Whom the pictures of the gallery show: made up, and unlike nobody in the simulated cohort.
SHOWN_PATIENT: Final[Mapping[str, Any]] = {
    "age_years": 52,
    "sex": "female",
    "employed": False,
    "education_years": 13,
    "body_mass_index_kg_m2": 27.5,
    "polarity": "unipolar",
    "recurrent": True,
    "psychotic_features": False,
    "episode_duration_months": 18,
    "ptsd": False,
    "failed_trials": 3,
    "augmentation_failed": True,
    "ect_history": False,
    "tms_history": "none",
    "depression_total": 24,
    "anxiety_total": 13,
    "suicidal_ideation": False,
    "benzodiazepine": True,
    "ssri": True,
    "target": "left_dlpfc",
    "protocol": "high_frequency",
    "sessions_planned": 30,
}


def fill(page: Page, record: Mapping[str, Any]) -> None:
    """Type what is known of a patient into the form.

    Parameters
    ----------
    page : Page
        On which the clinician's page is open.
    record : mapping
        Fields of `Patient`, and `extra.NAME`, that are asked for; None sets one to unknown.
    """
    for field, value in record.items():
        place = page.locator(f'[data-field="{field}"]')
        place.evaluate("place => place.closest('details')?.setAttribute('open', '')")
        kind = place.get_attribute("data-kind")
        if kind == "yes_no":
            word = "Unknown" if value is None else "Yes" if value else "No"
            place.get_by_label(word, exact=True).check()
        elif kind == "choice":
            place.locator("select").select_option("" if value is None else str(value))
        elif kind == "coordinates":
            for box, number in zip(place.locator("input").all(), value, strict=True):
                box.fill(str(number))
        else:
            place.locator("input").fill("" if value is None else str(value))


def send(page: Page) -> Any:
    """Press the button, wait for what the service says, and return it."""
    with page.expect_response("**/predict") as caught:
        page.locator("#send").click()
    content = caught.value.json()
    expect(page.locator("#status")).not_to_have_text("Asking the model\u2026")
    return content


def open_answered(
    page: Page, address: str, record: Mapping[str, Any] = SHOWN_PATIENT, *, folded: bool = True
) -> Any:
    """Open the page of a service that wants no key, ask about a patient, and return the answer.

    Parameters
    ----------
    page : Page
        Of `browsers.opened_page`.
    address : str
        Of the service, such as http://127.0.0.1:3000/.
    record : mapping
        As in `fill`; fields that the model does not ask for are left out.
    folded : bool
        Whether to answer also what cannot move the probability, which stands folded.
    """
    page.goto(address)
    places = '[data-field="{}"]' if folded else '[data-field="{}"]:visible'
    asked = {field for field in record if page.locator(places.format(field)).count()}
    fill(page, {field: value for field, value in record.items() if field in asked})
    return send(page)
