"""Which way studies of TMS say that a feature goes, each with its source.

A sign is 1 where a higher value, or "yes", went with a better outcome, -1 with a worse one, and 0
where studies disagree or found nothing. Only what was read in the source named stands here. It is
wider than the signs to which trees are held (`features.table`), which needs more than one study.
"""

from dataclasses import dataclass
from math import isnan
from typing import Final, Literal

from features.connectivity import COIL_SITE_SGACC_PROXY
from features.table import Sign

AGREES: Final = "agrees"
DISAGREES: Final = "disagrees"
UNDECIDED: Final = "undecided"
Verdict = Literal["agrees", "disagrees", "undecided"]


@dataclass(frozen=True)
class PublishedSign:
    """What studies say of one feature.

    Attributes
    ----------
    sign : {-1, 0, 1}
        For response, and for remission too unless that has a sign of its own.
    source : str
        Study, figure, identifier.
    remission_sign : {-1, 0, 1} or None
        Where studies of remission say something else.
    """

    sign: Sign
    source: str
    remission_sign: Sign | None = None

    def for_outcome(self, kind: str) -> Sign:
        """Return the sign for "response" or "remission"."""
        other = self.remission_sign
        return other if kind == "remission" and other is not None else self.sign


_TREVIZOL: Final = "Trevizol 2020, 388 patients, odds ratio for remission"
_WINNIPEG: Final = "Winnipeg 2022, 196 patients, pubmed 36207801"
_UCSD: Final = "doi:10.1038/s41398-025-03380-w, 232 patients"
_ABLTBS: Final = "secondary analysis of the aBLTBS trial"

SIGNS: Final = {
    "age_years": PublishedSign(
        0, "no decline in a registry of 5,010; younger better in Rostami 2017 "
        "(doi:10.1016/j.clinph.2017.07.395)",
    ),
    "female": PublishedSign(
        0, "small differences in 984 patients, on one of two scales; none in "
        "doi:10.1080/15622975.2025.2488357",
    ),
    "employed": PublishedSign(1, f"{_TREVIZOL} 1.69 (1.06 to 2.7)"),
    "body_mass_index_kg_m2": PublishedSign(-1, f"obesity: {_UCSD}"),
    "recurrent": PublishedSign(1, "Fitzgerald 2016, 1,132 patients, doi:10.1002/da.22503"),
    "psychotic_features": PublishedSign(-1, f"“may lower odds”: {_ABLTBS}"),
    "log_episode_duration": PublishedSign(
        -1, "Fitzgerald 2016, 1,132 patients, doi:10.1002/da.22503; odds ratio 0.9945 a month in "
        f"the {_ABLTBS}",
    ),
    "ptsd": PublishedSign(-1, "trial of 164 veterans, jamapsychiatry 2686050"),
    "failed_trials": PublishedSign(
        -1, f"{_TREVIZOL} 0.51 (0.27 to 0.98), of a contrast that its abstract does not tell"
    ),
    "maudsley_stage": PublishedSign(
        -1, "made of duration and failed trials: Fitzgerald 2016, doi:10.1002/da.22503; Trevizol "
        "2020",
    ),
    "ect_history": PublishedSign(
        0, f"those without response to ECT could still respond: {_ABLTBS}"
    ),
    "previous_tms_response": PublishedSign(1, "doi:10.1176/appi.neuropsych.16100181"),
    "depression_severity": PublishedSign(
        0, f"remission: {_TREVIZOL} 0.64 (0.46 to 0.88); response: less severe better in "
        f"Fitzgerald 2016, no association in {_WINNIPEG}",
        remission_sign=-1,
    ),
    "anxiety_severity": PublishedSign(
        0, f"remission: {_TREVIZOL} 0.78 (0.60 to 0.98); response: lower in a registry of 1,820 "
        "(doi:10.4088/JCP.22m14571), no difference in a cohort of 248",
        remission_sign=-1,
    ),
    "moca_total": PublishedSign(1, "23 points or more: doi:10.1016/j.psychres.2024.115822"),
    "benzodiazepine": PublishedSign(
        -1, "odds ratio 0.36 in 181 patients, doi:10.1002/brb3.1275; the same way in "
        f"{_WINNIPEG} and {_UCSD}",
    ),
    "antipsychotic": PublishedSign(-1, f"{_WINNIPEG}; {_UCSD}"),
    "anticonvulsant": PublishedSign(-1, _WINNIPEG),
    "bupropion": PublishedSign(1, _WINNIPEG),
    COIL_SITE_SGACC_PROXY: PublishedSign(
        0, "stimulated site: r = -0.16 in 295 patients, doi:10.1176/appi.ajp.20220306; "
        "r = +0.10, not significant, in 66, doi:10.1038/s41380-025-03153-3",
    ),
}  # fmt: skip


def verdict(sign: Sign, lower: float, upper: float) -> Verdict:
    """Say whether an interval of an effect lies wholly on the side of a published sign."""
    if isnan(lower) or isnan(upper) or sign == 0:
        return UNDECIDED
    ends = sorted((sign * lower, sign * upper))
    if ends[0] > 0:
        return AGREES
    return DISAGREES if ends[1] < 0 else UNDECIDED
