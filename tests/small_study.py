"""A small study on disk that each test bends to its purpose."""

from dataclasses import dataclass, field
from pathlib import Path

SPEC = """
name = "Test clinic"
licence = "none"
citation = "none"
simulated = false

[treatment]
is_tms = true
description = "Left DLPFC TMS"

[tables.people]
file = "people.csv"
id = "id"

[patient]
age_years = "people.age"
sex = "people.sex"
site = "people.site"
failed_trials = "people.failed"
benzodiazepine = "people.bzd"

[outcome]
instrument = "HDRS-17"
baseline = "people.pre"
final = "people.post"
"""

PEOPLE = """id,age,sex,site,failed,bzd,pre,post
p1,34,F,north,2,yes,24,10
p2,51,M,north,n/a,no,22,20
p3,48,female,south,3,,30,15
p4,62,male,south,5,1,18,n/a
"""


@dataclass
class Study:
    """A spec and its files; `write` puts them on disk."""

    folder: Path
    spec: str = SPEC
    files: dict[str, str | bytes] = field(default_factory=lambda: {"people.csv": PEOPLE})

    def change_spec(self, old: str, new: str) -> "Study":
        """Replace a part of the spec that must be there."""
        assert old in self.spec, old
        self.spec = self.spec.replace(old, new)
        return self

    def change(self, old: str, new: str, name: str = "people.csv") -> "Study":
        """Replace a part of a text file that must be there."""
        text = self.files[name]
        assert isinstance(text, str)
        assert old in text, old
        self.files[name] = text.replace(old, new)
        return self

    def write(self) -> Path:
        """Write everything and return the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "cohort.toml").write_text(self.spec, encoding="utf-8")
        for name, content in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
        return self.folder
