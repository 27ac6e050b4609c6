"""The clinician's page in a real browser, before the real service."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsers import PHONE, needs_chromium, opened_page, scrolls_sideways, serious_violations
from clinician_pages import fill, open_answered, send
from playwright.sync_api import Page, Route, expect
from real_servers import free_port, wait_until_ready

from data_schemas.patient import Patient
from data_schemas.prediction import Prediction
from serving.access.keys import new_key
from serving.predictor import ResponsePredictor
from serving.settings import KEYS_VARIABLE

pytestmark = [pytest.mark.system, needs_chromium]

ROOT = Path(__file__).resolve().parents[3]
START = """
import sys; from serving.start import serve
serve(sys.argv[1], port=int(sys.argv[2]), access=sys.argv[3] == "keys")
"""
MINUS = "\u2212"


@contextmanager
def service(predictor: ResponsePredictor, home: Path, access: str) -> Iterator[str]:
    """Serve a model, and yield the address of its page."""
    predictor.save(home / "model")
    port = free_port()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(home / "model"), str(port), access], cwd=home,
            env={**os.environ, "PYTHONPATH": str(ROOT), KEYS_VARIABLE: str(home / "keys.jsonl")},
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(process, client)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def scanned(network_predictor: ResponsePredictor) -> ResponsePredictor:
    """A model in whose training some patients had a connectome, of which no tree makes use."""
    known = network_predictor.document.features[0].reference
    update = {"missing_share": 0.5, "reference": known}
    features = tuple(
        each.model_copy(update=update) if each.domain == "networks" else each
        for each in network_predictor.document.features
    )
    document = network_predictor.document.model_copy(update={"features": features})
    return ResponsePredictor(document, network_predictor._booster_text)


@pytest.fixture(scope="module")
def address(scanned: ResponsePredictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with service(scanned, tmp_path_factory.mktemp("page"), "none") as found:
        yield found


@pytest.fixture(scope="module")
def record(complete_patient: Patient) -> dict[str, Any]:
    """A patient as the form asks: every field by its name, but the model's own instruments."""
    instruments = {"depression_instrument", "anxiety_instrument"}
    content = complete_patient.model_dump(mode="json", exclude_defaults=True, exclude=instruments)
    grip = content.pop("extra")["grip_kg"]
    return {**content, "extra.grip_kg": grip}


