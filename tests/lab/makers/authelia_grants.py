"""What one login to an OIDC client leaves in Authelia's storage: a consent and sessions of every kind."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from tests.lab.makers import authelia_schema, family
from tests.lab.makers.authelia_storage import Storage, text
from tests.lab.makers.tree import Value

SCOPES = "openid|profile|email|groups"


@dataclass
class Grant:
    """What one person's login to one client leaves behind: consent, and a session of each kind."""

    storage: Storage
    person: family.Person
    client: family.OidcClient

    def __post_init__(self) -> None:
        rng = self.storage.rng
        self._challenge = self.storage.uuid()
        self._request = self.storage.uuid()
        self._moment = family.before(rng, 25)
        self._form = urlencode(
            {
                "client_id": self.client.id,
                "code_challenge": self._signature(),
                "code_challenge_method": "S256",
                "nonce": rng.randbytes(12).hex(),
                "redirect_uri": self.client.redirect_uris[0],
                "response_type": "code",
                "scope": SCOPES.replace("|", " "),
                "state": rng.randbytes(12).hex(),
            }
        )

    def fill(self) -> None:
        self._consent()
        for table in authelia_schema.SESSION_TABLES:
            if table != "oauth2_device_code_session":
                self._session(table, {})
        if self.person is family.FAMILY[0]:
            device: dict[str, Value] = {
                "user_code_signature": self._signature(),
                "status": 2,
                "checked_at": self._when(),
            }
            self._session("oauth2_device_code_session", device)
            self._pushed()

    def _when(self, minutes: float = 0) -> str:
        return text(self._moment + timedelta(minutes=minutes))

    def _signature(self) -> str:
        return base64.urlsafe_b64encode(self.storage.rng.randbytes(32)).rstrip(b"=").decode()

    def _consent(self) -> None:
        preconfiguration = self.storage.database.add(
            "oauth2_consent_preconfiguration",
            client_id=self.client.id,
            subject=self.person.subject,
            created_at=self._when(),
            expires_at=text(family.LONG_AFTER),
            scopes=SCOPES,
            audience=self.client.id,
        )
        self.storage.database.add(
            "oauth2_consent_session",
            challenge_id=self._challenge,
            client_id=self.client.id,
            subject=self.person.subject,
            authorized=True,
            granted=True,
            requested_at=self._when(),
            responded_at=self._when(0.2),
            form_data=self._form,
            requested_scopes=SCOPES,
            granted_scopes=SCOPES,
            requested_audience=self.client.id,
            granted_audience=self.client.id,
            preconfiguration=preconfiguration,
            expires_at=text(family.LONG_AFTER),
        )

    def _session(self, table: str, more: dict[str, Value]) -> None:
        spent = table in ("oauth2_authorization_code_session", "oauth2_pkce_request_session")
        self.storage.database.add(
            table,
            challenge_id=self._challenge,
            request_id=self._request,
            client_id=self.client.id,
            signature=self._signature(),
            subject=self.person.subject,
            requested_at=self._when(0.3),
            requested_scopes=SCOPES,
            granted_scopes=SCOPES,
            requested_audience=self.client.id,
            granted_audience=self.client.id,
            active=not spent,
            revoked=False,
            form_data=self._form,
            session_data=self.storage.cipher.encrypt(self._session_data()),
            **more,
        )

    def _session_data(self) -> bytes:
        seconds = int(self._moment.timestamp())
        claims = {
            "iss": f"https://{family.AUTH_HOST}",
            "sub": self.person.subject,
            "aud": [self.client.id],
            "iat": seconds,
            "rat": seconds,
            "auth_time": seconds,
            "amr": ["pwd", "otp", "mfa"],
        }
        session = {
            "id_token": {
                "id_token_claims": claims,
                "headers": {"extra": {"kid": "main"}},
                "username": self.person.username,
                "subject": self.person.subject,
            },
            "challenge_id": self._challenge,
            "kid": "main",
            "client_id": self.client.id,
        }
        return json.dumps(session, separators=(",", ":")).encode()

    def _pushed(self) -> None:
        self.storage.database.add(
            "oauth2_par_context",
            signature="urn:ietf:params:oauth:request_uri:" + self._signature(),
            request_id=self.storage.uuid(),
            client_id=self.client.id,
            requested_at=self._when(-1),
            scopes=SCOPES,
            audience=self.client.id,
            handled_response_types="",
            response_mode="",
            response_mode_default="query",
            form_data=self._form,
            session_data=self.storage.cipher.encrypt(self._session_data()),
        )
