"""Access tokens from a command that an application plugs in: run, bounded, and asked again in time.

It is run without a shell, in this terminal's foreground, so that it may ask a person on /dev/tty;
what it says on stderr is shown. One token on stdout is its answer.
"""

from __future__ import annotations

import json
import os
import selectors
import shlex
import subprocess
import time
from base64 import urlsafe_b64decode
from functools import cache
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
"""A token is not used in the last seconds of its life: it must still be good when it arrives."""
LOOK_S: Final = 0.05
"""How often to look whether a command has ended that does not close its stdout."""
_NOT_FOUND: Final = 127
_NOT_STARTED: Final = 126


class BadTokenCommand(StrongroomError):
    """The text names no command."""

    hint = "Write it as in a shell, for example --access-token-command 'sign-in --print-token'."


class TokenCommandFailed(StrongroomError):
    """The command gave no access token.

    `exit_code` is its own, 128 + n after signal n, 127 where it was not found, 126 where it could
    not be started, None where it did not come to its end or its answer is no token.
    """

    hint = "Run the command by itself and see what it says; it must print one access token."

    def __init__(self, program: str, problem: str, exit_code: int | None = None) -> None:
        super().__init__(f"The command for access tokens, {program}, {problem}.")
        self.exit_code = exit_code


class TokenCommand:
    """A command that prints access tokens; one that it printed is used while it is good.

    Args:
        text: the command as in a shell, without any of a shell's other powers.
        timeout: seconds until its token must be there.
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
        self._hung: TokenCommandFailed | None = None

    def __call__(self) -> str:
        """Return an access token.

        Raises:
            TokenCommandFailed: there is none.
        """
        if self._hung is not None:
            raise self._hung  # who goes on without a token waits once
        if time.time() >= self._good_until:
            self._token = self._checked(self._run())
            self._good_until = time.time() + _lifetime(self._token) - MARGIN_S
        return self._token

    def renew(self) -> None:
        """Do not give the last token again: the vault says that it has expired."""
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
        """Return what it prints, once it has ended well."""
        try:
            printed = self._printed(process, ends_at)
            code = process.wait(max(0.0, ends_at - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            self._hung = self._failed(f"did not end within {self._timeout:.0f} s")
            raise self._hung from error
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
                    return printed  # what it left in the background has nothing to say
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
        """Its arguments may hold secrets, its name does not."""
        return TokenCommandFailed(self._words[0], problem, exit_code)


@cache
def token_command(text: str) -> TokenCommand:
    """Return the one for this text: whoever asks next gets the same token while it is good."""
    return TokenCommand(text)


def portable(text: str) -> str:
    """Return a command that means the same in every folder."""
    words = shlex.split(text)
    if "/" in words[0]:
        words[0] = str(Path(words[0]).absolute())
    return shlex.join(words)


def _lifetime(token: str) -> float:
    """Return for how many seconds a token is good from now on, 0 where it does not say.

    Counted from `iat` where there is one: so the clock of this device need not be the issuer's.
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
