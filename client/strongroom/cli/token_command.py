"""Access tokens from a command of the person's application.

The command runs without a shell, in this terminal's foreground, so that it can ask a person on
/dev/tty. Its stderr is shown; its stdout is the token. It has a time limit, and runs again shortly
before its token expires.
"""

from __future__ import annotations

import json
import os
import selectors
import shlex
import subprocess
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Final

from strongroom.access_tokens import decoded
from strongroom.errors import NotAnAccessToken
from strongroom_protocol.errors import StrongroomError

MAX_TOKEN: Final = 64 * 1024
TIMEOUT_S: Final = 60.0
"""A person may have to sign in meanwhile."""
MAX_LIFETIME_S: Final = 900.0
"""Of an access token (2.5)."""
MARGIN_S: Final = 30.0
"""Seconds before its end at which a token is renewed: it must still be valid when it arrives."""
LOOK_S: Final = 0.05
"""Seconds between checks whether a command that leaves its stdout open has ended."""
_NOT_FOUND: Final = 127
_NOT_STARTED: Final = 126


class BadTokenCommand(StrongroomError):
    """The text names no command."""

    hint = (
        "Name a program and its arguments: --access-token-command 'sign-in --print-token'. No shell"
        " reads it; if you need one: --access-token-command 'sh -c \"...\"'."
    )


class TokenCommandFailed(StrongroomError):
    """The command gave no access token.

    `exit_code` is the command's: 128 + n after signal n, 127 if it was not found, 126 if it could
    not be started, None if it did not end in time or printed no token.
    """

    hint = (
        "Run the command by itself and see what it prints: it must be one access token. No shell"
        " reads it here; a pipe or a variable needs sh -c '...'."
    )

    def __init__(self, program: str, problem: str, exit_code: int | None = None) -> None:
        super().__init__(f"The command for access tokens, {program}, {problem}.")
        self.exit_code = exit_code


class TokenCommand:
    """A command that prints access tokens; each is used until shortly before it expires.

    Args:
        text: the command as in a shell, but with quotes as the only syntax.
        timeout: seconds that it may take.
    """

    def __init__(self, text: str, timeout: float = TIMEOUT_S) -> None:
        try:
            self._words = shlex.split(text)
        except ValueError as error:
            raise BadTokenCommand(f"--access-token-command cannot be read: {error}.") from error
        if not self._words or "\0" in text:
            raise BadTokenCommand("--access-token-command names no program.")
        self._timeout = timeout
        self._token = ""
        self._good_until = 0.0
        self._failure: TokenCommandFailed | None = None

    def __call__(self) -> str:
        """Return an access token.

        Raises:
            TokenCommandFailed: the command printed none, now or earlier: it runs once then, for a
                person may have been asked something.
        """
        if self._failure is not None:
            raise self._failure
        if time.time() >= self._good_until:
            self._token = self._checked(self._run())
            self._good_until = time.time() + _lifetime(self._token) - MARGIN_S
        return self._token

    def renew(self) -> None:
        """Do not return the last token again: the vault says that it has expired."""
        self._good_until = 0.0

    def _run(self) -> bytes:
        try:
            process = subprocess.Popen(  # noqa: S603 -- the person's own command
                self._words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
            )
        except OSError as error:
            code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_STARTED
            raise self._failed(f"cannot be run: {error.strerror}", code) from error
        with process:
            return self._answer(process, time.monotonic() + self._timeout)

    def _answer(self, process: subprocess.Popen[bytes], ends_at: float) -> bytes:
        """Return what it printed, once it has ended with exit code 0."""
        try:
            printed = self._printed(process, ends_at)
            code = process.wait(max(0.0, ends_at - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"did not end within {self._timeout:.0f} s") from error
        finally:
            process.kill()
        if code != 0:
            code = code if code > 0 else 128 - code
            raise self._failed(f"ended with exit code {code}", code)
        return printed

    def _printed(self, process: subprocess.Popen[bytes], ends_at: float) -> bytes:
        if process.stdout is None:
            raise RuntimeError("stdout is a pipe")
        printed = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < ends_at:
                if not selector.select(LOOK_S):
                    if process.poll() is None:
                        continue
                    return printed  # a background process of its may hold the pipe open
                some = os.read(process.stdout.fileno(), MAX_TOKEN)
                printed += some
                if not some:
                    return printed
                if len(printed) > MAX_TOKEN:
                    raise self._failed("prints too much to be an access token")
        raise subprocess.TimeoutExpired(self._words, self._timeout)

    def _checked(self, printed: bytes) -> str:
        try:
            return decoded(printed)
        except NotAnAccessToken as error:
            raise self._failed(f"prints no access token: {str(error).rstrip('.')}") from None

    def _failed(self, problem: str, exit_code: int | None = None) -> TokenCommandFailed:
        """Name the program alone: its arguments may hold secrets."""
        self._failure = TokenCommandFailed(self._words[0], problem, exit_code)
        return self._failure


def token_command(text: str) -> TokenCommand:
    """Return the command of this text; everyone shares it, its token while valid, its failure."""
    command = TokenCommand(text)
    return _shared.setdefault(portable(text), command)


_shared: dict[str, TokenCommand] = {}


def portable(text: str) -> str:
    """Return a command that means the same in every folder."""
    words = shlex.split(text)
    if "/" in words[0]:
        words[0] = str(Path(words[0]).absolute())
    return shlex.join(words)


def _lifetime(token: str) -> float:
    """Return for how many seconds a token is valid from now on, 0 if it does not say.

    Counted from its `iat` if it has one, so that this device's clock need not agree with the
    issuer's.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return min(MAX_LIFETIME_S, float(claims["exp"] - claims.get("iat", time.time())))
    except (
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
        OverflowError,
    ):
        return 0.0
