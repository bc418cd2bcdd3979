"""What every error has: a sentence that a terminal may show, a hint, and what the call was."""

from __future__ import annotations

from strongroom_protocol.errors import StrongroomError


class Lost(StrongroomError):
    """An error as the packages define them."""

    message = "It is lost."
    hint = "Look for it."


def test_an_error_is_its_message_or_the_detail_that_it_is_given() -> None:
    assert str(Lost()) == "It is lost."
    assert str(Lost("The key is lost.")) == "The key is lost."
    assert str(StrongroomError()) == "Something went wrong."
    assert (Lost().hint, StrongroomError().hint) == ("Look for it.", "")


def test_a_terminal_obeys_no_error() -> None:
    assert str(Lost("red \x1b[31m\nnext")) == "red \\x1b[31m\nnext"


def test_what_is_found_out_later_is_of_one_error_alone() -> None:
    error = Lost()
    assert (error.request_id, error.follows_lost_answer) == ("", False)
    error.request_id, error.follows_lost_answer = "0123456789abcdef", True
    assert (Lost().request_id, Lost().follows_lost_answer) == ("", False)
