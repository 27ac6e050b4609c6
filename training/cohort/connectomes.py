"""Which connectome file belongs to which participant."""

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
    if visit is None:
        return False
    label = visit if visit.startswith("ses-") else f"ses-{visit}"
    return label in re.split(r"[/_.]", relative)


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