def table_of(page: Page) -> list[list[str]]:
    rows = page.locator(".contributions tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def number(text: str) -> float:
    return float(text.replace(MINUS, "-"))


def percent(chance: float) -> str:
    return f"{round(100 * chance)} %"


def test_the_page_shows_the_answer_of_the_service_and_keeps_nothing(
    address: str, record: dict[str, Any], scanned: ResponsePredictor, complete_patient: Patient
) -> None:
    with opened_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        answer = Prediction.model_validate(open_answered(page, address, record))
        expected = scanned.predict(complete_patient)
        assert answer.model_copy(update={"prediction_id": expected.prediction_id}) == expected
        shown = page.locator("#answer-body").inner_text()
        assert answer.response_probability is not None
        assert answer.interval is not None
        span = f"{percent(answer.interval.lower)} to {percent(answer.interval.upper)}"
        assert page.locator(".big").inner_text() == percent(answer.response_probability)
        assert f"Stability interval (90 %): {span}." in shown
        assert f"base rate, {round(100 * answer.base_rate)} of 100" in shown
        assert all(notice.message in shown for notice in answer.notices)
        before, *rows, after = table_of(page)
        assert number(before[2]) == pytest.approx(answer.baseline_log_odds, abs=5e-4)
        assert [row[0] for row in rows] == [each.label for each in answer.contributions]
        for row, each in zip(rows, answer.contributions, strict=True):
            assert number(row[2]) == pytest.approx(each.log_odds, abs=5e-4)
        assert after[3] == percent(answer.response_probability)
        values = {row[0]: row[1] for row in rows}
        assert values["Depression severity (PHQ-9)"] == f"{record['depression_total']} points"
        expect(page.locator("#status")).to_contain_text(percent(answer.response_probability))
        drawn = page.locator(".picture svg[role=img]")
        assert all(each.get_attribute("aria-label") for each in drawn.all())
        assert drawn.count() == 2
        check_waterfall(page, answer)
        assert serious_violations(page) == []
        assert {url for url in asked if not url.startswith(address)} <= {"data:,"}
        kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
        assert kept == [0, 0, ""]
        assert page.context.cookies() == []
        page.reload()
        assert page.locator("#input-age_years").input_value() == ""
        assert page.locator("#status").inner_text() == "There is no answer yet."


def check_waterfall(page: Page, answer: Prediction) -> None:
    """The picture goes from the baseline to the answer by the largest contributions."""
    picture = page.locator(".picture svg").nth(1)
    _, *steps, last = picture.locator("text.number").all_text_contents()
    moved = [number(text.split("\u2192")[0]) for text in steps]
    sizes = [each.log_odds for each in answer.contributions]
    rest = len(moved) - 1
    assert rest > 3
    assert moved[:rest] == pytest.approx(sizes[:rest], abs=0.005)
    assert moved[rest] == pytest.approx(sum(sizes[rest:]), abs=0.005)
    assert last == percent(answer.response_probability or 0)
    bars = picture.locator("rect.towards, rect.away").all()
    ways = [bar.get_attribute("class") for bar in bars]
    assert ways[:rest] == ["towards" if each > 0 else "away" for each in sizes[:rest]]


def test_what_if_shows_the_change_from_the_first_answer(
    address: str, record: dict[str, Any]
) -> None:
    with opened_page() as page:
        first = open_answered(page, address, record)["response_probability"]
        fill(page, {"failed_trials": 6, "benzodiazepine": True})
        expect(page.locator("#status")).to_contain_text("have changed since this answer")
        second = send(page)["response_probability"]
        assert second < first
        said = page.locator(".what-if").inner_text()
        points = round(100 * second) - round(100 * first)
        change = f"{percent(first)} \u2192 {percent(second)}: a difference of {MINUS}{-points}"
        assert change in said
        assert "Antidepressant trials failed in this episode: 3 trials \u2192 6 trials" in said
        assert "Takes a benzodiazepine: no \u2192 yes" in said
        assert "association, not an effect" in said
        page.get_by_role("button", name="Back to the first inputs").click()
        assert page.locator("#input-failed_trials").input_value() == "3"
        assert page.locator(".big").inner_text() == percent(first)
        assert page.locator(".what-if").count() == 0
        page.locator("#clear").click()
        expect(page.locator("#answer-body")).to_be_empty()
        expect(page.locator("#known")).to_have_text("0")


def test_what_is_unknown_is_not_sent_and_an_abstention_shows_no_number(
    address: str, record: dict[str, Any]
) -> None:
    with opened_page() as page:
        page.goto(address)
        fill(page, {**record, "employed": None, "sex": None, "age_years": None})
        with page.expect_request("**/predict") as caught:
            send(page)
        sent = json.loads(caught.value.post_data or "")
        assert {"employed", "sex", "age_years"}.isdisjoint(sent)
        assert (sent["depression_instrument"], sent["depression_total"]) == ("PHQ-9", 18)
        unknown = "Unknown: Age; Sex; In paid work or study"
        expect(page.locator(".asked-with")).to_contain_text(unknown)
        page.locator("#clear").click()
        expect(page.locator("#known")).to_have_text("0")
        fill(page, {"depression_total": 18})
        answer = send(page)
        assert answer["abstained"]
        assert page.locator(".big").inner_text() == "No probability"
        assert answer["notices"][0]["message"] in page.locator(".notices").inner_text()
        assert page.locator("#answer-body svg").count() == 0
        assert percent(answer["base_rate"]) not in page.locator("#answer-body").inner_text()
        expect(page.locator("#send")).to_have_text("Ask the model")
        fill(page, record)
        assert not send(page)["abstained"]
        assert page.locator(".what-if").count() == 0
        expect(page.locator("#send")).to_have_text("Ask what if")


def test_what_is_refused_is_said_beside_its_field(
    address: str, record: dict[str, Any], tmp_path: Path
) -> None:
    wrong = {"age_years": 7, "failed_trials": "many", "extra.grip_kg": 100.5, "anxiety_total": 22}
    with opened_page(complaints_allowed=True) as page:
        page.goto(address)
        fill(page, {**record, **wrong})
        send(page)
        assert page.evaluate("document.activeElement.id") == "problems"
        age, trials = page.locator("#input-age_years"), page.locator("#input-failed_trials")
        expect(page.locator("#error-age_years")).to_have_text(
            "Is out of range; allowed: 10 to 110."
        )
        expect(page.locator("#error-failed_trials")).to_have_text("Should be a whole number.")
        assert "error-age_years" in (age.get_attribute("aria-describedby") or "").split()
        assert age.get_attribute("aria-invalid") == "true"
        # What the schema allows, and the scale does not.
        expect(page.locator("#error-anxiety_total")).to_contain_text("allowed: 0 to 21")
        assert page.locator("[aria-invalid]").count() == 3
        page.locator("#problems a[href='#input-failed_trials']").click()
        expect(trials).to_be_focused()
        assert serious_violations(page) == []
        fill(page, {"age_years": 45, "failed_trials": 3, "anxiety_total": 11})
        send(page)
        expect(page.locator("#error-age_years")).to_be_hidden()
        # The second look of the service: what the schema allows, and the model does not.
        expect(page.locator("#error-extra-grip_kg")).to_contain_text("allowed: 0 to 100 kg")
        fill(page, {"extra.grip_kg": 31})
        scan = tmp_path / "scan_relmat.tsv"
        scan.write_text("this is no matrix")
        page.locator("#input-connectome").set_input_files(scan)
        send(page)
        expect(page.locator("#error-connectome")).to_be_visible()
        expect(page.locator("#answer-body")).to_be_empty()


def test_other_refusals_are_sentences_and_no_injected_script_runs(address: str) -> None:
    busy = {"error": {"code": "too_many_requests", "message": "Wait 3 s.", "fields": []}}
    answers = (
        (429, json.dumps(busy), "Wait 3 s."),
        (503, "<h1>Bad gateway</h1>", "did not answer (status 503); try again later"),
        (200, "<h1>Sign in</h1>", "cannot be read"),
        (None, "", "cannot be reached"),
    )
    with opened_page(complaints_allowed=True) as page:
        page.goto(address)
        left = list(answers)

        def answer(route: Route) -> None:
            status, body, _ = left.pop(0)
            if status is None:
                route.abort()
            else:
                route.fulfill(status=status, body=body)

        page.route("**/predict", answer)
        for _, _, sentence in answers:
            page.locator("#send").click()
            expect(page.locator("#problems p")).to_contain_text(sentence)
            expect(page.locator("#problems")).to_be_focused()
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " {textContent: 'window.ran = true'}))"
        )
        assert page.evaluate("window.ran === undefined")


