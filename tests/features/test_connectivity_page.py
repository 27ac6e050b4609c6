"""What docs/connectivity.md says is what the code does: limits, counts and the files it shows."""

import re
import tomllib
from pathlib import Path

from data_schemas.cohort_sections import ConnectomeFiles
from data_schemas.connectome import ConnectomeQuality
from features.connectivity import CONNECTIVITY_NAMES
from features.readers.nodes import read_node_table
from features.readers.reading import MAXIMUM_UPLOAD_BYTES
from features.readers.source import MAXIMUM_FILE_BYTES, Source
from features.targets import WITHIN_MM
from serving.uploads import UploadedQuality

PAGE = (Path(__file__).parents[2] / "docs" / "connectivity.md").read_text("utf-8")


def shown(pattern: str) -> str:
    [found] = re.findall(pattern, PAGE, re.DOTALL)
    return str(found)


def test_the_gates_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (-?[\d.]+) \|", PAGE, re.MULTILINE)
    assert {name: float(limit) for name, limit in rows} == ConnectomeQuality().model_dump()


def test_the_other_numbers_are_those_of_the_code() -> None:
    assert float(shown(r"\*\*([\d.]+) mm\*\*")) == WITHIN_MM
    assert int(shown(r"(\d+) numbers: mean Fisher z")) == len(CONNECTIVITY_NAMES)
    assert int(shown(r"may have (\d+) MB")) * 1_000_000 == MAXIMUM_FILE_BYTES
    assert int(shown(r"at most (\d+) MB")) * 1_000_000 == MAXIMUM_UPLOAD_BYTES


def test_the_examples_can_be_used() -> None:
    section = tomllib.loads(shown(r"```toml\n(.*?)```"))["connectome"]
    section["node_table"] = shown(r'`node_table = "(.*?)"`')
    assert ConnectomeFiles.model_validate(section).node_table == section["node_table"]
    data = shown(r"```\n(label.*?)```").encode()
    table = read_node_table(Source("nodes.csv", section["node_table"], data))
    assert [node.network for node in table.nodes] == ["Vis", "Cont", None]
    quality = UploadedQuality.model_validate_json(shown(r"'quality=(\{.*?\})'"), strict=True)
    assert quality.n_volumes is not None
