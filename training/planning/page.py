"""`python -m training.planning.page` writes `docs/sample_size.md`."""

from pathlib import Path
from typing import Final

from training.planning.sample_size import r_squared_from_auroc, required_sample

PAGE: Final = Path(__file__).parents[2] / "docs" / "sample_size.md"
PARAMETERS: Final = (10, 20, 30, 50, 100)
# Prevalence and AUROC: Cox-Snell R-squared and patients for `PARAMETERS`, from one simulation of
# the published recipe each.
SIMULATED: Final = {
    (0.47, 0.60): (0.031, (2875, 5750, 8624, 14373, 28746)),
    (0.47, 0.65): (0.069, (1253, 2506, 3758, 6264, 12527)),
    (0.47, 0.70): (0.120, (702, 1404, 2106, 3510, 7020)),
    (0.30, 0.65): (0.060, (1458, 2915, 4372, 7286, 14572)),
    (0.30, 0.70): (0.104, (815, 1630, 2445, 4074, 8148)),
}
_TOP: Final = """\
# How many patients a model needs

Written by `python -m training.planning.page`. `tms-response plan` answers for other numbers, and
says how precise a study of a given size would be.

Riley's criteria (doi:10.1002/sim.7992) take the R² (Cox-Snell) that a model is expected to reach;
it follows from an expected AUROC and the share of patients who reach the outcome
(doi:10.1002/sim.8806). The publication simulates a million patients for it; here the same quantity
is integrated, so that it is exact. The first criterion, overfitting, asks for the most patients in
every row. Numbers in brackets come from simulations: their R² is off by chance (standard error
0.0003 to 0.0006 with a million patients), and with it the patients by up to 2 %. From the simulated
R², the formula gives the simulated numbers to the patient.

"""
_END: Final = """
No public cohort of TMS comes near what 20 parameters need. The criteria are for a regression; tree
ensembles need considerably more. From an AUROC of 0.8 on, the criteria ask for too few
(doi:10.1186/s12874-024-02268-5).
"""


def page() -> str:
    """Return the page as Markdown."""
    titles = ["reach the outcome", "AUROC", "R²", *(f"{p} parameters" for p in PARAMETERS)]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for (prevalence, auroc), (simulated_r_squared, simulated) in SIMULATED.items():
        r_squared = r_squared_from_auroc(auroc, prevalence)
        cells = [f"{prevalence:.2f}", f"{auroc:.2f}", f"{r_squared:.4f} ({simulated_r_squared})"]
        for parameters, before in zip(PARAMETERS, simulated, strict=True):
            needed = required_sample(parameters, prevalence, r_squared).for_shrinkage
            cells.append(f"{needed:,} ({before:,})")
        lines.append("| " + " | ".join(cells) + " |")
    return _TOP + "\n".join(lines) + "\n" + _END


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
