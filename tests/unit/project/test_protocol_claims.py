"""What docs/protocol.md claims beside its tables: numbers of clauses, 6.3, 9.1, and section 10.

The tables and vectors are compared with the sources in test_protocol_doc.py.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from strongroom import BackupKey, BadDigits
from strongroom_protocol.opaque import client, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import EnvelopeRecoveryError
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY: Final = Path(__file__).parents[3]
PAGE: Final = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
DIGITS: Final = BackupKey(bytes(range(1, 33))).digits


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text.replace(" ", "-"), lambda text: f"\u2003{text}\n"]
)
def test_readers_of_the_64_digit_key_ignore(change: Callable[[str], str]) -> None:
    """9.1: white space, dashes and case; tests/unit/client/test_digits.py has the rest."""
    assert BackupKey.from_digits(change(DIGITS)).digits == DIGITS


@pytest.mark.parametrize("change", ["", "00", "0x", "g", "_", "?", "\u00bd", ":"])
def test_readers_of_the_64_digit_key_refuse(change: str) -> None:
    """9.1: everything else."""
    with pytest.raises(BadDigits):
        BackupKey.from_digits(DIGITS[:-1] + change)


def clauses() -> set[str]:
    """The numbers of all clauses: 3.5 is item 5 of section 3."""
    found: set[str] = set()
    section = ""
    for line in PAGE.splitlines():
        if heading := re.match(r"## (\d+)\.", line):
            section = heading[1]
            found.add(section)
        elif item := re.match(r"(\d+)\. ", line):
            found.add(f"{section}.{item[1]}")
    return found


def test_clauses_are_numbered_without_a_gap() -> None:
    by_section = groupby(sorted(found.split(".") for found in clauses()), lambda found: found[0])
    for section, numbers in by_section:
        items = sorted(int(number[1]) for number in numbers if len(number) > 1)
        assert items == list(range(1, len(items) + 1)), section


CITING: Final = [
    *REPOSITORY.glob("tests/interop/*.js"),
    *REPOSITORY.glob("tests/interop/test_*.py"),
    *REPOSITORY.glob("tests/integration/test_protocol_*.py"),
    *REPOSITORY.glob("client/strongroom/*.py"),
]
NUMBER: Final = r"[1-9]\d?\.\d{1,2}"
CITED: Final = re.compile(
    rf"\[({NUMBER}(?:, {NUMBER})*)(?: of [\w/.]+)?\]"  # [6.7, 6.8]
    rf"|(?<=\s)\((?:clause )?({NUMBER}(?:(?:, | to | and ){NUMBER})*)\)"  # (6.7), (clause 1.6)
    rf"|docs/protocol\.md,? ({NUMBER})"
    rf"|clauses? ({NUMBER}) of the protocol"
)


def test_every_clause_that_is_cited_exists() -> None:
    """In the page itself by number, elsewhere by numbers in brackets, or with the page's name."""
    vectors = slice(PAGE.index("\n## 11."), PAGE.index("\n## 12."))
    exchange = PAGE.index("\n## Appendix D.")
    prose = PAGE[: vectors.start] + PAGE[vectors.stop : exchange]
    prose = re.sub(
        r"(?:RFC \d+,? )?(?:section|appendix) [\w.]+|[vV]ersion \d+\.\d+|TLS 1\.3", "", prose
    )
    cited = set(re.findall(r"(?<![\w.,@])([1-9]\d?\.\d{1,2})(?![\w.]\d|\d)", prose))
    assert {"6.7", "8.4", "10.4"} <= cited
    for path in CITING:
        for groups in CITED.findall(path.read_text()):
            cited |= set(re.findall(NUMBER, " ".join(groups)))
    assert cited - clauses() == set()


def test_every_rfc_has_its_reference() -> None:
    text, references = PAGE.split("\n## References\n")
    cited = set(re.findall(r"RFC (\d+)", text))
    listed = re.findall(
        r"^- \[RFC (\d+)\]\(https://www\.rfc-editor\.org/rfc/rfc(\d+)\)", references, re.MULTILINE
    )
    assert cited == {number for number, _ in listed}
    assert all(number == target for number, target in listed)


def test_the_example_client_is_as_short_as_10_5_says() -> None:
    claim = re.search(r"`(tests/interop/client.js)` is such a client in under (\d+) lines", PAGE)
    assert claim is not None
    assert len((REPOSITORY / claim[1]).read_text().splitlines()) < int(claim[2])


def test_under_a_wrong_password_the_unmasked_key_is_no_point() -> None:
    """6.3: it goes into the tag undecoded, so a wrong password is never a malformed message."""
    identities = Identities(b"alice", b"strongroom/v1/vault.test")
    request, session = client.create_registration_request(b"right")
    oprf_key, identity = SoftwareOprfKey.generate(), SoftwareAkeKey.derive(bytes(32))
    response = server.create_registration_response(request, identity.public_key, oprf_key)
    record, _ = client.finalize_registration_request(session, response, identities, bytes)
    for number in range(20):
        ke1, login = client.generate_ke1(b"wrong %d" % number)
        ke2, _ = server.generate_ke2(ke1, record, identity, oprf_key, identities)
        with pytest.raises(EnvelopeRecoveryError):
            client.generate_ke3(login, ke2, identities, bytes)
