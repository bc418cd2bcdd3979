"""The base of every error that an application or a person may see."""

from __future__ import annotations

from typing import ClassVar

from strongroom_protocol.terminal.printable import printable_lines


class StrongroomError(Exception):
    """Base of the errors of client and protocol.

    `str(error)` is a sentence for a person, `hint` what to do next.
    """

    message: ClassVar[str] = "Something went wrong."
    hint: str = ""
    request_id: str = ""
    """How the vault's log names the call that was refused: 16 hexadecimal digits, or nothing."""
    follows_lost_answer: bool = False
    """An earlier try of the same request got no answer, and may have had its effect."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(printable_lines(detail or self.message))
