"""Both specs of the one real TMS cohort, where its data is at hand."""

import json

import pytest
from fresh_process import Spine, tms_response

pytestmark = pytest.mark.system


def test_six_responders_are_too_few_and_the_model_never_answers(
    spine: Spine, ocd_run: Spine
) -> None:
    assert "This model gives no predictions: " in ocd_run.said
    (spine.folder / "ocd.json").write_text(
        '[{"age_years": 40, "depression_instrument": "MADRS", "depression_total": 25}]', "utf-8"
    )
    tms_response("predict", "ocd", "ocd.json", "--out", "ocd_answers.json", cwd=spine.folder)
    [answer] = json.loads((spine.folder / "ocd_answers.json").read_text("utf-8"))
    assert answer["abstained"] is True
    assert answer["response_probability"] is None
    assert answer["base_rate"] == pytest.approx(6 / 26, abs=0.02)


def test_both_arms_together_are_said_to_show_improvement_in_general(
    pooled_run: Spine,
) -> None:
    assert "gives no predictions" not in pooled_run.said
    document = json.loads((pooled_run.run / "model" / "model.json").read_text("utf-8"))
    assert (document["trained_on"]["n_patients"], document["trained_on"]["n_events"]) == (50, 14)
    assert "improvement in general" in (pooled_run.run / "report.html").read_text("utf-8")
