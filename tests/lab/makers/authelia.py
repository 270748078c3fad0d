"""Authelia v4.39: its configuration (a Go template), its secrets in files, its OIDC key and its storage.

`configuration.yml` is no YAML before it is rendered. What it takes from the secret files ends in a newline
there, as `openssl rand` leaves it, and Authelia's `secret` function strips that: the storage encryption key
is the file's text without it.
"""

from __future__ import annotations

import random
import string
from pathlib import Path

from tests.lab.makers import authelia_schema, authelia_state, family
from tests.lab.makers.authelia_keys import rsa_pem
from tests.lab.makers.authelia_storage import Cipher, Storage
from tests.lab.makers.tree import Tree

CONFIG = "/etc/authelia/configuration.yml"
OIDC_KEY = "/etc/authelia/oidc.pem"
SECRETS = "/etc/authelia/secrets"
DATABASE = "/var/lib/authelia/db.sqlite3"

OWNERS: dict[str, tuple[int, int]] = {"/etc/authelia": (998, 995), "/var/lib/authelia": (998, 995)}

RANDOM_SECRETS = ("jwt_secret", "session_secret", "storage_encryption_key", "oidc_hmac_secret", "smtp_password")


def make(root: Path, rng: random.Random) -> None:
    """Write Authelia's files below `root`."""
    tree = Tree(root)
    tree.folder("/etc/authelia", 0o755)
    tree.folder(SECRETS, 0o700)
    tree.folder("/var/lib/authelia", 0o750)
    letters = string.ascii_letters + string.digits
    secrets = {name: "".join(rng.choices(letters, k=64)) for name in RANDOM_SECRETS}
    secrets["ldap_password"] = family.BIND_PASSWORD
    for name, value in secrets.items():
        tree.file(f"{SECRETS}/{name}", f"{value}\n", 0o600)
    tree.file(OIDC_KEY, rsa_pem(rng), 0o600)
    tree.file(CONFIG, _config(), 0o640)
    cipher = Cipher(secrets["storage_encryption_key"], rng)
    with tree.database(DATABASE, 0o640) as database:
        database.script(authelia_schema.statements())
        authelia_state.fill(Storage(database, rng, cipher))


def _secret(name: str) -> str:
    return f'{{{{ secret "{SECRETS}/{name}" | mindent 0 "|" | msquote }}}}'


def _config() -> str:
    return _CONFIG_HEAD + _CONFIG_PROVIDER + "".join(map(_client, family.OIDC_CLIENTS))


def _client(client: family.OidcClient) -> str:
    redirects = "\n".join(f"          - '{uri}'" for uri in client.redirect_uris)
    return f"""\
      - client_id: '{client.id}'
        client_name: '{client.name}'
        client_secret: '{client.digest}'
        public: false
        authorization_policy: 'one_factor'
        consent_mode: 'pre-configured'
        pre_configured_consent_duration: '1 month'
        require_pkce: true
        pkce_challenge_method: 'S256'
        redirect_uris:
{redirects}
        scopes:
          - 'openid'
          - 'profile'
          - 'email'
          - 'groups'
        userinfo_signed_response_alg: 'none'
        token_endpoint_auth_method: 'client_secret_basic'
"""


_CONFIG_HEAD = f"""\
---
{{{{/* Rendered by Authelia itself: X_AUTHELIA_CONFIG_FILTERS=template */}}}}
theme: 'auto'
default_2fa_method: 'totp'

server:
  address: 'tcp://:9091/'

log:
  level: 'info'
  format: 'text'

totp:
  issuer: '{family.DOMAIN}'
  algorithm: 'sha1'
  digits: 6
  period: 30

webauthn:
  disable: false
  display_name: 'Lindqvist'

identity_validation:
  reset_password:
    jwt_secret: {_secret("jwt_secret")}

authentication_backend:
  password_reset:
    disable: false
  refresh_interval: '1m'
  ldap:
    implementation: 'lldap'
    address: 'ldap://{family.LDAP_HOST}:3890'
    base_dn: '{family.BASE_DN}'
    user: '{family.BIND_USER.dn}'
    password: {_secret("ldap_password")}

access_control:
  default_policy: 'deny'
  rules:
    - domain: '{family.AUTH_HOST}'
      policy: 'bypass'
    - domain: '{family.MEDIA_HOST}'
      subject: 'group:media'
      policy: 'one_factor'
    - domain: '*.{family.DOMAIN}'
      policy: 'two_factor'

session:
  secret: {_secret("session_secret")}
  cookies:
    - domain: '{family.DOMAIN}'
      authelia_url: 'https://{family.AUTH_HOST}'
      inactivity: '1 day'
      expiration: '7 days'

regulation:
  max_retries: 5
  find_time: '2 minutes'
  ban_time: '5 minutes'

storage:
  encryption_key: {_secret("storage_encryption_key")}
  local:
    path: '{DATABASE}'

notifier:
  smtp:
    address: 'submission://mail.{family.DOMAIN}:587'
    username: 'authelia@{family.DOMAIN}'
    password: {_secret("smtp_password")}
    sender: 'Authelia <authelia@{family.DOMAIN}>'
"""

_CONFIG_PROVIDER = f"""
identity_providers:
  oidc:
    hmac_secret: {_secret("oidc_hmac_secret")}
    jwks:
      - key_id: 'main'
        algorithm: 'RS256'
        use: 'sig'
        key: {{{{ secret "{OIDC_KEY}" | mindent 10 "|" | msquote }}}}
    clients:
"""
