"""What Authelia has stored: second factors, subjects, consents, sessions; every secret column encrypted."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

from tests.lab.makers import authelia_schema, family
from tests.lab.makers.authelia_grants import Grant
from tests.lab.makers.authelia_keys import cose_key
from tests.lab.makers.authelia_storage import Storage, text
from tests.lab.makers.tree import Value

RELEASES = {15: "v4.38.10", 22: "v4.39.1", 23: "v4.39.13", 24: "v4.39.20"}
"""The last schema of each release that this install went through."""
TOTP_USERS = family.FAMILY[:4]
KEY_USERS = family.FAMILY[:2]


def fill(storage: Storage) -> None:
    """Add every row; the subjects go before what refers to them."""
    _migrations(storage)
    storage.database.insert("encryption", None, "check", storage.cipher.encrypt(storage.uuid().encode()))
    storage.database.insert(
        "encryption", None, "hmac_key_otc", storage.cipher.encrypt(storage.cipher.one_time_code_key)
    )
    storage.database.insert(
        "encryption", None, "hmac_key_otp", storage.cipher.encrypt(storage.cipher.totp_history_key)
    )
    _logins(storage)
    _second_factors(storage)
    _codes(storage)
    _caches(storage)
    for person in family.OIDC_USERS:
        storage.database.add(
            "user_opaque_identifier",
            service="openid",
            sector_id="",
            username=person.username,
            identifier=person.subject,
        )
        for client in family.OIDC_CLIENTS:
            Grant(storage, person, client).fill()
    for _ in range(2):
        storage.database.add(
            "oauth2_blacklisted_jti", signature=storage.rng.randbytes(32).hex(), expires_at=text(family.LONG_AFTER)
        )


def _migrations(storage: Storage) -> None:
    upgrades = sorted(family.before(storage.rng, 900, 100) for _ in RELEASES)
    for version in range(authelia_schema.VERSION):
        position, release = next(
            (number, name) for number, (last, name) in enumerate(RELEASES.items()) if version < last
        )
        applied = upgrades[position] + timedelta(milliseconds=3 * version)
        storage.database.insert("migrations", None, text(applied), version, version + 1, release)


def _logins(storage: Storage) -> None:
    for moment in sorted(family.before(storage.rng, 120) for _ in range(80)):
        person = storage.rng.choice(family.FAMILY)
        host = storage.rng.choice((family.RECIPES_HOST, family.WISHES_HOST, family.MEDIA_HOST))
        storage.database.add(
            "authentication_logs",
            time=text(moment),
            successful=storage.rng.random() < 0.9,
            banned=False,
            username=person.username,
            auth_type=storage.rng.choice(("1FA", "1FA", "TOTP", "WebAuthn")),
            remote_ip=storage.address(),
            request_uri=f"https://{host}/",
            request_method="GET",
        )
    banned = family.before(storage.rng, 90, 30)
    ban: dict[str, Value] = {"time": text(banned), "expires": text(banned + timedelta(minutes=5)), "revoked": True}
    storage.database.add(
        "banned_user", username="farfar", source="regulation", reason="Exceeding Maximum Retries", **ban
    )
    storage.database.add("banned_ip", ip="203.0.113.44", source="cli", reason="password spraying", **ban)


def _second_factors(storage: Storage) -> None:
    for person in family.FAMILY:
        method = "webauthn" if person in KEY_USERS else "totp"
        storage.database.add("user_preferences", username=person.username, second_factor_method=method)
    for person in TOTP_USERS:
        _totp(storage, person)
    for person in KEY_USERS:
        user_id = base64.b64encode(storage.rng.randbytes(48)).decode()
        storage.database.add("webauthn_users", rpid=family.AUTH_HOST, username=person.username, userid=user_id)
        for description in ("Yubikey", "Phone"):
            _credential(storage, person, description)


def _totp(storage: Storage, person: family.Person) -> None:
    """A configuration, and the last three steps that were used."""
    created, used = family.before(storage.rng, 600, 300), family.before(storage.rng, 30)
    storage.database.add(
        "totp_configurations",
        created_at=text(created),
        last_used_at=text(used),
        username=person.username,
        issuer=family.DOMAIN,
        secret=storage.cipher.encrypt(base64.b32encode(storage.rng.randbytes(20))),
    )
    for back in range(3):
        step = int(used.timestamp()) // 30 - back
        storage.database.add(
            "totp_history",
            created_at=text(used - timedelta(seconds=30 * back)),
            username=person.username,
            step=storage.cipher.totp_history_signature(person.username, step),
        )


def _credential(storage: Storage, person: family.Person, description: str) -> None:
    phone = description == "Phone"
    attestation = {
        "clientDataJSON": base64.b64encode(storage.rng.randbytes(90)).decode(),
        "clientDataHash": base64.b64encode(storage.rng.randbytes(32)).decode(),
        "authenticatorData": base64.b64encode(storage.rng.randbytes(164)).decode(),
        "publicKeyAlgorithm": -7,
        "object": base64.b64encode(storage.rng.randbytes(200)).decode(),
    }
    storage.database.add(
        "webauthn_credentials",
        created_at=text(family.before(storage.rng, 500, 300)),
        last_used_at=text(family.before(storage.rng, 20)),
        rpid=family.AUTH_HOST,
        username=person.username,
        description=description,
        kid=base64.b64encode(storage.rng.randbytes(32)).decode(),
        aaguid=storage.uuid(),
        attestation_type="none",
        attachment="platform" if phone else "cross-platform",
        transport="internal,hybrid" if phone else "usb,nfc",
        sign_count=0 if phone else storage.rng.randrange(5, 400),
        discoverable=phone,
        present=True,
        verified=True,
        backup_eligible=phone,
        backup_state=phone,
        public_key=storage.cipher.encrypt(cose_key(storage.rng)),
        attestation=storage.cipher.encrypt(json.dumps(attestation).encode()) if phone else None,
        attestation_format="none" if phone else None,
    )


def _codes(storage: Storage) -> None:
    for person in family.FAMILY[:3]:
        issued, intent = family.before(storage.rng, 60), "use"
        code = "".join(storage.rng.choices("ABCDEFGHJKLMNPQRSTUVWYXZ2345679", k=8)).encode()
        storage.database.add(
            "one_time_code",
            public_id=storage.uuid(),
            signature=storage.cipher.one_time_code_signature(person.username, intent, code),
            issued=text(issued),
            issued_ip=storage.address(),
            expires=text(issued + timedelta(minutes=5)),
            username=person.username,
            intent=intent,
            consumed=text(issued + timedelta(seconds=40)),
            consumed_ip=storage.address(),
            code=storage.cipher.encrypt(code),
        )
        storage.database.add(
            "identity_verification",
            jti=storage.uuid(),
            iat=text(issued),
            issued_ip=storage.address(),
            exp=text(issued + timedelta(minutes=5)),
            username=person.username,
            action="ResetPassword",
            consumed=text(issued + timedelta(minutes=2)),
            consumed_ip=storage.address(),
        )


def _caches(storage: Storage) -> None:
    """One entry as it is, which is how the metadata of authenticators is kept, and one encrypted."""
    moment = text(family.before(storage.rng, 3))
    for name, encrypted in (("mds3", False), ("passkeys", True)):
        value = base64.urlsafe_b64encode(storage.rng.randbytes(900))
        storage.database.add(
            "cached_data",
            created_at=moment,
            updated_at=moment,
            name=name,
            encrypted=encrypted,
            value=storage.cipher.encrypt(value) if encrypted else value,
        )
