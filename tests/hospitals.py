"""Hospitals that ask a service about their patients, ask again where it fails, and keep notes."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from year_patients import YearPatient

_SECONDS_TO_ASK_AGAIN = 0.1
_SECONDS_TO_GIVE_UP = 180
_PATIENTS_A_BATCH = 4


@dataclass(frozen=True)
class Told:
    """What a hospital was told of a patient."""

    patient: YearPatient
    caller: str
    route: str
    patient_id: str | None
    answer: dict[str, Any]

    @property
    def version(self) -> str:
        """Of the model that answered."""
        found: str = self.answer["model"]["version"]
        return found

    @property
    def chance(self) -> float | None:
        """What was predicted; None where the model abstained."""
        found: float | None = self.answer["response_probability"]
        return found


@dataclass(frozen=True)
class Reported:
    """What a hospital reported of a patient in a week, and what the service said to that."""

    patient: YearPatient
    caller: str
    week: int
    final_total: float | None
    status: str

    @property
    def responded(self) -> bool:
        """What the report says; a response is a fall by half or more."""
        if self.final_total is None:
            return self.patient.responded
        baseline: float = self.patient.body["depression_total"]
        return baseline - self.final_total >= 0.5 * baseline


@dataclass
class Notes:
    """What a hospital noted in a year.

    Attributes
    ----------
    told : dict
        By the number of the patient.
    reported : list of Reported
        In the order in which it was accepted.
    seen : Counter
        Patients in all answers by the version that answered, those that were asked for again
        included.
    repeated : Counter
        Those that were asked for again, of these.
    statuses : Counter
        Of all answers.
    broken : int
        Connections that broke, or were refused.
    """

    told: dict[int, Told] = field(default_factory=dict)
    reported: list[Reported] = field(default_factory=list)
    seen: "Counter[str]" = field(default_factory=Counter)
    repeated: "Counter[str]" = field(default_factory=Counter)
    statuses: "Counter[int]" = field(default_factory=Counter)
    broken: int = 0


@dataclass(frozen=True)
class _Request:
    path: str
    body: bytes
    headers: dict[str, str]
    patients: tuple[YearPatient, ...]


class Hospital:
    """One hospital, with a key of its own.

    Parameters
    ----------
    name : str
        As it stands in its patients' `site`.
    port : int
        Of the service.
    key : str
        With the scopes `predict` and `outcomes`.
    in_batches : bool
        Whether it asks about several patients at once; else about each, and says who it is.
    """

    def __init__(self, name: str, port: int, key: str, *, in_batches: bool) -> None:
        self.name, self.notes = name, Notes()
        self.caller = f"key:{key.split('_')[1]}"
        self._in_batches = in_batches
        self._latest: list[tuple[_Request, bytes]] = []
        self._waiting: list[tuple[YearPatient, float | None]] = []
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60
        )

    def ask(
        self, patients: Sequence[YearPatient], pace: Callable[[float], None] = lambda _share: None
    ) -> None:
        """Ask about the patients of a week, one request after the other.

        Parameters
        ----------
        patients : sequence of YearPatient
            Its own.
        pace : callable
            Called before each request with the share of the patients asked about; it may wait.
        """
        self._latest = []
        size = _PATIENTS_A_BATCH if self._in_batches else 1
        for start in range(0, len(patients), size):
            group = tuple(patients[start : start + size])
            pace(start / len(patients))
            request = self._request(group)
            body = self._answered(request)
            self._latest.append((request, body))
            for patient, answer in zip(group, _answers(body), strict=True):
                patient_id = request.headers.get("Patient-Id")
                told = Told(patient, self.caller, request.path, patient_id, answer)
                self.notes.told[patient.number] = told

    def ask_again(self) -> None:
        """Repeat all requests since `ask`, as a clerk who is not sure; the answers are the same."""
        for request, body in self._latest:
            assert self._answered(request) == body
            self.notes.repeated.update(each["model"]["version"] for each in _answers(body))

    def report(self, patients: Sequence[YearPatient], week: int) -> None:
        """Report the outcomes that are known in this week, and those that were not accepted yet."""
        self._waiting += [
            (patient, total)
            for patient in patients
            for told_in, total in patient.told_in
            if told_in == week
        ]
        self._waiting = [each for each in self._waiting if not self._accepted(*each, week)]

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _request(self, group: tuple[YearPatient, ...]) -> _Request:
        headers = {"Idempotency-Key": f"patient-{group[0].number}"}
        if self._in_batches:
            content: object = [each.body for each in group]
            return _Request("/predict_batch", json.dumps(content).encode(), headers, group)
        [patient] = group
        headers["Patient-Id"] = f"{self.name}/{patient.number}"
        return _Request("/predict", json.dumps(patient.body).encode(), headers, group)

    def _answered(self, request: _Request) -> bytes:
        """Send a request, with the same key again and again, until it is answered."""
        until = time.monotonic() + _SECONDS_TO_GIVE_UP
        while time.monotonic() < until:
            try:
                reply = self._client.post(
                    request.path, content=request.body, headers=request.headers
                )
            except httpx.TransportError:
                self.notes.broken += 1
                time.sleep(_SECONDS_TO_ASK_AGAIN)
                continue
            self.notes.statuses[reply.status_code] += 1
            if reply.status_code == 200:
                self.notes.seen.update(each["model"]["version"] for each in _answers(reply.content))
                return reply.content
            assert reply.status_code == 503, reply.text[:300]
            time.sleep(_SECONDS_TO_ASK_AGAIN)
        pytest.fail("the service did not answer any more")

    def _accepted(self, patient: YearPatient, total: float | None, week: int) -> bool:
        """Report one outcome; while the ledger is away, it is kept for the next week."""
        said: dict[str, Any] = {"responded": patient.responded}
        if total is not None:
            said = {"instrument": "HDRS-17", "final_total": total}
        reply = self._client.post(
            "/outcomes",
            json={
                "prediction_id": self.notes.told[patient.number].answer["prediction_id"],
                "measured_on": patient.measured_on.isoformat(),
                **said,
            },
        )
        self.notes.statuses[reply.status_code] += 1
        if reply.status_code == 503:
            return False
        assert reply.status_code in {200, 201}, reply.text[:300]
        status = reply.json()["status"]
        self.notes.reported.append(Reported(patient, self.caller, week, total, status))
        return True


def _answers(body: bytes) -> list[dict[str, Any]]:
    content = json.loads(body)
    return content if isinstance(content, list) else [content]
