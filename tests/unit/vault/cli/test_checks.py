"""How findings and rates are shown."""

from __future__ import annotations

from strongroom_vault.cli import checks
from strongroom_vault.hsm.token.diagnostics import Finding
from strongroom_vault.operator.bench import Rate


def test_a_finding_stays_within_80_columns() -> None:
    finding = Finding("wrapping", "failed", "word " * 40, meaning="m " * 60, hint="do this")
    lines = checks._finding_lines(finding).splitlines()
    assert lines[0].startswith("FAILED wrapping             word")
    assert max(map(len, lines)) <= 80
    assert lines[-1].strip() == "do this"
    assert "".join(lines).count("word") == 40


def test_a_finding_fits_a_narrow_terminal() -> None:
    finding = Finding("RFC 9497 vectors", "failed", "word " * 20, meaning="m " * 30, hint="do this")
    lines = checks._finding_lines(finding, 40).splitlines()
    assert lines[0] == "FAILED RFC 9497 vectors"
    assert max(map(len, lines)) <= 40
    assert "".join(lines).count("word") == 20
    assert lines[-1] == "  do this"


def test_a_rate_is_one_line() -> None:
    line = checks._rate_line(Rate("disk: commits", 1234.5, 0.5, 12.25))
    assert line.split() == ["disk:", "commits", "1234/s", "p50", "0.50", "ms", "p99", "12.25", "ms"]
