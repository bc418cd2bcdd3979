"""Settings from a file and the environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.settings import config, loading, refusals

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[vault]
id = "vault.test"
[token]
module = "module.so"
label = "label"
pin_file = "pin"
[store]
path = "vault.db"
[listen]
address = "localhost:0"
certificate_file = "crt"
key_file = "key"
admin_socket = "sock"
[access_tokens]
jwks_file = "jwks"
"""


SERVICES = {
    "STRONGROOM_VAULT_SERVICE_HOST": "10.0.0.1",
    "STRONGROOM_VAULT_SERVICE_PORT": "7443",
    "STRONGROOM_VAULT_SERVICE_PORT_GRPC": "7443",
    "STRONGROOM_VAULT_PORT": "tcp://10.0.0.1:7443",
    "STRONGROOM_VAULT_PORT_7443_TCP": "tcp://10.0.0.1:7443",
    "STRONGROOM_VAULT_PORT_7443_TCP_PROTO": "tcp",
    "STRONGROOM_VAULT_PORT_7443_TCP_PORT": "7443",
    "STRONGROOM_VAULT_PORT_7443_TCP_ADDR": "10.0.0.1",
}


def load(tmp_path: Path, text: str | bytes, **environment: str) -> config.Settings:
    file = tmp_path / "strongroom-vault.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    variables = {f"STRONGROOM_VAULT_{name}": value for name, value in environment.items()}
    return loading.load(file, variables)


def refused(tmp_path: Path, text: str | bytes, **environment: str) -> list[str]:
    """What is said, a line for each problem, without where the settings are."""
    with pytest.raises(OperatorError) as caught:
        load(tmp_path, text, **environment)
    said = str(caught.value)
    assert str(tmp_path / "strongroom-vault.toml") in said
    assert not any(
        foreign in said for foreign in ("`", "$", "Errno", "msgspec", "regex", "Expected `")
    )
    return [line.strip() for line in said.replace(".toml: ", ".toml:\n").splitlines()[1:]] or [said]


@pytest.mark.parametrize("service", ["", "ADMIN_", "TOKEN_", "LISTEN_", "VAULT_", "EU_WEST_1_"])
def test_what_kubernetes_says_of_services_is_no_setting(tmp_path: Path, service: str) -> None:
    """Every container gets such beside a service named strongroom-vault, or strongroom-vault-..."""
    names = {name.removeprefix("STRONGROOM_VAULT_"): value for name, value in SERVICES.items()}
    environment = {f"{service}{name}": value for name, value in names.items()}
    settings = load(tmp_path, SETTINGS, CONFIG="elsewhere", TOKEN_LABEL="another", **environment)
    assert settings.token.label == "another"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TOKEN_LABLE", "TOKEN_LABEL"),
        ("TOKNE_LABEL", "TOKEN_LABEL"),
        ("LABEL", "TOKEN_LABEL"),
        ("LISTEN_ADRESS", "LISTEN_ADDRESS"),
        ("ACCESS_TOKENS_JWKS_FIEL", "ACCESS_TOKENS_JWKS_FILE"),
        ("CONFIGURATION", ""),
        ("LISTEN_PORT", ""),
        ("NOTHING_LIKE_IT", ""),
    ],
)
def test_a_slip_in_a_variables_name_is_told(tmp_path: Path, name: str, meant: str) -> None:
    (said,) = refused(tmp_path, SETTINGS, **{name: "7443"})
    assert said.startswith(f"the environment variable STRONGROOM_VAULT_{name} names no setting; ")
    assert said.endswith(f"did you mean STRONGROOM_VAULT_{meant}?") == bool(meant)


