"""Which connectome files belong to which participant: scans before treatment, and no others.

The rule for sessions and runs. A session is the `ses-<label>` in a file's path.

1. A scan of the session named like the visit of the outcome is an error.
2. Where any file is of the session named like the visit of `outcome.baseline`, files of other
   sessions are left out, for every participant.
3. Otherwise the files of one participant must be of one session; the pattern has to name it.
4. The files that remain of one participant are runs of one session, and are averaged as Fisher z
   (`training.scans.mean_connectome`), after each has passed the quality limits on its own.
"""

import re
from collections import defaultdict
from pathlib import Path

import pandas as pd

from data_schemas.cohort import CohortSpec
from data_schemas.cohort_sections import ConnectomeFiles
from data_schemas.errors import FieldProblem
from training.cohort.files import leads_inside
from training.cohort.records import Findings

ID = "{id}"
_WILDCARDS = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}


def connectome_files(
    folder: Path, spec: CohortSpec, ids: pd.Index, findings: Findings
) -> dict[str, tuple[Path, ...]]:
    """Find the connectome files of a cohort.

    Parameters
    ----------
    folder : Path
        The data folder, resolved.
    spec : CohortSpec
    ids : Index of str
        The participants.
    findings : Findings
        Where files that lead outside, belong to nobody or were scanned after treatment are
        reported.

    Returns
    -------
    dict of tuple of Path
        By id, sorted; participants without a file are left out.
    """
    if spec.connectome is None:
        return {}
    pattern = spec.connectome.files
    found: dict[str, list[Path]] = defaultdict(list)
    known = set(ids)
    strays = 0
    for path in sorted(folder.glob(_glob(pattern))):
        relative = path.relative_to(folder).as_posix()
        owners = _owners(relative, pattern, known)
        if not owners:
            strays += 1
        elif problem := _refusal(path, folder, owners, spec):
            findings.error("connectome_refused", FieldProblem(relative, problem))
        else:
            found[owners[0]].append(path)
    found = _baseline_only(found, folder, spec, findings)
    _report(spec.connectome, found, strays, findings)
    return {name: tuple(paths) for name, paths in found.items()}


def _glob(pattern: str) -> str:
    """Return the pattern for everybody; a run of stars within a name is one star."""
    parts = pattern.split("/")
    return "/".join(
        part if part == "**" else re.sub(r"\*+", "*", part.replace(ID, "*")) for part in parts
    )


def _refusal(path: Path, folder: Path, owners: list[str], spec: CohortSpec) -> str | None:
    if len(owners) > 1:
        return "belongs to more than one participant by the pattern; make the pattern stricter"
    if not path.is_file() or not leads_inside(folder, path):
        return "is no file in the data folder, or a link that leads out of it; copy the file"
    if _scanned_at(path.relative_to(folder).as_posix(), spec.outcome.final.visit):
        return "was scanned at the visit of the outcome; name the session in the pattern"
    return None


def _owners(relative: str, pattern: str, known: set[str]) -> list[str]:
    """Return the ids with which the pattern matches the path."""
    lengths = {len(name) for name in known if len(name) <= len(relative)}
    windows = {
        relative[start : start + length]
        for length in lengths
        for start in range(len(relative) - length + 1)
    }
    return [
        name
        for name in sorted(windows & known)
        if re.fullmatch(_expression(pattern, name), relative)
    ]


def _expression(pattern: str, name: str) -> str:
    """Return the pattern as a regular expression for one id.

    Beside a wildcard, an id ends where letters and digits end: sub-1 is not found in sub-10.
    """
    tokens = [token for token in re.split(r"(\*\*/|\*|\?|\{id\})", pattern) if token]
    padded = ["", *tokens, ""]
    expression = ""
    for before, token, after in zip(padded, tokens, padded[2:], strict=False):
        if token == ID:
            left = "(?<![A-Za-z0-9])" if before in _WILDCARDS else ""
            right = "(?![A-Za-z0-9])" if after in _WILDCARDS else ""
            expression += left + re.escape(name) + right
        else:
            expression += _WILDCARDS.get(token, re.escape(token))
    return expression


def _scanned_at(relative: str, visit: str | None) -> bool:
    return visit is not None and _session_name(visit) in re.split(r"[/_.]", relative)


def _session_name(visit: str) -> str:
    return visit if visit.startswith("ses-") else f"ses-{visit}"


def _baseline_only(
    found: dict[str, list[Path]], folder: Path, spec: CohortSpec, findings: Findings
) -> dict[str, list[Path]]:
    """Return the files of one session a participant, by the rule above."""
    sessions = {path: _session(path, folder) for paths in found.values() for path in paths}
    visit = spec.outcome.baseline.visit
    baseline = None if visit is None else _session_name(visit)
    if baseline is not None and baseline in sessions.values():
        left_out = sum(session != baseline for session in sessions.values())
        if left_out:
            message = f"{left_out} connectome files are not of {baseline} and are left out."
            findings.remark("note", "later_connectomes", "connectome.files", message)
        kept = {
            name: [path for path in paths if sessions[path] == baseline]
            for name, paths in found.items()
        }
        return {name: paths for name, paths in kept.items() if paths}
    for paths in found.values():
        other = next((path for path in paths if sessions[path] != sessions[paths[0]]), None)
        if other is not None:
            problem = "is of another session than the participant's first; name one in the pattern"
            relative = other.relative_to(folder).as_posix()
            findings.error("connectome_refused", FieldProblem(relative, problem))
    return found


def _session(path: Path, folder: Path) -> str | None:
    """Return the session that a file's own name tells, else that of the nearest folder."""
    parts = re.split(r"[/_.]", path.relative_to(folder).as_posix())
    return next((part for part in reversed(parts) if part.startswith("ses-")), None)


def _report(
    connectome: ConnectomeFiles, found: dict[str, list[Path]], strays: int, findings: Findings
) -> None:
    where = "connectome.files"
    if not found and not strays:
        problem = f"no file in the data folder matches '{connectome.files}'"
        if connectome.required:
            findings.error("no_connectomes", FieldProblem(where, problem))
        else:
            findings.remark("warning", "no_connectomes", where, f"{problem}.")
    if strays:
        message = f"{strays} connectome files belong to no participant and are not used."
        findings.remark("warning", "stray_connectomes", where, message)
    several = sum(len(paths) > 1 for paths in found.values())
    if several:
        message = f"{several} participants have more than one connectome file."
        findings.remark("note", "several_connectomes", where, message)
