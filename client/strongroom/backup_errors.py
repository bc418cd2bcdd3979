"""What is wrong with digits, keys and backup files."""

from __future__ import annotations

from strongroom_protocol.errors import StrongroomError


class BadDigits(StrongroomError):
    """The text is not a 64-digit key."""

    message = "This is not a 64-digit key."
    hint = "It has 64 digits from 0 to 9 and a to f; spaces do not count."


class NotABackup(StrongroomError):
    """The file is not an age file."""

    message = "This file is not an encrypted backup."
    hint = "Backups are age files, as BackupKey.encrypt_file writes them."


class WrongKey(StrongroomError):
    """The backup was made with another key."""

    message = "This key does not open this backup."
    hint = "It was made with another backup key, or its beginning was changed."


class BackupDamaged(StrongroomError):
    """The backup is cut off or was changed."""

    message = "This backup is damaged: it is cut off or was changed."
    hint = "Nothing was restored. Fetch the backup again, or use an older one."


class OutputExists(StrongroomError):
    """There is a file already where the output should go."""

    hint = "Choose another path, or remove this file."

    def __init__(self, path: object) -> None:
        super().__init__(f"{path} already exists.")
