"""The document of a model: its text, what it refuses, and its digest."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from data_schemas.errors import ModelError
from data_schemas.patient import Patient
from serving import model_document
from serving.model_document import BoosterDocument, ModelDocument, ReferenceDistribution
from serving.predictor import ResponsePredictor


@pytest.fixture(scope="module")
def document(predictor: ResponsePredictor) -> ModelDocument:
    return predictor.document


def changed(document: ModelDocument, **changes: Any) -> str:
    """Return the text of a document in which top-level entries were replaced."""
    return json.dumps({**json.loads(document.to_text()), **changes})


def test_text_is_read_back_to_the_same_document_and_the_same_bytes(
    document: ModelDocument,
) -> None:
    again = ModelDocument.from_text(document.to_text())
    assert again == document
    assert again.to_text() == document.to_text()
    assert again.digest == document.digest


def test_entries_stand_in_declared_order_and_versions_by_name(document: ModelDocument) -> None:
    content = json.loads(document.to_text())
    assert list(content) == list(ModelDocument.model_fields)
    provenance = document.provenance.model_copy(update={})
    shuffled = type(provenance).model_validate(
        {**provenance.model_dump(), "library_versions": {"z": "1", "a": "2"}}
    )
    assert list(shuffled.library_versions) == ["a", "z"]


def test_sites_are_sorted_and_single(document: ModelDocument) -> None:
    text = changed(document, sites=["b", "a", "b"])
    assert ModelDocument.from_text(text).sites == ("a", "b")


def test_digest_follows_every_number(document: ModelDocument) -> None:
    other = document.model_copy(update={"base_rate": document.base_rate + 1e-16 + 1e-12})
    assert other.digest != document.digest


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"format_version": 2}, "format_version 2"),
        ({"schema_hash": "0" * 64}, "another version of the Patient schema"),
        ({"calibration": {"slope": -0.1, "intercept": 0.0}}, "calibration.slope"),
        ({"base_rate": 1.0}, "base_rate"),
        ({"features": []}, "features"),
        ({"depression_instrument": "PHQ9"}, "instruments must be among"),
        ({"required_fields": ["height"]}, "fields of Patient"),
        ({"unheard_of": 1}, "not a known field"),
    ],
)
def test_wrong_entries_are_refused_with_a_sentence(
    document: ModelDocument, changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(ModelError, match=part):
        ModelDocument.from_text(changed(document, **changes))


def test_a_feature_twice_is_refused(document: ModelDocument) -> None:
    first = json.loads(document.to_text())["features"][0]
    with pytest.raises(ModelError, match="features must be unique"):
        ModelDocument.from_text(changed(document, features=[first, first]))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format_version": NaN}'])
def test_what_is_not_a_document_is_refused(text: str) -> None:
    with pytest.raises(ModelError):
        ModelDocument.from_text(text)


def test_numbers_must_be_finite(document: ModelDocument) -> None:
    text = document.to_text().replace('"intercept": -0.1', '"intercept": Infinity')
    assert text != document.to_text()
    with pytest.raises(ModelError, match=r"calibration\.intercept"):
        ModelDocument.from_text(text)


SOUND = {
    "p1": 0, "p5": 1, "p25": 2, "p50": 3, "p75": 4, "p95": 5, "p99": 6,
    "lowest_usual": -1, "highest_usual": 7, "lowest_accepted": -2, "highest_accepted": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"p25": 3.5}, {"lowest_usual": 0.5}, {"highest_usual": 5}, {"lowest_accepted": 0},
               {"highest_accepted": 6.5}]
)  # fmt: skip
def test_percentiles_and_ranges_must_not_descend(change: dict[str, float]) -> None:
    ReferenceDistribution.model_validate(SOUND)
    ReferenceDistribution.model_validate({**SOUND, "lowest_accepted": None})
    with pytest.raises(ValidationError, match="must not descend"):
        ReferenceDistribution.model_validate({**SOUND, **change})


def test_booster_is_described_by_its_trees_and_digest() -> None:
    text = "tree\n\nTree=0\na\n\nTree=1\nb\n\nTree=2\n\nTree=3\n"
    described = BoosterDocument.of(text, 2)
    assert (described.n_bags, described.trees_per_bag) == (2, 2)
    assert BoosterDocument.of(text + "\n", 2).sha256 != described.sha256
    with pytest.raises(ModelError, match="shared evenly"):
        BoosterDocument.of(text, 3)


def test_schema_hash_ignores_wording_and_follows_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = Patient.model_json_schema()

    def hash_of(schema: dict[str, Any]) -> str:
        monkeypatch.setattr(Patient, "model_json_schema", lambda: schema)
        model_document.patient_schema_hash.cache_clear()
        return model_document.patient_schema_hash()

    try:
        plain = hash_of(schema)
        reworded = json.loads(json.dumps(schema))
        reworded["properties"]["age_years"]["description"] = "How old."
        assert hash_of(reworded) == plain
        widened = json.loads(json.dumps(schema))
        widened["properties"]["age_years"]["anyOf"][0]["maximum"] = 200
        assert hash_of(widened) != plain
        without = json.loads(json.dumps(schema))
        del without["properties"]["age_years"]
        assert hash_of(without) != plain
    finally:
        model_document.patient_schema_hash.cache_clear()


def test_training_population_is_one_sentence(document: ModelDocument) -> None:
    population = document.trained_on
    assert population.sentence().startswith("240 simulated patients at 2 sites")
    real = population.model_copy(update={"simulated": False, "n_sites": 1})
    assert real.sentence().startswith("240 patients at 1 site,")
    unrecorded = real.model_copy(update={"n_sites": 0})
    assert unrecorded.sentence().startswith("240 patients, of whom")
