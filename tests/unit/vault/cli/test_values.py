"""Values of options: what is taken, and what the rest is told."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from strongroom_vault.cli import values
from strongroom_vault.cli.commands import cli


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (values.WholeNumber(1, 65535), "1", 1),
        (values.WholeNumber(1, 65535), "65535", 65535),
        (values.Seconds(0.1, 600), "0.1", 0.1),
        (values.Seconds(0.1, 600), "600", 600.0),
        (values.Scopes(["read", "recover"]), "recover read", "recover read"),
        (values.Scopes(["read"]), "", ""),
        (values.Id(), "vault.example", "vault.example"),
        (values.Host(), "vault.example", "vault.example"),
        (values.Host(), "*.example", "*.example"),
        (values.Host(), "2001:db8::1", "2001:db8::1"),
        (values.Host(), "127.0.0.1", "127.0.0.1"),
        (values.Text(), "alice", "alice"),
    ],
)
def test_what_is_taken(kind: click.ParamType[object], text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (values.WholeNumber(1, 65535), "0", "'0' is not a whole number from 1 to 65535"),
        (values.WholeNumber(1, 65535), "80x", "'80x' is not a whole number from 1 to 65535"),
        (values.WholeNumber(1, 65535), "7_0", "'7_0' is not a whole number"),
        (values.WholeNumber(1, 65535), "\uff17", "is not a whole number"),
        (values.WholeNumber(1, 65535), "9" * 5000, "is not a whole number"),
        (values.Seconds(0.1, 600), "nan", "'nan' is not a number from 0.1 to 600"),
        (values.Seconds(0.1, 600), "1e2", "'1e2' is not a number from 0.1 to 600"),
        (values.Seconds(0.1, 600), "0", "'0' is not a number from 0.1 to 600"),
        (values.Scopes(["read"]), "read all", "there is no scope 'all'; there are read"),
        (values.Id(), "Vault!", "'Vault!' is not an id of 1 to 64 characters"),
        (values.Host(), "vault.example:7443", "'vault.example:7443' is not a host"),
        (values.Host(), "a b", "'a b' is not a host"),
        (values.Host(), "", "'' is not a host"),
        (values.Host(), "a" * 254, "is not a host"),
        (values.Text(), " ", "it is empty"),
    ],
)
def test_what_is_refused(kind: click.ParamType[object], text: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "line",
    [
        "dev --port 80x",
        "dev --port 0",
        "dev --port 70000",
        "bench --seconds nan",
        "token issue . --vault-id v --account alice --lifetime 1h",
        "token issue . --vault-id v --account alice --lifetime 901",
        "token issue . --vault-id V --account alice",
        "token issue . --vault-id v --account alice --scope all",
        "self-signed . --host vault.example:7443",
    ],
)
def test_a_command_that_gets_another_value_is_misused(line: str) -> None:
    done = CliRunner().invoke(cli, line.split())
    assert done.exit_code == 2
    assert "range" not in done.output


def test_an_account_without_a_name_is_none() -> None:
    words = ["token", "issue", ".", "--vault-id", "v", "--account", ""]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    assert "it is empty" in done.output
