"""Both specs of the one real TMS cohort, where its data is at hand."""

import json
import os
from pathlib import Path

import pytest
from fresh_process import Spine, tms_response

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "examples" / "ocd-ctbs-2023"
BESIDE = ROOT.parent / "shared" / "data" / "ocd-ctbs-2023"
DATA = Path(os.environ.get("TMS_RESPONSE_OCD_DATA", BESIDE))

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason="the OCD data is not here; TMS_RESPONSE_OCD_DATA can name its folder",
    ),
]


def test_six_responders_are_too_few_and_the_model_never_answers(
    spine: Spine, quick_config: Path
) -> None:
    said = tms_response(
        "train", SPECS, "--data", DATA, "--config", quick_config, "--out", "ocd", cwd=spine.folder
    ).stdout
    assert "This model gives no predictions: " in said
    (spine.folder / "ocd.json").write_text(
        '[{"age_years": 40, "depression_instrument": "MADRS", "depression_total": 25}]', "utf-8"
    )
    tms_response("predict", "ocd", "ocd.json", "--out", "ocd_answers.json", cwd=spine.folder)
    [answer] = json.loads((spine.folder / "ocd_answers.json").read_text("utf-8"))
    assert answer["abstained"] is True
    assert answer["response_probability"] is None
    assert answer["base_rate"] == pytest.approx(6 / 26, abs=0.02)


def test_both_arms_together_are_said_to_show_improvement_in_general(
    spine: Spine, quick_config: Path
) -> None:
    spec = SPECS / "pooled.toml"
    said = tms_response(
        "train", spec, "--data", DATA, "--config", quick_config, "--out", "pooled", cwd=spine.folder
    ).stdout
    assert "gives no predictions" not in said
    document = json.loads((spine.folder / "pooled" / "model" / "model.json").read_text("utf-8"))
    assert (document["trained_on"]["n_patients"], document["trained_on"]["n_events"]) == (50, 14)
    assert "improvement in general" in (spine.folder / "pooled" / "report.html").read_text("utf-8")
