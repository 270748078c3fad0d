"""LLDAP's faults: each way in which its key and its database can part, and healthy installs of every kind."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from tests.faults.restored import messages_of_tests, said_by_spec, said_by_tests
from tests.lab.makers import lldap

SEED = "a seed that somebody has thought of"
ORDER = 2**252 + 0x14DEF9DEA2F79CD65812631A5CF5D3ED
SEEDED = lldap.CONFIG.replace("lldap_config.toml", "lldap.env")
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lldap") / "tree"
    root.mkdir()
    lldap.make(root, random.Random(308))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A healthy LLDAP of the test's own."""
    return shutil.copytree(made, tmp_path / "tree")


def at(root: Path, path: str) -> Path:
    return root / path[1:]


def sql(*statements: str) -> Change:
    """Change the database."""

    def change(root: Path) -> None:
        with closing(sqlite3.connect(at(root, lldap.DATABASE))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return change


def key(change: Callable[[bytearray], object]) -> Change:
    """Change the key file's bytes."""

    def changed(root: Path) -> None:
        place = at(root, lldap.KEY_FILE)
        content = bytearray(place.read_bytes())
        change(content)
        place.chmod(0o600)
        place.write_bytes(content)
        place.chmod(0o400)

    return changed


def config(old: str, new: str) -> Change:
    """Change the configuration."""

    def changed(root: Path) -> None:
        place = at(root, lldap.CONFIG)
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    return changed


def seeded(root: Path, seed: str = SEED) -> None:
    """An install whose key is made of a seed, as LLDAP makes it (rand_chacha, opaque-ke)."""
    stream = Cipher(algorithms.ChaCha20(hashlib.sha256(seed.encode()).digest(), bytes(16)), None)
    wide = stream.encryptor().update(bytes(128))[64:]
    private = (int.from_bytes(wide, "little") % ORDER).to_bytes(32, "little")
    with closing(sqlite3.connect(at(root, lldap.DATABASE))) as connection:
        connection.execute("update metadata set private_key_hash = ?", (hashlib.sha256(private).digest(),))
        connection.commit()
    at(root, lldap.KEY_FILE).unlink()


def seed_in_config(root: Path) -> None:
    seeded(root)
    config("assets_path", f'key_seed = "{SEED}"\nassets_path')(root)


def seed_in_environment(root: Path) -> None:
    seeded(root)
    at(root, SEEDED).write_text(f"LLDAP_KEY_SEED='{SEED}'\n")


def seed_in_file_of_environment(root: Path) -> None:
    seeded(root)
    at(root, "/etc/lldap/seed").write_text(f"{SEED}\n")
    at(root, SEEDED).write_text("LLDAP_KEY_SEED_FILE=/etc/lldap/seed\n")


def unit(root: Path, line: str) -> None:
    """A drop-in of LLDAP's unit."""
    place = at(root, "/etc/systemd/system/lldap.service.d/local.conf")
    place.parent.mkdir(parents=True)
    place.write_text(f"[Service]\n{line}\n")


def key_elsewhere(root: Path) -> None:
    """The key file's place is named by a unit's drop-in."""
    at(root, lldap.KEY_FILE).rename(at(root, "/etc/lldap/key"))
    unit(root, 'Environment="LLDAP_KEY_FILE=/etc/lldap/key"')


def relative(root: Path) -> None:
    """The key file's place is relative to the working folder."""
    config(lldap.KEY_FILE, "private_key")(root)


def several_in_a_unit(root: Path) -> None:
    """Some variables in one line of a unit, as systemd has them."""
    seeded(root)
    unit(root, f'Environment="RUST_LOG=info" "LLDAP_KEY_SEED={SEED}" LLDAP_VERBOSE=true')


def seed_in_a_file_that_a_unit_names(root: Path) -> None:
    """A file at no usual place; what lies at one is of long ago."""
    seeded(root)
    at(root, SEEDED).write_text("LLDAP_KEY_SEED=of-long-ago\n")
    at(root, "/etc/lldap/variables").write_text(f'# the seed\nLLDAP_KEY_SEED="{SEED}"\n')
    unit(root, "EnvironmentFile=-/etc/lldap/variables")


def masked_unit(root: Path) -> None:
    """A unit that leads nowhere, for LLDAP is started by another."""
    place = at(root, "/etc/systemd/system/lldap.service")
    place.parent.mkdir(parents=True)
    place.symlink_to("/dev/null")


def no_key_file_beside_a_seed(root: Path) -> None:
    """As LLDAP's own advice has it; a key file of before lies where it would look if it were told nothing."""
    at(root, "/var/lib/lldap/server_key").write_bytes(at(root, lldap.KEY_FILE).read_bytes())
    seed_in_config(root)
    config(f'key_file = "{lldap.KEY_FILE}"', 'key_file = ""')(root)


HEALTHY: list[Change] = [
    lambda root: None,
    seed_in_config,
    seed_in_environment,
    seed_in_file_of_environment,
    key_elsewhere,
    relative,
    sql("update metadata set version = 10"),
    sql("update metadata set version = 5, private_key_hash = null, private_key_location = null"),
    sql("update metadata set version = 6", "alter table metadata drop column private_key_hash"),
    several_in_a_unit,
    seed_in_a_file_that_a_unit_names,
    masked_unit,
    no_key_file_beside_a_seed,
    sql("delete from jwt_storage", "delete from jwt_refresh_storage", "delete from user_attributes"),
    sql("update users set password_hash = null where user_id = 'jonas'"),
]


@pytest.mark.parametrize("change", HEALTHY)
def test_a_healthy_directory_of_any_kind_and_age_passes(root: Path, change: Change) -> None:
    change(root)

    assert said_by_tests("lldap", {"lldap": root}) == set()


def swap_halves(content: bytearray) -> None:
    content[64:96], content[96:128] = content[96:128], content[64:96]


def both(root: Path) -> None:
    config("assets_path", f'key_seed = "{SEED}"\nassets_path')(root)


def another_seed(root: Path) -> None:
    seed_in_config(root)
    config(SEED, "another seed")(root)


def seed_lost(root: Path) -> None:
    seed_in_file_of_environment(root)
    at(root, "/etc/lldap/seed").unlink()


def seed_and_usual(root: Path) -> None:
    """The configuration names no key file, and one lies where LLDAP looks for it all the same."""
    no_key_file_beside_a_seed(root)
    config('key_file = ""\n', "")(root)


def neither(root: Path) -> None:
    config(f'key_file = "{lldap.KEY_FILE}"', 'key_file = ""')(root)


ALL, OPRF, PRIVATE, FAKE = slice(None), slice(64), slice(64, 96), slice(96, None)
"""The parts of the key file."""


def part(where: slice, content: bytes) -> Change:
    """Change one part of the key file."""
    return key(lambda old: old.__setitem__(where, content))


OF_ADMINISTRATORS = "group_id = (select group_id from groups where display_name = 'lldap_admin')"
TWO = "user_id in ('admin', 'astrid')"
FAULTS: dict[str, tuple[Change, set[str]]] = {
    "key lost": (lambda root: at(root, lldap.KEY_FILE).unlink(), {"key-missing"}),
    "key of another install": (part(PRIVATE, b"\1" * 32), {"key-mismatch"}),
    "a bit of the key": (key(lambda old: old.__setitem__(64, old[64] ^ 1)), {"key-mismatch"}),
    "halves swapped": (key(swap_halves), {"key-mismatch"}),
    "key cut": (part(FAKE, b""), {"key-damaged"}),
    "key longer": (key(lambda old: old.extend(b"\n")), {"key-damaged"}),
    "key zeroed": (part(ALL, bytes(128)), {"key-damaged"}),
    "seed of the OPRF zeroed": (part(OPRF, bytes(64)), {"key-damaged"}),
    "no number of the group": (part(FAKE, b"\xff" * 32), {"key-damaged"}),
    "key as text": (part(ALL, b"0f" * 128), {"key-damaged"}),
    "seed and key file": (both, {"key-ambiguous"}),
    "another seed": (another_seed, {"key-mismatch"}),
    "seed's file lost": (seed_lost, {"secret-missing"}),
    "seed and key file at its usual place": (seed_and_usual, {"key-ambiguous"}),
    "neither key file nor seed": (neither, {"key-missing"}),
    "the database knows no key": (
        sql("update metadata set private_key_hash = null, private_key_location = null"),
        {"key-unverified"},
    ),
    "another's database": (sql("update metadata set private_key_hash = zeroblob(32)"), {"key-mismatch"}),
    "schema from the future": (sql("update metadata set version = 12"), {"schema-unknown"}),
    "metadata empty": (sql("delete from metadata"), {"schema-missing"}),
    "metadata twice": (sql("insert into metadata values (10, null, null)"), {"schema-missing"}),
    "metadata lost": (sql("drop table metadata"), {"schema-missing"}),
    "nobody administers": (sql(f"delete from memberships where {OF_ADMINISTRATORS}"), {"no-administrator"}),
    "administrators lost": (sql(f"delete from users where {TWO}"), {"no-administrator"}),
    "no password": (sql(f"update users set password_hash = null where {TWO}"), {"no-administrator"}),
    "a password cut": (
        sql("update users set password_hash = substr(password_hash, 1, 191) where user_id = 'maja'"),
        {"password-damaged"},
    ),
    "a password as text": (
        sql("update users set password_hash = 'secret' where user_id = 'maja'"),
        {"password-damaged"},
    ),
    "a password as text of that length": (
        sql("update users set password_hash = hex(substr(password_hash, 1, 96)) where user_id = 'maja'"),
        {"password-damaged"},
    ),
    "a password zeroed": (
        sql("update users set password_hash = zeroblob(192) where user_id = 'maja'"),
        {"password-damaged"},
    ),
    "users lost": (sql("drop table users"), {"database-damaged"}),
    "nobody has a password": (
        sql("update users set password_hash = null"),
        {"password-damaged", "no-administrator"},
    ),
    "a built-in group lost": (
        sql("delete from groups where display_name = 'lldap_strict_readonly'"),
        {"group-missing"},
    ),
    "all groups lost": (
        sql("delete from memberships", "delete from groups"),
        {"group-missing", "no-administrator"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_and_named(root: Path, fault: str) -> None:
    change, named = FAULTS[fault]
    change(root)

    assert said_by_tests("lldap", {"lldap": root}) == {f"lldap.{end}" for end in named}


@pytest.mark.parametrize("path", [lldap.CONFIG, lldap.DATABASE])
def test_without_a_file_the_tests_leave_the_word_to_the_spec(root: Path, path: str) -> None:
    at(root, path).unlink()

    said = said_by_tests("lldap", {"lldap": root})

    assert said == {"config.missing" if path == lldap.CONFIG else "sqlite.missing"}


def test_the_spec_names_a_configuration_that_does_not_parse(root: Path) -> None:
    config("[smtp_options]", "[smtp_options")(root)

    assert said_by_spec("lldap", root) - OWNERS == {"config.unparsable"}
    assert said_by_tests("lldap", {"lldap": root}) == {"config.unparsable"}


OWNERS = {"secret.owner"}
"""The makers leave the files to whoever runs the tests."""


def test_no_message_holds_a_secret(root: Path) -> None:
    another_seed(root)
    told = messages_of_tests("lldap", {"lldap": root})

    assert len(told) == 1
    assert "another seed" not in told[0]
