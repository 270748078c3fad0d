"""The seven services of a homelab, all proven, with believable values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backupcheck.result import CheckResult, Finding, Outcome, Proof, Scalar, check_result

STARTED = datetime(2026, 3, 14, 3, 30, tzinfo=UTC)
SNAPSHOT = "9f2c41e7b0d85a6634cf1e92a7738d40be5c6f1902d4a8e3771b0c95e6fd2a18"


def passed(id: str, subject: str, expected: Scalar, message: str = "as it must be") -> Finding:
    """A finding that passed: what was expected is what was found."""
    return Finding(
        id=id, outcome=Outcome.PASS, subject=subject, expected=expected, actual=expected, message=message
    )


def _sealed(service: str, files: int, seconds: float) -> CheckResult:
    findings = (
        passed("seal.file-missing", f"/opt/{service}", files, "every file of the seal is there"),
        passed("seal.file-extra", f"/opt/{service}", 0, "no file that the seal does not know"),
        passed("seal.content-changed", f"/opt/{service}", f"{files} digests", "every digest is the source's"),
        passed("seal.mode-changed", f"/opt/{service}", f"{files} modes", "every mode and owner is the source's"),
    )
    return check_result("seal", "seal", findings, seconds)


def _sqlite(path: str, tables: dict[str, int], seconds: float) -> CheckResult:
    findings = [passed("sqlite.corrupt", path, "ok", "every page and index is well-formed")]
    findings += [
        passed("sqlite.rows", f"{path} table {name}", rows, "as many rows") for name, rows in tables.items()
    ]
    findings.append(passed("sqlite.foreign-key", path, 0, "no row refers to one that is not there"))
    return check_result("sqlite", f"sqlite {path}", findings, seconds)


def _secret(path: str) -> CheckResult:
    return check_result(
        "secret",
        f"secret {path}",
        (
            passed("secret.missing", path, "present", "the secret is there"),
            passed("secret.mode", path, "0600", "only its owner can read it"),
            passed("secret.placeholder", path, "no placeholder", "it is not the value of the example file"),
        ),
        0.02,
    )


def _certificates(names: tuple[str, ...]) -> CheckResult:
    folder = "/var/lib/caddy/.local/share/caddy/certificates/local"
    findings = []
    for name in names:
        findings.append(
            passed("certificate.key-mismatch", f"{folder}/{name}", "pair", "the key is the certificate's")
        )
        findings.append(
            passed("certificate.expired", f"{folder}/{name}", "valid", "valid when the snapshot was made")
        )
    return check_result("certificate", f"certificate {folder}/*/*.crt", findings, 0.31)


def _postgres() -> CheckResult:
    dump = "/tmp/mealie_backup.sql"
    return check_result(
        "postgres",
        f"postgres {dump}",
        (
            passed("postgres.dump-truncated", dump, "trailer", "the dump ends with its trailer"),
            passed("postgres.load-failed", dump, "loaded", "loaded into an empty cluster without an error"),
            passed("postgres.rows", "table public.recipes", 100, "as many rows as at the source"),
            passed("postgres.rows", "table public.users", 3, "as many rows as at the source"),
            passed("postgres.rows", "table public.alembic_version", 1, "as many rows as at the source"),
            passed("postgres.query", "select count(*) from recipes where name is null", 0, "the query's answer"),
        ),
        6.84,
    )


def _couchdb() -> CheckResult:
    data = "/opt/couchdb/data"
    return check_result(
        "couchdb",
        f"couchdb {data}",
        (
            passed("couchdb.shard-missing", f"{data}/shards", 16, "every shard of the map has its file"),
            passed("couchdb.documents", "database obsidian", 2418, "as many documents as at the source"),
            passed("couchdb.attachment-damaged", "database obsidian", 0, "every attachment has its digest"),
        ),
        3.3,
    )


def _proof(service: str, about: str, files: int, size: int, checks: tuple[CheckResult, ...]) -> Proof:
    """A proof of the homelab's snapshot with believable times."""
    return Proof(
        service=service,
        about=about,
        snapshot=SNAPSHOT,
        snapshot_time=STARTED - timedelta(hours=2, minutes=14),
        engine="lxc",
        isolation="no network, unprivileged",
        scratch="in memory",
        seconds={
            "restore": round(0.4 + size / 60e6, 2),
            "box": 1.18,
            "checks": round(sum(check.seconds for check in checks), 2),
        },
        files=files,
        bytes=size,
        checks=checks,
    )


def services() -> dict[str, Proof]:
    """Each service's proof by its name."""
    proofs = (
        _proof(
            "lldap",
            "User directory",
            14,
            3_482_112,
            (
                _sealed("lldap", 14, 0.11),
                _sqlite("/var/lib/lldap/users.db", {"users": 23, "groups": 7, "memberships": 61}, 0.21),
                _secret("/etc/lldap/private_key"),
            ),
        ),
        _proof(
            "authelia",
            "Single sign-on",
            9,
            1_927_168,
            (
                _sealed("authelia", 9, 0.08),
                _sqlite(
                    "/var/lib/authelia/db.sqlite3", {"totp_configurations": 11, "webauthn_credentials": 6}, 0.17
                ),
                _secret("/etc/authelia/secrets/storage_encryption_key"),
            ),
        ),
        _proof(
            "mealie",
            "Recipes",
            412,
            96_340_992,
            (
                _sealed("mealie", 412, 0.93),
                _postgres(),
                check_result(
                    "files",
                    "files recipes/*/images/original.webp",
                    (
                        passed(
                            "files.count", "/opt/mealie/data/recipes/*/images/original.webp", 100, "as many files"
                        ),
                    ),
                    0.05,
                ),
                _secret("/opt/mealie/data/.secret"),
            ),
        ),
        _proof(
            "wishlist",
            "Wish lists",
            131,
            38_797_312,
            (
                _sealed("wishlist", 131, 0.35),
                _sqlite("/opt/wishlist/data/prod.db", {"User": 8, "Item": 342, "_prisma_migrations": 45}, 0.28),
            ),
        ),
        _proof(
            "jellyfin",
            "Films and series",
            6_218,
            1_284_505_600,
            (
                _sealed("jellyfin", 6218, 4.87),
                _sqlite(
                    "/var/lib/jellyfin/data/jellyfin.db",
                    {"BaseItems": 18_402, "UserData": 2_911, "Users": 4},
                    3.06,
                ),
                check_result(
                    "files",
                    "files forbidden /var/cache/jellyfin",
                    (
                        passed(
                            "files.forbidden", "/var/cache/jellyfin", "absent", "the cache is not in the backup"
                        ),
                    ),
                    0.01,
                ),
            ),
        ),
        _proof(
            "caddy",
            "Web server",
            47,
            212_480,
            (
                _sealed("caddy", 47, 0.09),
                _certificates(("auth.home.arpa", "recipes.home.arpa", "vault.home.arpa")),
            ),
        ),
        _proof("vault", "Notes (CouchDB)", 86, 214_958_080, (_sealed("vault", 86, 1.2), _couchdb())),
    )
    return {each.service: each for each in proofs}
