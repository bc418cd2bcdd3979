"""Options of `init --new` that do not fit together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import pytest

from strongroom_vault.cli.new_vault import choice_of

if TYPE_CHECKING:
    from strongroom_vault.cli.new_vault import NewVaultOptions

NOTHING: Final[NewVaultOptions] = {
    "vault_id": None,
    "address": None,
    "listen": None,
    "module": None,
    "label": None,
    "pin_file": None,
    "certificate": None,
    "key": None,
    "jwks": None,
    "self_signed": False,
    "development_issuer": False,
}
VAULT: Final[NewVaultOptions] = {
    **NOTHING,
    "vault_id": "vault.example",
    "address": "vault.example:7443",
}
FILE: Final = Path("/file")


def test_without_new_nothing_is_chosen() -> None:
    assert choice_of(NOTHING, is_new=False) is None


@pytest.mark.parametrize(
    ("options", "is_new", "message"),
    [
        (VAULT, False, "goes with --new"),
        (NOTHING | {"listen": "::"}, False, "--listen goes with --new"),
        (NOTHING, True, "--id and --address"),
        (VAULT | {"module": FILE}, True, "--label and --pin-file"),
        (VAULT | {"label": "l", "pin_file": FILE}, True, "--module"),
        (VAULT | {"certificate": FILE}, True, "--key"),
        (VAULT | {"certificate": FILE, "key": FILE, "self_signed": True}, True, "--self-signed"),
        (VAULT | {"jwks": "j", "development_issuer": True}, True, "--development-issuer"),
        (VAULT | {"jwks": "http://issuer.example/jwks"}, True, "https"),
    ],
)
def test_options_that_do_not_fit_are_named(
    options: NewVaultOptions, message: str, *, is_new: bool
) -> None:
    with pytest.raises(click.UsageError, match=message):
        choice_of(options, is_new=is_new)


def test_a_choice_has_what_was_given() -> None:
    options = VAULT | {"module": FILE, "label": "l", "pin_file": FILE, "jwks": "keys.json"}
    choice = choice_of(options, is_new=True)
    assert choice is not None
    assert choice.hsm is not None
    assert (choice.hsm.module, choice.hsm.label, choice.hsm.pin_file) == (FILE, "l", FILE)
    assert choice.jwks == str(Path("keys.json").absolute())
    assert (choice.vault_id, choice.address) == ("vault.example", "vault.example:7443")
