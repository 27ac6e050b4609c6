import numpy as np
import pytest
from check_evidence import WITHIN, Row, evidence, found

from training.learning.models import LIGHTGBM_BOTH, LIGHTGBM_CLINICAL

NAN = float("nan")
PAIR = f"{LIGHTGBM_BOTH} - {LIGHTGBM_CLINICAL}"


@pytest.mark.parametrize(
    ("gain", "code", "sentence"),
    [
        ((0.05, 0.01, 0.09), "TMS034", "Connectivity adds to the clinical columns: AUROC"),
        ((0.05, -0.01, 0.11), "TMS008", "It is not shown that connectivity adds anything: AUROC"),
        ((-0.05, -0.09, -0.01), "TMS008", "Connectivity harms"),
        ((0.05, NAN, NAN), "TMS008", "Too few patients have connectivity to say what it adds (96)"),
    ],
)  # fmt: skip
def test_what_connectivity_adds_is_a_number_with_an_interval(
    gain: tuple[float, float, float], code: str, sentence: str
) -> None:
    row: Row = (PAIR, WITHIN, "auroc", *gain, 96)
    (said,) = found(code, evidence(row))
    assert said.startswith(sentence)
    assert np.isnan(gain[1]) or f"{gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})" in said
    other = {"TMS008": "TMS034", "TMS034": "TMS008"}[code]
    assert found(other, evidence(row)) == []


def test_without_a_comparison_nothing_is_said() -> None:
    row: Row = (LIGHTGBM_CLINICAL, WITHIN, "auroc", 0.6, 0.5, 0.7, 96)
    assert found("TMS008", evidence(row)) == found("TMS034", evidence(row)) == []
