"""The story, scene by scene."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_vault.demo import screen, stolen
from strongroom_vault.demo.people import Device
from strongroom_vault.demo.programs import ATTEMPTS, check, operate, shell
from strongroom_vault.demo.throwaway import VAULT_ID, make_vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from strongroom_vault.demo.throwaway import ThrowAwayVault

FILE_SIZE: Final = 64 * 1024 * 1024
ACCOUNT: Final = "alice"
PASSWORD: Final = "seven brown foxes under one roof"
MISTYPED: Final = "seven brown foxes under one rof"
GUESSES: Final = ("password1", "alice1990", "letmein")
WRONG_PASSWORD: Final = 3
KEY_DESTROYED: Final = 4


@dataclass(slots=True)
class Story:
    """What the scenes hand on to each other.

    Attributes:
        folder: everybody's folders are in it.
        vault: the vault of the story.
        digits: Alice's 64-digit key, as she wrote it down.
    """

    folder: Path
    vault: ThrowAwayVault
    digits: str = ""

    def device(self, name: str) -> Device:
        """Return a device, as its owner left it."""
        return Device.at(self.folder / name)

    def signed_in(self, name: str) -> Device:
        """Return a device with a fresh access token of Alice's account."""
        device = self.device(name)
        device.sign_in(self.vault, ACCOUNT)
        return device


def play(folder: Path, vault: ThrowAwayVault) -> None:
    """Play every scene.

    Args:
        folder: an empty one, for all that there is in the story.
        vault: that of the story, still to be made.

    Raises:
        OperatorError: a step went wrong.
        OSError: the disk is full, or stdout takes no more.
    """
    story = Story(folder, vault)
    screen.tell(
        "A person protects a backup with a password, loses her phone, and gets everything back with"
        " that password alone. Thieves get nothing. Behind each $ stands a real command with what"
        ' it prints, and after "types" what somebody enters when it asks.'
    )
    for number, (title, scene) in enumerate(SCENES, start=1):
        screen.scene(number, len(SCENES), title)
        scene(story)
    vault.stop()


def start_a_vault(story: Story) -> None:
    """Token, TLS, issuer, keys: all that an operator needs."""
    screen.tell(
        "Its keys are made in a token, which never gives them away: an HSM, or SoftHSM, as here,"
        " which is one in software."
    )
    story.vault.make()
    story.vault.start()
    screen.output("serving")