@pytest.mark.parametrize(
    ("section", "name", "value", "allowed", "shown"),
    [
        ("vault", "attempt_limit", "1001", "a whole number from 1 to 1000", '"1001"'),
        ("vault", "attempt_limit", "many", "a whole number from 1 to 10", '"many"'),
        ("vault", "attempt_limit", "9" * 5000, "a whole number from 1 to 10", f'"{"9" * 60}..."'),
        (
            "vault",
            "back_off_s",
            "30,soon",
            "a list of whole numbers of seconds, such as [60, 3600]",
            "soon",
        ),
        ("vault", "id", "Vault!", "1 to 64 characters of a-z", '"Vault!"'),
        ("vault", "id", "\x1b[31mred", "1 to 64 characters of a-z", '"\\u001b[31mred"'),
        ("token", "residency", "tokn", 'must be "token" or "wrapped"', '"tokn"'),
        ("token", "label", "l" * 33, "text of 1 to 32 characters", f'"{"l" * 33}"'),
        ("token", "label", "not \udcff UTF-8", "text of 1 to 32 characters", '"not \\udcff UTF-8"'),
        ("token", "pin_file", "", "a path", "text"),
        ("token", "call_timeout_s", "nan", "a number from 0.5 to 120", '"nan"'),
        ("listen", "reflection", "yes", "true or false", '"yes"'),
        ("listen", "address", "7443", "host:port, for example", '"7443"'),
        ("listen", "address", "::1:7443", "host:port, for example", '"::1:7443"'),
        ("listen", "address", "vault.example:65536", "host:port, for example", ':65536"'),
        ("metrics", "address", "127.0.0.1", "host:port, for example", '"127.0.0.1"'),
        (
            "access_tokens",
            "jwks_url",
            "http://me:pin@host",
            "begins with https://",
            '"http://...@host"',
        ),
        ("traces", "endpoint", "collector:4317", "begins with http:// or https://", "collector"),
        ("traces", "ratio", "1.5", "a number from 0 to 1", '"1.5"'),
    ],
)
def test_a_value_that_will_not_do(
    tmp_path: Path, section: str, name: str, value: str, allowed: str, shown: str
) -> None:
    variable = f"{section}_{name}".upper()
    text = SETTINGS.replace('jwks_file = "jwks"', "") if name == "jwks_url" else SETTINGS
    (said,) = refused(tmp_path, text, **{variable: value})
    assert said.startswith(f"[{section}] {name} (STRONGROOM_VAULT_{variable}) must be ")
    assert allowed in said
    assert shown in said.partition(", not ")[2]
    assert said.isprintable()
    assert len(said) < 250


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('id = "vault.test"', "id = 7", "not 7"),
        ('id = "vault.test"', 'id = "vault.test\\n"', 'not "vault.test\\n"'),
        ('id = "vault.test"', "id = 2026-01-01", "not a date or time"),
        ('id = "vault.test"', "id = {a = 1}", "not a table"),
        ('id = "vault.test"', "", "id (STRONGROOM_VAULT_VAULT_ID) is missing: 1 to 64 characters"),
        ('"pin"', "1234", "must be a path, not a number"),
        ('"pin"', '"a\\u0000b"', "must be a path, not text"),
        ("[store]\npath", "[store]\npaht", "[store] has no setting paht; did you mean path?"),
        ('label = "label"', 'address = "a:1"', "has no setting address; it belongs to [listen]"),
        ("[store]", "[stroe]", "there is no table [stroe]; did you mean [store]?"),
        (
            "[vault]",
            'address = "a:1"\n[vault]',
            "address stands in no table; it belongs to [listen]",
        ),
        ('[store]\npath = "vault.db"', "[[store]]", "[store] must be a table, not a list"),
        (
            'jwks_file = "jwks"',
            "",
            "jwks_url (STRONGROOM_VAULT_ACCESS_TOKENS_JWKS_URL) is needed, and none",
        ),
        ("[vault]", "[vault]\nattempt_limit = 2", "is 3, which is above attempt_limit, 2"),
    ],
)
def test_what_is_wrong_in_the_file(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in SETTINGS
    said = refused(tmp_path, SETTINGS.replace(old, new, 1))
    assert any(problem in line for line in said), said


FIELDS = [
    (section.name, field.name)
    for section in msgspec.structs.fields(config.Settings)
    for field in msgspec.structs.fields(section.type)
]
ODD = ('"10"', '"true"', "10.0", "5", "true", "-1", "nan", "[]", '["1"]', "{ A = 1 }", "2026-01-01")


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=lambda part: part)
def test_a_value_of_another_type_is_refused(tmp_path: Path, section: str, name: str) -> None:
    """TOML has numbers and booleans, so text that looks like one is a slip."""
    whole = re.sub(rf"(?m)^{name} = .*$", "", SETTINGS)
    before, table, after = whole.partition(f"[{section}]\n")
    refusals_of = {}
    for value in ODD:
        text = f"{before}[{section}]\n{name} = {value}\n{after if table else ''}"
        try:
            load(tmp_path, text)
        except OperatorError as error:
            refusals_of[value] = str(error)
    for said in refusals_of.values():
        assert f"[{section}] {name} (STRONGROOM_VAULT_{section}_{name})".upper() in said.upper()
        assert " must be " in said
    kinds = {type(msgspec.json.decode(v)) for v in ('"10"', "5", "true") if v not in refusals_of}
    assert len(kinds) <= 1, kinds


