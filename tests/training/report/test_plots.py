"""Pictures are judged as their reader meets them: as SVG text, in colours, and without clipping."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from html import unescape
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import style
from matplotlib.colors import to_rgb

from serving.pages import COLOURS
from training.learning.models import BASE_RATE, LIGHTGBM_BOTH, LIGHTGBM_CLINICAL, MODEL_LABELS
from training.report.attribution_plots import plot_dependence, plot_ranks, plot_sizes
from training.report.canvas import (
    AWAY_FROM_OUTCOME,
    MODEL_STYLES,
    REFERENCE,
    STYLE,
    TOWARDS_OUTCOME,
    WARNING,
    row_figure,
)
from training.report.explanation_plots import plot_beeswarm, plot_waterfall
from training.report.plots import (
    plot_calibration,
    plot_decision_curve,
    plot_intervals,
    plot_motion,
    plot_roc,
)
from training.report.tables import picture

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
GRID = np.linspace(0, 1, 21)
LONG = "Connectivity between the salience and ventral attention and frontoparietal control networks"


def curves() -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {"model": model, "threshold": GRID, "estimate": GRID ** (0.9 - 0.1 * place),
             "lower": np.clip(GRID - 0.1, 0, 1), "upper": np.clip(GRID + 0.1, 0, 1)}
        )
        for place, model in enumerate(MODEL_LABELS)
    ]  # fmt: skip
    return pd.concat(frames)


def motion() -> pd.DataFrame:
    return pd.DataFrame(
        {"label": ["Reached the outcome", "Did not"], "reached": [True, False],
         "estimate": [0.125, 0.175], "lower": [0.11, 0.15], "upper": [0.14, 0.2]}
    )  # fmt: skip


def distribution() -> pd.DataFrame:
    edges = np.arange(20) / 20
    shares = np.exp(-((edges - 0.4) ** 2) * 30)
    return pd.concat(
        [
            pd.DataFrame({"metric": metric, "threshold": edges, "estimate": shares / shares.sum()})
            for metric in ("distribution_event", "distribution_nonevent")
        ]
    )


def points(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    ranks = np.where(rng.random(2 * n) < 0.1, np.nan, rng.random(2 * n))
    return pd.DataFrame(
        {"feature": ["age"] * n + ["fc"] * n, "log_odds": rng.normal(size=2 * n),
         "value_rank": ranks}
    )  # fmt: skip


def steps() -> pd.DataFrame:
    log_odds = np.array([0.5, -0.25, -0.1])
    ends = -0.2 + np.cumsum(log_odds)
    return pd.DataFrame({"log_odds": log_odds, "start": ends - log_odds, "end": ends})


def intervals(model: str = LIGHTGBM_CLINICAL) -> pd.DataFrame:
    return pd.DataFrame(
        {"label": ["Site A", "Site B"], "model": model, "estimate": [0.6, 0.7],
         "lower": [0.5, np.nan], "upper": [0.7, np.nan]}
    )  # fmt: skip


def sizes() -> pd.DataFrame:
    return pd.DataFrame(
        {"mean_absolute_log_odds": [0.3, 0.1], "lower": [0.1, 0.0], "upper": [0.4, 0.2],
         "rank": [1, 2], "rank_lower": [1, 1], "rank_upper": [3, 9]}
    )  # fmt: skip


def bands() -> pd.DataFrame:
    return pd.DataFrame(
        {"mean_value": [1.0, 3.0], "from": [0.0, 2.0], "to": [2.0, 4.0], "n": [40, 60],
         "log_odds": [0.2, -0.1], "lower": [0.1, -0.2], "upper": [0.3, 0.0]}
    )  # fmt: skip


PICTURES: dict[str, Callable[[], str]] = {
    "roc": lambda: plot_roc(curves(), MODEL_LABELS, LIGHTGBM_BOTH),
    "decision": lambda: plot_decision_curve(
        curves(), curves().query("model == 'base_rate'"), MODEL_LABELS, LIGHTGBM_BOTH
    ),
    "calibration": lambda: plot_calibration(
        curves().query("model == 'lightgbm_both'"), distribution(), LIGHTGBM_BOTH
    ),
    "motion": lambda: plot_motion(motion()),
    "intervals": lambda: plot_intervals(intervals(), "AUROC (0.5 chance, 1 perfect)", 0.5),
    "beeswarm": lambda: plot_beeswarm(points(), {"age": "Age", "fc": LONG}),
    "sizes": lambda: plot_sizes(sizes(), ["Age", LONG], LIGHTGBM_BOTH, "Mean |SHAP|, log-odds"),
    "ranks": lambda: plot_ranks(sizes(), ["Age", LONG], LIGHTGBM_BOTH, 12),
    "dependence": lambda: plot_dependence(bands(), "Age, years", {}, LIGHTGBM_BOTH),
    "waterfall": lambda: plot_waterfall(steps(), ["Age: 40 years", LONG, "Others"], (-1, 1)),
}


@cache
def drawn(name: str) -> str:
    return PICTURES[name]()


def words(svg: str) -> list[str]:
    """Return the text of a picture, which stands in comments since letters are outlines."""
    return [unescape(text) for text in re.findall("<!-- (.*?) -->", svg)]


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  - our own text


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_self_contained_svg(name: str) -> None:
    root = parsed(drawn(name))
    assert root.tag == SVG + "svg"
    for element in root.iter():
        link = element.get(XLINK + "href")
        assert link is None or link.startswith(("#", "data:"))
    assert root.find(f".//{SVG}text") is None, "letters must be outlines"
    assert b"<dc:date>" not in ET.tostring(root)


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_table_gives_the_same_bytes(name: str) -> None:
    assert PICTURES[name]() == drawn(name)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("roc", ["False alarms: 1 - specificity", "Found: sensitivity", "Chance"]),
        ("decision", ["Net benefit (per patient)", "Treat everybody", "Treat nobody"]),
        ("calibration", ["Predicted chance", "Share who reached the outcome", "Share of patients"]),
        ("intervals", ["AUROC (0.5 chance, 1 perfect)", "Site A", "Site B"]),
        ("beeswarm", ["Contribution in log-odds: < 0 lowers, > 0 raises the chance", "Age"]),
        ("sizes", ["Mean |SHAP|, log-odds", "Age"]),
        ("ranks", ["Rank, 1 first, of 12 inputs", "Age"]),
        ("dependence", ["Age, years", "Contribution, log-odds", "Patients"]),
        ("waterfall", ["Predicted chance; dotted: average, solid: this patient", "50 %"]),
    ],
)
def test_axes_and_rows_are_labelled(name: str, labels: list[str]) -> None:
    assert set(labels) <= set(words(drawn(name)))


def test_every_compared_model_has_a_look_of_its_own() -> None:
    assert set(MODEL_STYLES) == set(MODEL_LABELS)
    for part in ("colour", "dash", "marker"):
        assert len({str(getattr(look, part)) for look in MODEL_STYLES.values()}) == 5


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(
    "colour",
    [look.colour for look in MODEL_STYLES.values()] + [TOWARDS_OUTCOME, AWAY_FROM_OUTCOME],
)
def test_lines_stand_out_from_white_paper(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 3  # WCAG 2, success criterion 1.4.11


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("towards", TOWARDS_OUTCOME),
        ("away", AWAY_FROM_OUTCOME),
        ("reference", REFERENCE),
        ("warning", WARNING),
        ("interval", MODEL_STYLES[LIGHTGBM_BOTH].colour),
    ],
)
def test_pictures_have_the_colours_of_the_pages(name: str, colour: str) -> None:
    light = COLOURS.split("@media")[0]
    assert f"--{name}: {colour.lower()};" in light


def test_a_model_has_the_same_colour_in_every_picture() -> None:
    colour = MODEL_STYLES[LIGHTGBM_BOTH].colour.lower()
    for name in ("roc", "decision", "calibration", "sizes", "ranks", "dependence"):
        assert colour in drawn(name).lower()
    assert colour in plot_intervals(intervals(LIGHTGBM_BOTH), "AUROC", None).lower()
    assert colour not in plot_intervals(intervals(BASE_RATE), "AUROC", None).lower()


def test_the_interval_is_drawn_where_there_is_one() -> None:
    without = curves().assign(lower=np.nan, upper=np.nan)
    with_band = plot_roc(curves(), MODEL_LABELS, LIGHTGBM_BOTH).count("fill-opacity: 0.18")
    assert with_band > plot_roc(without, MODEL_LABELS, LIGHTGBM_BOTH).count("fill-opacity: 0.18")


def hidden_values(name: str) -> list[list[float | str]]:
    found: list[list[float | str]] = json.loads(picture(drawn(name), "", "").values)
    return found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("roc", "LightGBM, clinical and connectivity: at 50 % false alarms, "),
        ("decision", ": net benefit 0."),
        ("calibration", "50 % predicted, "),
        ("intervals", "Site A: 0.60 (0.50 to 0.70)"),
        ("motion", "Reached the outcome: 0.125 (0.110 to 0.140)"),
        ("sizes", "Age: 0.300 (0.100 to 0.400) log-odds"),
        ("ranks", "Age: rank 1 (1 to 3)"),
        ("dependence", "40 patients, value about 1: 0.20 (0.10 to 0.30) log-odds"),
    ],
)
def test_values_can_be_pointed_at(name: str, told: str) -> None:
    found = hidden_values(name)
    assert any(told in str(text) for _, _, text in found)
    for x, y, _ in found:
        assert 0 <= float(x) <= 100
        assert 0 <= float(y) <= 100


def test_a_value_lies_where_it_is_drawn() -> None:
    x, y = (float(at) for at in hidden_values("dependence")[0][:2])
    root = parsed(drawn("dependence"))
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    marks = [
        (100 * float(use.attrib["x"]) / width, 100 * float(use.attrib["y"]) / height)
        for use in root.iter(SVG + "use")
        if MODEL_STYLES[LIGHTGBM_BOTH].colour.lower() in use.attrib.get("style", "").lower()
    ]
    assert any(abs(x - at[0]) < 0.2 and abs(y - at[1]) < 0.2 for at in marks)


@pytest.mark.parametrize("name", ["roc", "decision"])
def test_the_thinner_curves_have_their_intervals_too(name: str) -> None:
    bars = parsed(drawn(name)).findall(f".//{SVG}g[@id]")
    stacks = [group for group in bars if group.attrib["id"].startswith("LineCollection")]
    assert len(stacks) == len(MODEL_LABELS) - 1
    assert all(len(stack.findall(f"{SVG}path")) >= 3 for stack in stacks)


def test_nothing_of_single_patients_can_be_pointed_at() -> None:
    assert hidden_values("beeswarm") == []


def test_a_beeswarm_holds_an_image_and_no_coordinates_of_patients() -> None:
    svg = plot_beeswarm(points(500), {"age": "Age", "fc": "FC"})
    assert parsed(svg).find(f".//{SVG}image") is not None
    assert svg.count("<path") + svg.count("<use") < 300, "a thousand dots are no outlines"


def test_steps_up_and_down_differ_in_colour_and_sign() -> None:
    svg = drawn("waterfall")
    assert svg.lower().count(f"fill: {TOWARDS_OUTCOME.lower()}") == 1
    assert svg.lower().count(f"fill: {AWAY_FROM_OUTCOME.lower()}") == 2
    assert {"+0.50", "-0.25", "-0.10"} <= set(words(svg))


def test_chances_are_marked_on_the_scale_of_log_odds() -> None:
    for limits in ((-0.1, 0.1), (-1.0, 1.0), (-4.0, 4.0), (-5.0, -3.0)):
        marks = [w for w in words(plot_waterfall(steps(), ["a", "b", "c"], limits)) if "%" in w]
        chances = [float(mark.removesuffix(" %")) / 100 for mark in marks]
        assert len(chances) == len(set(chances))
        assert all(limits[0] <= np.log(c / (1 - c)) <= limits[1] for c in chances)
        assert 1 <= len(chances) <= 10


@pytest.mark.parametrize("n_rows", [1, 3, 12])
def test_long_labels_are_wrapped_and_not_clipped(n_rows: int) -> None:
    with style.context(STYLE):
        figure, axes = row_figure([LONG] * n_rows, 1.0)
        figure.draw_without_rendering()
        frame = figure.bbox
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == n_rows
    for box in boxes:
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1
    for upper, lower in pairwise(boxes):
        assert lower.y1 < upper.y0, "labels of neighbouring rows must not touch"
