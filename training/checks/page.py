"""`python -m training.checks.page` writes `docs/checks.md` from the checks themselves."""

from pathlib import Path
from typing import Final

from training.checks.evidence import Check
from training.checks.run import ALL_CHECKS

PAGE: Final = Path(__file__).parents[2] / "docs" / "checks.md"
_TOP: Final = """\
# Checks

Written by `python -m training.checks.page`. Every training run is checked for what makes its
result doubtful. What was found stands in the terminal, in the report, in `summary.json` under
`findings`, and as codes in MLflow.

- **error**: the result is not to be believed until this is mended or explained. With `--strict`,
  `tms-response train` exits with code 10 when there is one, after the run is written.
- **warning**: it limits what may be concluded.
- **note**: worth knowing.

A check that does not fit a cohort is ignored by its code in the configuration; it is still listed,
as ignored, and is not fatal:

```toml
[checks]
ignore = ["TMS013"]
```

"""


def page() -> str:
    """Return the page as Markdown."""
    lines = ["| code | severity | found |", "|---|---|---|"]
    for check in ALL_CHECKS:
        link = f"[{check.code}](#{check.code.lower()})"
        lines.append(f"| {link} | {check.severity} | {check.title} |")
    return _TOP + "\n".join(lines) + "\n" + "".join(_section(check) for check in ALL_CHECKS)


def _section(check: Check) -> str:
    source = f" Read on: {_linked(check.reference)}." if check.reference else ""
    return (
        f"\n## {check.code}\n\n**{check.title}** ({check.severity}). {check.meaning}\n\n"
        f"What to do: {check.remedy[0].lower()}{check.remedy[1:]}{source}\n"
    )


def _linked(reference: str) -> str:
    words = [
        f"[doi:{doi}](https://doi.org/{doi})" + word[len(f"doi:{doi}") :]
        if (doi := word.removeprefix("doi:").rstrip(";,")) != word.rstrip(";,")
        else word
        for word in reference.split(" ")
    ]
    return " ".join(words)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