def test_a_number_in_quotes_is_told_so(tmp_path: Path) -> None:
    text = SETTINGS.replace("[vault]", '[vault]\nattempt_limit = "10"')
    (said,) = refused(tmp_path, text)
    assert said.endswith('a whole number from 1 to 1000, not "10": write it without quotes')
    assert load(tmp_path, SETTINGS, VAULT_ATTEMPT_LIMIT="10").vault.attempt_limit == 10


@pytest.mark.parametrize("url", ["https://[", "https://host:99999/", "https://:1/", "https://a:b/"])
def test_a_url_without_a_host_or_a_port_that_is_none(tmp_path: Path, url: str) -> None:
    text = SETTINGS.replace('jwks_file = "jwks"', "")
    (said,) = refused(tmp_path, text, ACCESS_TOKENS_JWKS_URL=url)
    assert "[access_tokens] jwks_url" in said
    assert f'must be a URL with a host, not "{url}"' in said
    (said,) = refused(tmp_path, SETTINGS, TRACES_ENDPOINT=url)
    assert f'must be a URL with a host, not "{url}"' in said


@pytest.mark.parametrize("path", ["", "  ", "a\nb", "a\0b"])
def test_a_path_that_is_none(tmp_path: Path, path: str) -> None:
    written = msgspec.json.encode(path).decode()
    text = SETTINGS.replace('path = "vault.db"', f"path = {written}")
    (said,) = refused(tmp_path, text)
    assert said.startswith("[store] path (STRONGROOM_VAULT_STORE_PATH) must be a path, not ")


def test_a_table_that_is_none_and_a_variable_for_it(tmp_path: Path) -> None:
    text = "store = 3\n" + SETTINGS.replace('[store]\npath = "vault.db"', "")
    assert refused(tmp_path, text, STORE_PATH="x") == ["[store] must be a table, not a number"]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "", TOKEN_WORKERS="0")
    assert len(said) == 10
    assert all(line.startswith("[") for line in said)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{SETTINGS}\n[unended\n".encode(), "not TOML: Expected .* line 18"),
        (b'[vault]\nid = "\xff"\n', "not UTF-8 .line 2"),
        (SETTINGS.encode("utf-16"), "not UTF-8"),
        (b"a = " + b"[" * 5000, "nested too deep"),
        (b"a = " + b"9" * 5000, "too many digits"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: bytes, problem: str) -> None:
    (said,) = refused(tmp_path, text)
    assert re.search(problem, said)


def test_a_file_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there are no settings at") as caught:
        loading.load(tmp_path / "none", {})
    assert "STRONGROOM_VAULT_CONFIG" in caught.value.hint
    with pytest.raises(OperatorError, match=r"cannot read the settings .*: Is a directory"):
        loading.load(tmp_path, {})


def test_what_an_editor_or_a_file_adds_does_not_matter(tmp_path: Path) -> None:
    settings = load(
        tmp_path, "\ufeff" + SETTINGS, VAULT_ID=" v.test\n", VAULT_BACK_OFF_S="30, 120,"
    )
    assert settings.vault.id == "v.test"
    assert settings.vault.back_off_s == (30, 120)


def test_every_type_of_a_setting_has_words() -> None:
    for section in msgspec.structs.fields(config.Settings):
        for field in msgspec.structs.fields(section.type):
            words = refusals.allowed(field.type)
            assert "None" not in words
            assert words != "text" or field.name == "issuer"
