"""The container files: pinned by hash, without rights, without secrets, and true to the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from serving import settings

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
VARIABLES = {value for name, value in vars(settings).items() if name.endswith("_VARIABLE")}


def stages() -> dict[str, str]:
    """Return the text of each stage of the Dockerfile by its name."""
    parts = re.split(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("stage", ["service", "project"])
def test_an_image_runs_as_a_user_without_rights(stage: str) -> None:
    users = re.findall(r"^USER (\S+)$", stages()[stage], re.MULTILINE)
    assert users == ["10001"]
    assert "HEALTHCHECK" in stages()[stage]


def test_packages_come_from_the_locks_by_hash() -> None:
    installs = re.findall(r"pip install[^\n]*(?:\\\n[^\n]*)*", DOCKERFILE)
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install
        assert "--only-binary :all:" in install
    assert set(re.findall(r"--requirement (\S+)", DOCKERFILE)) == {
        "requirements-serving.lock", "requirements.lock"
    }  # fmt: skip


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_service_image_holds_nothing_of_training() -> None:
    text = stages()["service"] + stages()["base"]
    assert "COPY training" not in text
    assert list(stages())[-1] == "service"


def test_every_base_image_has_a_version() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    images += [each["image"] for each in SERVICES.values()]
    for image in images:
        assert image in stages() or re.search(r":\d", image), image


def test_no_secret_stands_in_a_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|KEY$|SECRET|TOKEN", variable):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), (name, variable)
            assert not re.search(r"://[^:/@]+:(?!\$\{)[^@]+@", value), (name, variable)
    assert not re.search(r"^(ENV|ARG).*(PASSWORD|SECRET|TOKEN)", DOCKERFILE, re.MULTILINE)
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert not {"privileged", "network_mode", "devices"} & service.keys()


def test_what_the_compose_file_names_is_declared() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= COMPOSE["volumes"].keys()
        if "build" in service:
            assert service["build"]["target"] in stages()


def test_the_image_sets_variables_that_the_service_reads() -> None:
    named = set(re.findall(r"TMS_RESPONSE_[A-Z_]+", stages()["service"]))
    assert named
    assert named <= VARIABLES
