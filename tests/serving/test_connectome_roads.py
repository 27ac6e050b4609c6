"""A connectome gives the same answer inline, as a summary, as a file, and in Python."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forms import FormPart, form
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from served_models import ask
from starlette.types import ASGIApp
from strategies import connectomes

from data_schemas.connectome import Connectome, ConnectomeQuality
from data_schemas.patient import Patient
from data_schemas.positive_definite import has_eigenvalue_below
from data_schemas.prediction import Prediction
from features.atlas import NETWORKS, network_problem, parse_labels
from features.connectivity import CONNECTIVITY_NAMES, connectivity_summary
from features.nodes import Node, NodeTable
from serving.app import create_app
from serving.model_card import model_card
from serving.patient_frame import patients_from_frame, patients_to_frame
from serving.predictor import DOCUMENT_FILE, ResponsePredictor

_QUALITY = ("n_volumes", "mean_framewise_displacement_mm", "coverage", "global_signal_regressed")


@pytest.fixture(scope="module")
def app(network_predictor: ResponsePredictor) -> ASGIApp:
    return create_app(network_predictor)


@pytest.fixture(scope="module")
def record(complete_patient: Patient) -> dict[str, Any]:
    content: dict[str, Any] = complete_patient.model_dump(mode="json", exclude_defaults=True)
    return content


def relmat(connectome: Connectome) -> bytes:
    """Write a connectome as XCP-D does, with every digit."""
    rows = ["\t".join(("Node", *connectome.labels))]
    for label, correlations in zip(connectome.labels, connectome.matrix().tolist(), strict=True):
        cells = ("n/a" if np.isnan(value) else repr(value) for value in correlations)
        rows.append("\t".join((label, *cells)))
    return ("\n".join(rows) + "\n").encode()


def summary_of(connectome: Connectome) -> dict[str, Any]:
    values = connectivity_summary(connectome)
    return {
        "values": {name: None if np.isnan(z) else z for name, z in values.items()},
        "n_volumes": connectome.n_volumes,
        "mean_framewise_displacement_mm": connectome.mean_framewise_displacement_mm,
        "mean_coverage": connectome.mean_coverage,
        "missing_share": connectome.missing_share,
        "global_signal_regressed": connectome.global_signal_regressed,
    }


def quality_of(connectome: Connectome) -> bytes:
    return json.dumps({name: getattr(connectome, name) for name in _QUALITY}).encode()


def answers(
    app: ASGIApp,
    record: dict[str, Any],
    scan: Connectome,
    values: dict[str, Any] | None = None,
) -> Iterator[Prediction]:
    """Ask by every road."""
    inline = {**record, "connectome": scan.model_dump(mode="json")}
    summary = {**record, "connectome_summary": values or summary_of(scan)}
    parts = (
        FormPart("patient", json.dumps(record).encode()),
        FormPart("quality", quality_of(scan)),
        FormPart("connectome", relmat(scan), "sub-01_relmat.tsv"),
    )
    body, headers = form(*parts)
    for response in (
        ask(app, "POST", "/predict", record=inline),
        ask(app, "POST", "/predict", record=summary),
        ask(app, "POST", "/predict", body, headers=headers),
    ):
        assert response.status_code == 200, response.text
        yield Prediction.model_validate_json(response.content)


def assert_same(one: Prediction, other: Prediction) -> None:
    assert one.abstained == other.abstained
    assert one.notices == other.notices
    assert one.response_probability == pytest.approx(other.response_probability, abs=1e-9)
    ours = {each.feature: (each.value, each.log_odds) for each in one.contributions}
    theirs = {each.feature: (each.value, each.log_odds) for each in other.contributions}
    assert ours.keys() == theirs.keys()
    for name, (value, log_odds) in ours.items():
        assert value == pytest.approx(theirs[name][0], abs=1e-9), name
        assert log_odds == pytest.approx(theirs[name][1], abs=1e-9), name


@st.composite
def scans(draw: st.DrawFn) -> Connectome:
    """Draw a connectome with any quality: refused, doubtful or sound."""
    facts = {
        "n_volumes": draw(st.none() | st.sampled_from([20, 149, 150, 400])),
        "mean_framewise_displacement_mm": draw(st.none() | st.floats(0, 1)),
        "global_signal_regressed": draw(st.none() | st.booleans()),
    }
    scan = draw(connectomes())
    coverage = draw(st.none() | st.just(dict.fromkeys(scan.labels, draw(st.floats(0, 1)))))
    # A summary cannot tell that it comes from an atlas without networks, or from no time series.
    assume(network_problem(scan.labels) is None)
    quality = ConnectomeQuality()
    assume(
        not has_eigenvalue_below(scan.upper_triangle, len(scan.labels), quality.minimum_eigenvalue)
    )
    return scan.model_copy(update={**facts, "coverage": coverage})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scan=scans())
def test_every_road_gives_the_same_answer(
    app: ASGIApp, network_predictor: ResponsePredictor, record: dict[str, Any], scan: Connectome
) -> None:
    expected = network_predictor.predict(Patient.model_validate({**record, "connectome": scan}))
    for answer in answers(app, record, scan):
        assert_same(answer, expected)


def whole_scan(seed: int = 3) -> Connectome:
    rng = np.random.default_rng(seed)
    labels = [f"{side}H_{net}_{n}" for side in "LR" for net in NETWORKS for n in (1, 2, 3)]
    matrix = np.atleast_2d(np.corrcoef(rng.normal(size=(len(labels), 90))))
    return Connectome.from_matrix(labels, matrix, n_volumes=200, global_signal_regressed=False)


def test_values_of_a_summary_are_those_of_the_connectome(
    app: ASGIApp, record: dict[str, Any]
) -> None:
    scan = whole_scan()
    expected = connectivity_summary(scan)
    for answer in answers(app, record, scan):
        shown = {each.feature: each.value for each in answer.contributions}
        assert "connectome_refused" not in {notice.code for notice in answer.notices}
        for name in set(CONNECTIVITY_NAMES) & set(shown):
            wanted = None if np.isnan(expected[name]) else expected[name]
            assert shown[name] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        ({}, False),
        ({"n_volumes": 149}, True),
        ({"mean_framewise_displacement_mm": 0.51}, True),
        ({"mean_coverage": 0.49}, True),
        ({"missing_share": 0.11}, True),
        ({"global_signal_regressed": True}, True),
    ],
)
def test_the_gates_hold_for_summaries(
    app: ASGIApp, record: dict[str, Any], facts: dict[str, Any], refused: bool
) -> None:
    summary = {**summary_of(whole_scan()), **facts}
    response = ask(app, "POST", "/predict", record={**record, "connectome_summary": summary})
    codes = {notice["code"] for notice in response.json()["notices"]}
    assert ("connectome_refused" in codes) == refused


def test_correlations_of_no_time_series_leave_the_clinical_prediction(
    app: ASGIApp, record: dict[str, Any]
) -> None:
    scan = whole_scan()
    impossible = scan.model_copy(update={"upper_triangle": np.full(len(scan.upper_triangle), -0.5)})
    alone = ask(app, "POST", "/predict", record=record).json()
    body = {**record, "connectome": impossible.model_dump(mode="json")}
    answer = ask(app, "POST", "/predict", record=body).json()
    assert answer["response_probability"] == alone["response_probability"] is not None
    notices = {each["code"]: each["message"] for each in answer["notices"]}
    assert "not positive semi-definite" in notices["connectome_refused"]
    assert "no time series have these correlations" in notices["connectome_refused"]


@pytest.mark.parametrize(
    ("summary", "field", "words"),
    [
        ({"values": {"fc_within_defualt": 61.8034}}, "connectome_summary.values.fc_within_defualt",
         "Did you mean 'fc_within_default'?"),
        ({"values": {"fc_within_default": 61.8034}}, "connectome_summary.values.fc_within_default",
         "out of range"),
        ({"values": {}}, "connectome_summary.values", "longer"),
        ({}, "connectome_summary.values", "required"),
        ({"values": {"fc_within_default": "61.8034"}},
         "connectome_summary.values.fc_within_default", "a number"),
        ({"values": {"fc_within_default": 0.3}, "missing_share": 61.8034},
         "connectome_summary.missing_share", "out of range"),
    ],
)  # fmt: skip
def test_wrong_summaries_are_refused_by_name(
    app: ASGIApp, record: dict[str, Any], summary: dict[str, Any], field: str, words: str
) -> None:
    response = ask(app, "POST", "/predict", record={**record, "connectome_summary": summary})
    assert response.status_code == 422
    [problem] = response.json()["error"]["fields"]
    assert problem["field"] == field
    assert words in problem["problem"]
    assert "61.8034" not in response.text


def test_a_summary_beside_a_connectome_is_refused(app: ASGIApp, record: dict[str, Any]) -> None:
    scan = whole_scan()
    both = {"connectome": scan.model_dump(mode="json"), "connectome_summary": summary_of(scan)}
    response = ask(app, "POST", "/predict", record={**record, **both})
    assert response.status_code == 422
    assert response.json()["error"]["fields"][0]["field"] == "connectome_summary"


def in_other_words(scan: Connectome) -> tuple[Connectome, NodeTable]:
    """Return a scan under labels that no grammar knows, and what they mean."""
    names = {label: f"parcel of {label}" for label in sorted(scan.labels)}
    nodes = tuple(
        Node(label=names[p.name], network=p.network, hemisphere=p.hemisphere)
        for p in parse_labels(scan.labels)
    )
    update = {"labels": tuple(names[label] for label in scan.labels)}
    return scan.model_copy(update=update), NodeTable(nodes=nodes)


def with_table(predictor: ResponsePredictor, table: NodeTable, folder: Path) -> ResponsePredictor:
    """Return the model with a node table, as it comes back from its folder."""
    predictor.save(folder)
    document = predictor.document
    connectome = document.connectome.model_copy(update={"node_table": table})
    text = document.model_copy(update={"connectome": connectome}).to_text()
    (folder / DOCUMENT_FILE).write_text(text, "utf-8")
    return ResponsePredictor.load(folder)


def test_a_model_with_a_node_table_answers_on_its_labels_by_every_road(
    network_predictor: ResponsePredictor, record: dict[str, Any], tmp_path: Path
) -> None:
    scan = whole_scan()
    renamed, table = in_other_words(scan)
    predictor = with_table(network_predictor, table, tmp_path)
    assert predictor.identity.version != network_predictor.identity.version
    expected = network_predictor.predict(Patient.model_validate({**record, "connectome": scan}))
    served = create_app(predictor)
    for answer in answers(served, record, renamed, summary_of(scan)):
        assert_same(answer, expected)
    # As MLflow's pyfunc reads a table of patients.
    patient = Patient.model_validate({**record, "connectome": renamed})
    [framed] = patients_from_frame(patients_to_frame([patient]))
    assert_same(predictor.predict(framed), expected)
    assert "node table only" in " ".join(model_card(predictor).statements)


def test_labels_outside_the_node_table_are_refused_with_a_sentence(
    network_predictor: ResponsePredictor, record: dict[str, Any], tmp_path: Path
) -> None:
    scan = whole_scan()
    renamed, table = in_other_words(scan)
    predictor = with_table(network_predictor, table, tmp_path)
    for app, sent, words in (
        (create_app(predictor), scan, "labels that are not in the node table"),
        (create_app(network_predictor), renamed, "another atlas needs a node_table"),
    ):
        body = {**record, "connectome": sent.model_dump(mode="json")}
        response = ask(app, "POST", "/predict", record=body)
        assert response.status_code == 200
        notices = {each["code"]: each["message"] for each in response.json()["notices"]}
        assert words in notices["connectome_refused"]
        assert response.json()["response_probability"] is not None
