import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_schemas.connectome import Connectome, ConnectomeQuality, FloatArray
from data_schemas.errors import DataError, field_problems

LABELS = ("LH_Vis_1", "LH_Default_PFC_1", "RH_Cont_PFCl_2", "RH_Vis_3")


def correlations(seed: int = 0, n: int = 4) -> FloatArray:
    return np.asarray(np.corrcoef(np.random.default_rng(seed).normal(size=(n, 40))))


@given(st.integers(0, 50), st.integers(2, 12))
def test_matrix_survives_the_round_trip_through_json(seed: int, n: int) -> None:
    matrix = correlations(seed, n)
    matrix[0, 1] = matrix[1, 0] = np.nan
    connectome = Connectome.from_matrix([f"p{i}" for i in range(n)], matrix, n_volumes=40)
    again = Connectome.model_validate_json(connectome.model_dump_json())
    np.testing.assert_array_equal(again.upper_triangle, connectome.upper_triangle)
    np.testing.assert_allclose(again.matrix(), matrix, rtol=0, atol=1e-15)
    assert again.labels == connectome.labels
    assert again.n_volumes == 40


def test_upper_triangle_runs_row_by_row() -> None:
    matrix = correlations()
    rows = [matrix[row, column] for row in range(4) for column in range(row + 1, 4)]
    np.testing.assert_array_equal(Connectome.from_matrix(LABELS, matrix).upper_triangle, rows)


def _spoilt(kind: str) -> FloatArray:
    matrix = correlations()
    if kind == "asymmetric":
        matrix[1, 2] += 0.01
    if kind == "above one":
        matrix[0, 3] = matrix[3, 0] = 1.25
    if kind == "covariance":
        matrix = np.cov(np.random.default_rng(0).normal(size=(4, 40)))
    return matrix


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("asymmetric", "is not symmetric, first at LH_Default_PFC_1 with RH_Cont_PFCl_2"),
        ("above one", "holds numbers outside -1 to 1, first at LH_Vis_1 with RH_Vis_3"),
        ("covariance", "diagonal that is not 1"),
    ],
)
def test_what_is_not_a_correlation_matrix_is_refused(kind: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        Connectome.from_matrix(LABELS, _spoilt(kind))
    assert "1.25" not in str(caught.value)


def test_shape_and_labels_must_agree() -> None:
    with pytest.raises(DataError, match="must be a square matrix; this one is 4 x 3"):
        Connectome.from_matrix(LABELS, correlations()[:, :3])
    with pytest.raises(DataError, match="3 labels were given for 4 rows"):
        Connectome.from_matrix(LABELS[:3], correlations())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"upper_triangle": [0.1] * 5}, "must hold 6 numbers for 4 labels"),
        ({"labels": ["a", "a", "b", "c"]}, "labels must be unique"),
        ({"coverage": {"elsewhere": 0.9}}, "not among the labels"),
        ({"upper_triangle": [0.1] * 5 + [3.5]}, "outside -1 to 1"),
        ({"kind": "fisher_z"}, "is not one of the allowed values"),
    ],
)
def test_inline_connectomes_are_checked(changes: dict[str, object], sentence: str) -> None:
    given = {"labels": LABELS, "upper_triangle": [0.1] * 6, **changes}
    with pytest.raises(ValidationError) as caught:
        Connectome.model_validate(given)
    message = "; ".join(map(str, field_problems(caught.value)))
    assert sentence in message
    assert "3.5" not in message


def test_arrays_cannot_be_changed_afterwards() -> None:
    connectome = Connectome.from_matrix(LABELS, correlations())
    with pytest.raises(ValueError, match="read-only"):
        connectome.upper_triangle[0] = 0


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ({"n_volumes": 149}, "fewer than 150 volumes"),
        ({"mean_framewise_displacement_mm": 0.51}, "displacement is above 0.5 mm"),
        ({"coverage": dict.fromkeys(LABELS, 0.4)}, "coverage is below 50%"),
        ({"n_volumes": 150, "mean_framewise_displacement_mm": 0.5}, None),
        ({}, None),
    ],
)
def test_quality_gate(recorded: dict[str, object], reason: str | None) -> None:
    connectome = Connectome.from_matrix(LABELS, correlations(), **recorded)
    refusal = ConnectomeQuality().refusal(connectome)
    assert refusal == reason or (reason is not None and refusal is not None and reason in refusal)


def test_a_mostly_missing_matrix_is_refused() -> None:
    matrix = correlations()
    matrix[0, 1:] = matrix[1:, 0] = np.nan
    refusal = ConnectomeQuality().refusal(Connectome.from_matrix(LABELS, matrix))
    assert refusal == "more than 10% of the correlations are missing"
