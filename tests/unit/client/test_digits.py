"""What a person would read as the same digits is the same digits."""

from __future__ import annotations

import pytest

from strongroom import BackupKey, BadDigits

KEY = BackupKey(bytes(range(0xC0, 0xE0)))
TEXT = "0123456789abcdef"


@pytest.mark.parametrize(
    "between",
    [
        *"\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d-",
        *"\u00a0\u2007\u2009\u202f\u3000\t",
        *"\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u202a",
        *".,:;/_\u00b7\u2022",
        " - ",
        " \u2013 ",
        ". ",
        "\r\n",
        "",
    ],
)
def test_whatever_stands_between_the_groups(between: str) -> None:
    assert BackupKey.from_digits(KEY.digits.replace(" ", between)) == KEY


def test_four_lines() -> None:
    groups = KEY.digits.split()
    lines = "\n".join("  " + " ".join(groups[at : at + 4]) for at in range(0, 16, 4))
    assert BackupKey.from_digits(f"\n{lines}\n\n") == KEY


@pytest.mark.parametrize(
    "written",
    [
        "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff41\uff42\uff43\uff44\uff45\uff46",
        "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669abcdef",
        "\u06f0\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6\u06f7\u06f8\u06f9abcdef",
        "\u0966\u0967\u0968\u0969\u096a\u096b\u096c\u096d\u096e\u096fabcdef",
        "\U0001d7ce\U0001d7cf23456789abcdef",
        "Ol23456789ABCDEF",
        "oI23456789abcdef",
        "0123456789\u0430b\u0441d\u0435f",
        "0123456789\u0410\u0412\u0421D\u0415F",
        "0\ufe0f\u20e3123456789abcdef",
    ],
)
def test_whatever_keyboard_wrote_them(written: str) -> None:
    assert BackupKey.from_digits(written * 4) == BackupKey.from_digits(TEXT * 4)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (TEXT * 3 + TEXT[1:], "it has 63 digits, and 64 are needed"),
        (TEXT * 4 + "0", "it has 65 digits"),
        ("", "it has 0 digits"),
        ("g" + TEXT, "U+0067 LATIN SMALL LETTER G (g)"),
        ("\u00e1" + TEXT, "U+00E1"),
        ("\u00bd" + TEXT, "U+00BD"),
        ("\x1b" + TEXT, "U+001B ESCAPE"),
        ("\ud800" + TEXT, "U+D800 half a character"),
    ],
)
def test_what_is_no_key_is_said(written: str, named: str) -> None:
    with pytest.raises(BadDigits) as raised:
        BackupKey.from_digits(written)
    assert named in str(raised.value)
    assert str(raised.value).isprintable()
