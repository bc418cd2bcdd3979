"""The messages of a worker: typed by their answers, exact over the pipe, silent about secrets."""

from __future__ import annotations

from typing import get_args

import pytest

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.errors import DecodeError
from strongroom_vault.hsm.jobs import (
    AdvanceAnchor,
    AnchorIs,
    AnyAnswer,
    AnyJob,
    DestroyOprfKey,
    Failed,
    GeneratedKE2,
    GenerateKE2,
    Hello,
    Job,
    OprfKeys,
    Ready,
)
from strongroom_vault.hsm.token.handlers import HANDLERS
from strongroom_vault.records.record import StoredOprfKey

KEY = StoredOprfKey(bytes(33), bytes(48))


def test_a_job_names_its_answer() -> None:
    assert Hello.answer_type is Ready
    assert GenerateKE2.answer_type is GeneratedKE2
    assert DestroyOprfKey.answer_type is OprfKeys
    assert AdvanceAnchor.answer_type is AnchorIs


def test_a_job_has_the_name_that_dashboards_know() -> None:
    assert GenerateKE2.kind == "StartRecovery"
    assert DestroyOprfKey.kind == "DestroyOprfKey"
    kinds = [job.kind for job in get_args(AnyJob)]
    assert len(set(kinds)) == len(kinds)


def test_every_job_is_decoded_answered_and_handled() -> None:
    """A job that is missing in a union or a table would only be noticed when it is sent."""
    jobs = set(get_args(AnyJob))
    assert jobs == set(Job.__subclasses__())
    assert set(HANDLERS) == jobs - {Hello}
    assert set(get_args(AnyAnswer)) == {job.answer_type for job in jobs} | {Failed}


def test_a_ke1_comes_back_from_its_job() -> None:
    ke1, _ = client.generate_ke1(b"password")
    job = GenerateKE2.of(ke1, KEY, bytes(129), b"alice", b"vault")
    assert job.ke1() == ke1
    assert len(job.blinded_message) == 65


def test_a_job_with_no_point_in_it_is_refused() -> None:
    job = GenerateKE2(bytes(65), bytes(32), bytes(65), KEY, bytes(129), b"alice", b"vault")
    with pytest.raises(DecodeError):
        job.ke1()


def test_secrets_do_not_print() -> None:
    for answer in (Ready(b"public", (b"secret",)), GeneratedKE2(b"secret", b"secret")):
        assert "secret" not in repr(answer)
