"""The text of a new vault's settings: complete, and read as it was meant."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec

from strongroom_vault.settings import config, loading
from strongroom_vault.settings.template import HsmToken, Wanted, settings_text


def wanted(folder: str = "/srv/vault") -> Wanted:
    token = HsmToken(Path("/m.so"), "l", Path(folder, "pin"), {"A_CONF": f"{folder}/conf"})
    paths = (Path(folder), Path(folder, "crt"), Path(folder, "key"))
    return Wanted("v", "v:1", "[::]:1", token, *paths, jwks="/j", is_development=True)


def test_the_settings_name_each_setting_with_its_default() -> None:
    """A line that begins with # says what holds without it."""
    text = settings_text(wanted())
    written = loading.parse(tomllib.loads(text), {}, Path("/"))
    for table in msgspec.structs.fields(config.Settings):
        section = text.partition(f"[{table.name}]")[2].partition("\n[")[0]
        for field in msgspec.structs.fields(table.type):
            if field.name != "jwks_url":
                assert re.search(rf"^(# )?{field.name} = ", section, re.MULTILINE), field.name
    example = re.compile(r"^# (?=(address|endpoint|issuer) = )", re.MULTILINE)
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", re.sub(example, "#", text), flags=re.MULTILINE)
    assert uncommented.count("\n#") < text.count("\n#") - 10
    assert loading.parse(tomllib.loads(uncommented), {}, Path("/")) == written


def test_a_folder_with_any_name_is_written_as_it_is() -> None:
    folder = '/a"b\\c/ü {x}'
    settings = loading.parse(tomllib.loads(settings_text(wanted(folder))), {}, Path("/"))
    assert settings.store.path == Path(folder, "vault.db")
    assert settings.token.environment == {"A_CONF": f"{folder}/conf"}


def test_a_vault_for_development_says_so_and_a_url_is_no_file() -> None:
    made = settings_text(wanted())
    assert "FOR DEVELOPMENT" in made
    service = replace(wanted(), jwks="https://issuer.example/jwks", is_development=False)
    text = settings_text(service)
    assert "DEVELOPMENT" not in text
    settings = loading.parse(tomllib.loads(text), {}, Path("/"))
    assert settings.access_tokens.jwks_url == "https://issuer.example/jwks"
    assert settings.access_tokens.jwks_file is None


def test_a_token_that_was_made_meanwhile_takes_the_place_of_the_first() -> None:
    token = HsmToken(Path("/other.so"), "other", Path("/other.pin"))
    settings = loading.parse(
        tomllib.loads(settings_text(wanted().with_token(token))), {}, Path("/")
    )
    assert (settings.token.label, settings.token.pin_file) == ("other", Path("/other.pin"))
    assert settings.token.environment == {}


def test_no_character_of_a_name_ends_its_string() -> None:
    names = "".join(map(chr, (*range(0x20, 0x7F), 0x7F, 0xFC, 0x1F512)))
    token = HsmToken(Path("/m.so"), "l", Path("/pin"), {"A_CONF": names})
    settings = tomllib.loads(settings_text(wanted().with_token(token)))
    assert settings["token"]["environment"]["A_CONF"] == names
