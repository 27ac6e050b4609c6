"""Forms: what is refused, in a sentence, with nothing of it repeated."""

import gzip
import json
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from forms import BOUNDARY, FormPart, form
from hypothesis import given, settings
from hypothesis import strategies as st
from served_models import ask
from starlette.types import ASGIApp

from serving.app import create_app
from serving.predictor import ResponsePredictor
from serving.uploads import MAXIMUM_FILE_BYTES, MAXIMUM_RECORD_BYTES, neutral_name

RELMAT = b"Node\tLH_Vis_1\tLH_Vis_2\nLH_Vis_1\t1\t0.5\nLH_Vis_2\t0.5\t1\n"
RECORD = json.dumps({"depression_instrument": "PHQ-9", "depression_total": 18}).encode()
PATIENT = FormPart("patient", RECORD)
SCAN = FormPart("connectome", RELMAT, "scan_relmat.tsv")
HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def app(network_predictor: ResponsePredictor) -> ASGIApp:
    return create_app(network_predictor)


def test_a_form_is_answered_whatever_the_order_and_the_names(app: ASGIApp) -> None:
    record = FormPart("patient", RECORD, "patient.json")
    named = FormPart("connectome", RELMAT, "/etc/../passwd.tsv")
    for parts in ((PATIENT, SCAN), (SCAN, record), (named, PATIENT)):
        body, headers = form(*parts)
        assert ask(app, "POST", "/predict", body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ((PATIENT,), 422, "missing_part"),
        ((SCAN,), 422, "missing_part"),
        ((PATIENT, SCAN, FormPart("conectome", b"x")), 422, "unknown_part"),
        ((PATIENT, PATIENT, SCAN), 400, "duplicate_field"),
        ((FormPart("patient", b"{"), SCAN), 400, "invalid_json"),
        ((FormPart("patient", b"[]"), SCAN), 422, "invalid_patient"),
        ((PATIENT, FormPart("connectome", b"")), 422, "invalid_connectome"),
        ((PATIENT, FormPart("connectome", RELMAT[:30], "Jones.tsv")), 422, "invalid_connectome"),
        ((PATIENT, SCAN, FormPart("quality", b"[]")), 422, "invalid_quality"),
        ((PATIENT, SCAN, FormPart("quality", b'{"n_volumes": 0}')), 422, "invalid_quality"),
        ((PATIENT, SCAN, FormPart("quality", b'{"volumes": 3}')), 422, "invalid_quality"),
        ((PATIENT, SCAN, FormPart("quality", b'{"coverage": {"x": 1}}')), 422, "invalid_quality"),
        ((FormPart("patient", b" " * (MAXIMUM_RECORD_BYTES + 1)), SCAN), 413, "body_too_large"),
        ((PATIENT, FormPart("connectome", b"0" * (MAXIMUM_FILE_BYTES + 1))), 413,
         "body_too_large"),
    ],
)  # fmt: skip
def test_wrong_forms_get_a_sentence(
    app: ASGIApp, parts: tuple[FormPart, ...], status: int, code: str
) -> None:
    body, headers = form(*parts)
    response = ask(app, "POST", "/predict", body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["message"].endswith((".", ")."))
    assert "Jones" not in response.text
    assert tempfile.gettempdir() not in response.text


def test_a_bomb_is_refused_before_it_goes_off(app: ASGIApp) -> None:
    bomb = gzip.compress(b"0" * (MAXIMUM_FILE_BYTES + 1))
    body, headers = form(PATIENT, FormPart("connectome", bomb, "Jones_relmat.tsv.gz"))
    response = ask(app, "POST", "/predict", body, headers=headers)
    assert response.status_code == 422
    told = "connectome_relmat.tsv.gz: Unpacked, the file is larger than 20 MB."
    assert response.json()["error"]["message"] == told


def test_a_connectome_in_both_places_is_refused(app: ASGIApp) -> None:
    inline = {**json.loads(RECORD), "connectome": {"labels": ["a", "b"], "upper_triangle": [0.1]}}
    body, headers = form(FormPart("patient", json.dumps(inline).encode()), SCAN)
    response = ask(app, "POST", "/predict", body, headers=headers)
    assert response.status_code == 422
    assert response.json()["error"]["fields"][0]["field"] == "connectome"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", HEADERS, 400),
        (b"--between-parts--", HEADERS, 422),
        (form(PATIENT, SCAN)[0][:-20], HEADERS, 400),
        (b"no form at all", HEADERS, 400),
        (form(PATIENT, SCAN)[0], {"content-type": "multipart/form-data"}, 400),
        (form(PATIENT, SCAN)[0], {"content-type": f"multipart/form-data; boundary={'x' * 300}"},
         400),
        (form(PATIENT, SCAN)[0], {**HEADERS, "content-encoding": "gzip"}, 415),
        (form(PATIENT, SCAN)[0], {**HEADERS, "content-length": "99999999"}, 413),
        (b"--between-parts\r\n" + b"x: y\r\n" * 100 + b"\r\n", HEADERS, 400),
        (b"--between-parts\r\nx: " + b"y" * 100_000, HEADERS, 400),
    ],
)  # fmt: skip
def test_bodies_that_are_no_form_are_refused(
    app: ASGIApp, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = ask(app, "POST", "/predict", body, headers=headers)
    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_a_batch_takes_no_form(app: ASGIApp) -> None:
    body, headers = form(PATIENT, SCAN)
    assert ask(app, "POST", "/predict_batch", body, headers=headers).status_code == 415


def test_an_endless_file_is_refused_on_the_way(app: ASGIApp) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield form(SCAN)[0].removesuffix(b"\r\n--between-parts--\r\n")
        while True:
            sent += 2**20
            yield b"0" * 2**20

    response = ask(app, "POST", "/predict", endless(), headers=HEADERS)
    assert response.status_code == 413
    assert sent <= MAXIMUM_FILE_BYTES + 2 * 2**20


def test_a_refusal_is_short_however_long_the_labels_are(app: ASGIApp) -> None:
    long = RELMAT.replace(b"LH_Vis_2\tLH", b"x" * 1_000_000 + b"\tLH").replace(
        b"LH_Vis_2\n", b"y" * 1_000_000 + b"\n"
    )
    body, headers = form(PATIENT, FormPart("connectome", long, "scan_relmat.tsv"))
    response = ask(app, "POST", "/predict", body, headers=headers)
    assert response.status_code == 422
    assert len(response.content) < 1_000


@settings(max_examples=150)
@given(filename=st.text(max_size=300))
def test_nothing_of_a_name_is_kept_but_what_tells_the_format(filename: str) -> None:
    kept = neutral_name(filename)
    assert kept.startswith("connectome")
    assert not set("/\\ \0") & set(kept)
    assert len(kept) < 300
    assert neutral_name(f"{filename}_relmat.tsv").endswith("_relmat.tsv")


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_form_is_answered_or_refused(app: ASGIApp, data: st.DataObject) -> None:
    body = bytearray(form(PATIENT, SCAN)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        length = data.draw(st.integers(0, 12))
        body[place : place + length] = data.draw(st.binary(max_size=6))
    response: Any = ask(app, "POST", "/predict", bytes(body), headers=HEADERS)
    assert response.status_code in {200, 400, 413, 422}