def test_everybody_can_use_it_at_the_width_of_a_phone_and_in_the_dark(
    address: str, record: dict[str, Any]
) -> None:
    with opened_page(PHONE, scheme="dark") as page:
        page.goto(address)
        assert not scrolls_sideways(page)
        assert serious_violations(page) == []
        open_answered(page, address, record)
        expect(page.locator("#answer-title")).to_be_in_viewport()
        expect(page.locator(".picture svg")).to_have_count(2)
        for each in page.locator("details").all():
            each.locator("summary").click()
        assert not scrolls_sideways(page)
        assert serious_violations(page) == []
        page.evaluate("document.documentElement.style.fontSize = '32px'")
        assert not scrolls_sideways(page)


def test_it_is_used_with_the_keyboard_alone_and_prints_the_answer(
    address: str, record: dict[str, Any]
) -> None:
    with opened_page() as page:
        page.goto(address)
        fill(page, {name: record[name] for name in record if name not in {"age_years", "employed"}})
        page.locator("h1").click()
        reached: list[str] = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
            if reached[-1] == "input-age_years":
                page.keyboard.type("45")
            elif "employed" in page.evaluate("document.activeElement.name ?? ''"):
                page.keyboard.press("ArrowRight")
                break
        assert "input-age_years" in reached
        assert page.locator("#input-employed").is_checked()
        with page.expect_response("**/predict"):
            page.keyboard.press("Enter")
        expect(page.locator(".big")).to_contain_text("%")
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        expect(page.locator("#patient")).to_be_hidden()
        expect(page.locator(".contributions table")).to_be_visible()
        expect(page.locator(".asked-with dl")).to_be_visible()
        expect(page.locator(".banner")).to_contain_text("Research use only")


def test_a_key_is_needed_is_sent_as_a_header_and_is_forgotten(
    predictor: ResponsePredictor, record: dict[str, Any], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.jsonl"
    right, other = new_key(keys, ["predict"]), new_key(keys, ["outcomes"])
    with (
        service(predictor, tmp_path, "keys") as address,
        opened_page(complaints_allowed=True) as page,
    ):
        page.goto(address)
        fill(page, record)
        for key, said in (
            ("", "Is needed."),
            ("guessed", "Is not accepted."),
            ("schl\u00fcssel \u2014", "Holds a character that no key has."),
            (other, "May not ask for predictions."),
        ):
            page.locator("#key").fill(key)
            page.locator("#send").click()
            expect(page.locator("#error-key")).to_have_text(said)
        page.locator("#key").fill(right)
        with page.expect_request("**/predict") as caught:
            send(page)
        assert caught.value.headers["authorization"] == f"Bearer {right}"
        expect(page.locator(".big")).to_contain_text("%")
        expect(page.locator("#problems")).to_be_hidden()
        page.locator(".about summary").click()
        with page.expect_download() as card:
            page.locator("#card").click()
        assert json.loads(Path(card.value.path()).read_text("utf-8"))["model"]
        assert right not in page.content()
        page.reload()
        assert page.locator("#key").input_value() == ""
