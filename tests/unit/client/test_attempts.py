"""KE1 from a seed: the same attempt again is the same bytes, and nothing else is."""

from __future__ import annotations

from strongroom import attempts
from strongroom.attempts import InMemory, InProcess, generate_ke1
from strongroom_protocol import labels

SEED = bytes(range(32))


def test_the_same_password_and_seed_give_the_same_ke1() -> None:
    first, session = generate_ke1(b"password", SEED)
    again, _ = generate_ke1(b"password", SEED)
    assert first.encode() == again.encode()
    assert session.ke1 == first


def test_another_password_or_seed_gives_a_ke1_that_shares_nothing() -> None:
    """Blinded element, nonce and keyshare all differ: nothing connects the two guesses."""
    first = generate_ke1(b"password", SEED)[0].encode()
    for other in (
        generate_ke1(b"passwore", SEED)[0].encode(),
        generate_ke1(b"password", SEED[::-1])[0].encode(),
    ):
        for part in (slice(0, 33), slice(33, 65), slice(65, 98)):
            assert first[part] != other[part]


def test_the_blind_of_another_password_is_another_one() -> None:
    """One blind for two passwords would let the vault compare them."""
    blinds = {generate_ke1(word, SEED)[1].blinding.encode() for word in (b"one", b"two", b"three")}
    assert len(blinds) == 3


def test_all_of_a_process_share_the_seed_of_a_password_until_it_is_decided() -> None:
    one, same = (InProcess(b"v" * 33, "alice", b"password") for _ in range(2))
    others = [
        InProcess(b"w" * 33, "alice", b"password"),
        InProcess(b"v" * 33, "alicep", b"assword"),
        InProcess(b"v" * 33, "alice", b"passwore"),
    ]
    assert one.load() is None
    one.save(SEED)
    same.save(SEED[::-1])  # too late: the first one stands
    assert same.load() == SEED
    assert [other.load() for other in others] == [None] * 3
    same.forget()
    assert one.load() is None


def test_the_oldest_of_very_many_undecided_attempts_are_forgotten() -> None:
    many = [
        InProcess(b"v" * 33, f"account {number}", b"password")
        for number in range(attempts.MOST_IN_PROCESS + 1)
    ]
    for one in many:
        one.save(SEED)
    assert many[0].load() is None
    assert many[-1].load() == SEED
    for one in many:
        one.forget()


def test_seeds_are_random_and_never_shown() -> None:
    assert attempts.new_seed() != attempts.new_seed()
    assert len(attempts.new_seed()) == labels.ATTEMPT_SEED_SIZE
    kept = InMemory()
    assert kept.load() is None
    kept.save(SEED)
    assert kept.load() == SEED
    assert SEED.hex() not in repr(kept)
    assert str(SEED) not in repr(kept)
    kept.forget()
    assert kept.load() is None