def protect_a_backup(story: Story) -> None:
    """A key, a password, an encrypted file, and a note on paper."""
    screen.tell(
        f"On her phone Alice has {FILE_SIZE // 2**20} MiB of chats; the application knows the"
        " invite, and gives her an access token. She chooses a password, makes a backup for the"
        " cloud, and writes the 64-digit key down."
    )
    phone = story.signed_in("phone")
    with (phone.folder / "chats.db").open("wb") as chats:
        for _ in range(FILE_SIZE // 2**20):
            chats.write(os.urandom(2**20))
    phone.run("enable", typed=PASSWORD)
    phone.run("backup", "chats.db")
    story.digits = " ".join(phone.run("show-key").split())


def lose_the_phone(story: Story) -> None:
    """The password alone brings the backup back; a slip of the finger costs one attempt."""
    screen.tell(
        "The phone falls into a lake. On a new one Alice has the backup from the cloud and her"
        " password, which she mistypes first."
    )
    lost, original = story.folder / "phone", story.folder / "original"
    new_phone = story.signed_in("new-phone")
    original.mkdir()
    (lost / "chats.db").rename(original / "chats.db")  # the demo keeps it to compare
    (lost / "chats.db.age").rename(new_phone.folder / "chats.db.age")
    shutil.rmtree(lost)
    new_phone.run("restore", "chats.db.age", typed=MISTYPED, exit_code=WRONG_PASSWORD)
    new_phone.run("restore", "chats.db.age", typed=PASSWORD)
    _compare(new_phone)


def steal_the_database(story: Story) -> None:
    """The file has nothing to read, and without the vault's token nothing to guess at."""
    screen.tell(
        "The vault's nightly copy of its database is stolen. The thief searches it, then tries to"
        " use it with a token of his own."
    )
    operate(story.vault.folder, "backup", "../nightly.db")
    copy = story.folder / "nightly.db"
    screen.act("thief", "searches every byte of nightly.db")
    data, searched = copy.read_bytes(), _worth_stealing(story.digits)
    for name, wanted in searched.items():
        screen.output(f"{name:<28}{'found' if wanted in data else 'not there'}")
    are_there = [wanted in data for wanted in searched.values()]
    check(are_there == [True, False, False, False], "the database gives something away")
    screen.act("thief", "reads every row of nightly.db")
    for name, says in stolen.rows(copy):
        screen.output(f"{name:<17}{says}")
    make_vault(story.folder / "thief-vault")
    operate(story.folder / "thief-vault", "restore", "../nightly.db", "--older", exit_code=1)
    screen.tell(
        "He learns how many keys there are, and when each was tried, but not whose they are. Even"
        " the right password opens nothing here: only the vault's own token can test a guess."
    )


def guess_the_password(story: Story) -> None:
    """Each wrong guess is counted before it is answered."""
    screen.tell(
        "So he must ask the vault. He steals an access token, too: the application gives one to"
        " whoever logs in, and it tells the vault whose key is meant. The vault counts each guess"
        f" before it answers, and allows {ATTEMPTS} in a row (10 unless its operator chooses"
        " otherwise)."
    )
    thief = story.signed_in("thief")
    for guess in GUESSES[: ATTEMPTS - 1]:
        thief.run("show-key", typed=guess, exit_code=WRONG_PASSWORD)


def put_an_old_database_back(story: Story) -> None:
    """The token remembers the newest commit: an older database is not served."""
    screen.tell(
        "One attempt is left. To win the others back, an accomplice stops the vault and puts the"
        " nightly copy in place, in which they were not spent yet."
    )
    vault = story.vault
    vault.stop()
    shell(vault.folder, "mv vault.db newest.db && cp ../nightly.db vault.db")
    vault.start()
    problem = next(
        (event["problem"] for event in vault.events() if event["event"] == "rollback detected"), ""
    )
    check(problem != "", "the vault serves an old database")
    screen.output(f"rollback detected: {problem}")
    story.signed_in("thief").run("show-key", typed=GUESSES[-1], exit_code=1)
    operate(vault.folder, "anchor", "show", exit_code=1)
    screen.tell("The token remembers the newest commit. The operator puts things right again.")
    vault.stop()
    shell(vault.folder, "mv newest.db vault.db")
    vault.start()
    screen.output("serving")


def spend_the_last_attempt(story: Story) -> None:
    """The key is destroyed, for its owner too."""
    screen.tell("The count is what it was. The thief takes the last guess.")
    story.signed_in("thief").run("show-key", typed=GUESSES[-1], exit_code=KEY_DESTROYED)
    screen.tell("The key is gone from the vault: the right password does not bring it back either.")
    laptop = story.signed_in("laptop")
    laptop.run("show-key", typed=PASSWORD, exit_code=KEY_DESTROYED)


def open_it_with_the_digits(story: Story) -> None:
    """The 64 digits open the backup without a vault."""
    screen.tell("Alice still has her new phone, which keeps the key, and her note on paper.")
    story.signed_in("new-phone").run("status")
    screen.tell("The 64 digits open the backup on any computer, without a vault.")
    new_phone, anywhere = story.folder / "new-phone", story.device("library")
    (new_phone / "chats.db").unlink()  # for the room that it takes
    (new_phone / "chats.db.age").rename(anywhere.folder / "chats.db.age")
    anywhere.run("restore", "chats.db.age", "--digits", typed=story.digits)
    _compare(anywhere)


SCENES: Final[tuple[tuple[str, Callable[[Story], None]], ...]] = (
    ("An operator starts a vault", start_a_vault),
    ("Alice protects her backup", protect_a_backup),
    ("She loses her phone", lose_the_phone),
    ("A thief steals the vault's database", steal_the_database),
    ("He guesses with a stolen access token", guess_the_password),
    ("An old database is put back", put_an_old_database_back),
    ("The last attempt destroys the key", spend_the_last_attempt),
    ("The 64 digits still open the backup", open_it_with_the_digits),
)


def _worth_stealing(digits: str) -> dict[str, bytes]:
    """What the thief searches for. The first is there, and shows that the search works."""
    return {
        f"the vault's id, {VAULT_ID}": VAULT_ID.encode(),
        f"an account, {ACCOUNT}": ACCOUNT.encode(),
        "her password": PASSWORD.encode(),
        "her backup key": bytes.fromhex(re.sub("[^0-9a-f]", "", digits)[:64]),
    }


def _compare(device: Device) -> None:
    """What was restored is what was backed up."""
    check((device.folder / "chats.db").stat().st_size == FILE_SIZE, "the file has another size")
    shell(device.folder, "cmp chats.db ../original/chats.db && echo the same, byte for byte")
