"""The DDL of Authelia's storage at schema 24: twenty-five tables, as its SQLite migrations leave them.

Facts: authelia v4.39.20, internal/storage/migrations/sqlite. The six kinds of OAuth 2 session have their
columns in common, and so they are composed here.
"""

from __future__ import annotations

VERSION = 24

SESSION_TABLES = (
    "oauth2_authorization_code_session",
    "oauth2_access_token_session",
    "oauth2_refresh_token_session",
    "oauth2_pkce_request_session",
    "oauth2_openid_connect_session",
    "oauth2_device_code_session",
)

_ID = "id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
_NOW = "NOT NULL DEFAULT CURRENT_TIMESTAMP"

_PLAIN_TABLES = f"""
CREATE TABLE migrations (
  {_ID}, applied DATETIME {_NOW}, version_before INTEGER NULL DEFAULT NULL, version_after INTEGER NOT NULL,
  application_version VARCHAR(128) NOT NULL
);
CREATE TABLE encryption ({_ID}, name VARCHAR(100), value BLOB NOT NULL);
CREATE UNIQUE INDEX encryption_name_key ON encryption (name);
CREATE TABLE authentication_logs (
  {_ID}, time DATETIME {_NOW}, successful BOOLEAN NOT NULL, banned BOOLEAN NOT NULL DEFAULT FALSE,
  username VARCHAR(100) NOT NULL, auth_type VARCHAR(8) NOT NULL DEFAULT '1FA',
  remote_ip VARCHAR(39) NULL DEFAULT NULL, request_uri TEXT, request_method VARCHAR(8) NOT NULL DEFAULT ''
);
CREATE INDEX authentication_logs_username_idx ON authentication_logs (time, username, auth_type);
CREATE INDEX authentication_logs_remote_ip_idx ON authentication_logs (time, remote_ip, auth_type);
CREATE TABLE identity_verification (
  {_ID}, jti CHAR(36), iat DATETIME {_NOW}, issued_ip VARCHAR(39) NOT NULL, exp DATETIME NOT NULL,
  username VARCHAR(100) NOT NULL, action VARCHAR(50) NOT NULL, consumed DATETIME NULL DEFAULT NULL,
  consumed_ip VARCHAR(39) NULL DEFAULT NULL, revoked DATETIME NULL DEFAULT NULL,
  revoked_ip VARCHAR(39) NULL DEFAULT NULL
);
CREATE UNIQUE INDEX identity_verification_jti_key ON identity_verification (jti);
CREATE TABLE totp_configurations (
  {_ID}, created_at DATETIME {_NOW}, last_used_at DATETIME NULL DEFAULT NULL, username VARCHAR(100) NOT NULL,
  issuer VARCHAR(100), algorithm VARCHAR(6) NOT NULL DEFAULT 'SHA1', digits INTEGER NOT NULL DEFAULT 6,
  period INTEGER NOT NULL DEFAULT 30, secret BLOB NOT NULL
);
CREATE UNIQUE INDEX totp_configurations_username_key ON totp_configurations (username);
CREATE TABLE totp_history (
  {_ID}, created_at DATETIME {_NOW}, username VARCHAR(100) NOT NULL, step CHAR(64) NOT NULL
);
CREATE UNIQUE INDEX totp_history_lookup_key ON totp_history (username, step);
CREATE TABLE webauthn_users (
  {_ID}, rpid VARCHAR(512) NOT NULL, username VARCHAR(100) NOT NULL, userid CHAR(64) NOT NULL
);
CREATE UNIQUE INDEX webauthn_users_lookup_key ON webauthn_users (rpid, username);
CREATE TABLE webauthn_credentials (
  {_ID}, created_at DATETIME {_NOW}, last_used_at DATETIME NULL DEFAULT NULL, rpid VARCHAR(512) NOT NULL,
  username VARCHAR(100) NOT NULL, description VARCHAR(64) NOT NULL, kid VARCHAR(512) NOT NULL,
  aaguid CHAR(36) NULL, attestation_type VARCHAR(32), attachment VARCHAR(64) NOT NULL,
  transport VARCHAR(64) DEFAULT '', sign_count INTEGER DEFAULT 0, clone_warning BOOLEAN NOT NULL DEFAULT FALSE,
  legacy BOOLEAN NOT NULL DEFAULT FALSE, discoverable BOOLEAN NOT NULL, present BOOLEAN NOT NULL DEFAULT FALSE,
  verified BOOLEAN NOT NULL DEFAULT FALSE, backup_eligible BOOLEAN NOT NULL DEFAULT FALSE,
  backup_state BOOLEAN NOT NULL DEFAULT FALSE, public_key BLOB NOT NULL, attestation BLOB NULL DEFAULT NULL,
  attestation_format VARCHAR(32) NULL DEFAULT NULL
);
CREATE UNIQUE INDEX webauthn_credentials_kid_key ON webauthn_credentials (kid);
CREATE UNIQUE INDEX webauthn_credentials_lookup_key ON webauthn_credentials (rpid, username, description);
CREATE TABLE duo_devices (
  {_ID}, username VARCHAR(100) NOT NULL, device VARCHAR(32) NOT NULL, method VARCHAR(16) NOT NULL
);
CREATE UNIQUE INDEX duo_devices_username_key ON duo_devices (username);
CREATE TABLE user_preferences (
  {_ID}, username VARCHAR(100) NOT NULL, second_factor_method VARCHAR(11) NOT NULL
);
CREATE UNIQUE INDEX user_preferences_username_key ON user_preferences (username);
CREATE TABLE one_time_code (
  {_ID}, public_id CHAR(36) NOT NULL, signature VARCHAR(128) NOT NULL, issued DATETIME {_NOW},
  issued_ip VARCHAR(39) NOT NULL, expires DATETIME NOT NULL, username VARCHAR(100) NOT NULL,
  intent VARCHAR(100) NOT NULL, consumed DATETIME NULL DEFAULT NULL, consumed_ip VARCHAR(39) NULL DEFAULT NULL,
  revoked DATETIME NULL DEFAULT NULL, revoked_ip VARCHAR(39) NULL DEFAULT NULL, code BLOB NOT NULL
);
CREATE UNIQUE INDEX one_time_code_lookup_key ON one_time_code (signature, username);
CREATE TABLE cached_data (
  {_ID}, created_at DATETIME {_NOW}, updated_at DATETIME NOT NULL, name VARCHAR(20) NOT NULL,
  encrypted BOOLEAN NOT NULL DEFAULT FALSE, value BLOB NOT NULL
);
CREATE UNIQUE INDEX cached_data_name_key ON cached_data (name);
CREATE TABLE user_opaque_identifier (
  {_ID}, service VARCHAR(20) NOT NULL, sector_id VARCHAR(255) NOT NULL, username VARCHAR(100) NOT NULL,
  identifier CHAR(36) NOT NULL
);
CREATE UNIQUE INDEX user_opaque_identifier_lookup_key ON user_opaque_identifier (service, sector_id, username);
CREATE UNIQUE INDEX user_opaque_identifier_identifier_key ON user_opaque_identifier (identifier);
"""

_GRANT_TABLES = f"""
CREATE TABLE oauth2_blacklisted_jti ({_ID}, signature VARCHAR(64) NOT NULL, expires_at DATETIME {_NOW});
CREATE UNIQUE INDEX oauth2_blacklisted_jti_signature_key ON oauth2_blacklisted_jti (signature);
CREATE TABLE oauth2_consent_preconfiguration (
  {_ID}, client_id VARCHAR(255) NOT NULL, subject CHAR(36) NOT NULL, created_at DATETIME {_NOW},
  expires_at DATETIME NULL DEFAULT NULL, revoked BOOLEAN NOT NULL DEFAULT FALSE, scopes TEXT NOT NULL,
  audience TEXT NULL, requested_claims TEXT NULL DEFAULT NULL, signature_claims CHAR(64) NULL DEFAULT NULL,
  granted_claims TEXT NULL DEFAULT '',
  CONSTRAINT oauth2_consent_preconfiguration_subject_fkey FOREIGN KEY (subject)
    REFERENCES user_opaque_identifier (identifier) ON UPDATE CASCADE ON DELETE RESTRICT
);
CREATE TABLE oauth2_consent_session (
  {_ID}, challenge_id CHAR(36) NOT NULL, client_id VARCHAR(255) NOT NULL, subject CHAR(36) NULL DEFAULT NULL,
  authorized BOOLEAN NOT NULL DEFAULT FALSE, granted BOOLEAN NOT NULL DEFAULT FALSE, requested_at DATETIME {_NOW},
  responded_at DATETIME NULL DEFAULT NULL, form_data TEXT NOT NULL, requested_scopes TEXT NOT NULL,
  granted_scopes TEXT NOT NULL, requested_audience TEXT NULL DEFAULT '', granted_audience TEXT NULL DEFAULT '',
  preconfiguration INTEGER NULL DEFAULT NULL, granted_claims TEXT NULL DEFAULT '',
  expires_at TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00.000000000+00:00',
  CONSTRAINT oauth2_consent_session_subject_fkey FOREIGN KEY (subject)
    REFERENCES user_opaque_identifier (identifier) ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT oauth2_consent_session_preconfiguration_fkey FOREIGN KEY (preconfiguration)
    REFERENCES oauth2_consent_preconfiguration (id) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE UNIQUE INDEX oauth2_consent_session_challenge_id_key ON oauth2_consent_session (challenge_id);
CREATE TABLE oauth2_par_context (
  {_ID}, signature VARCHAR(255) NOT NULL, request_id VARCHAR(40) NOT NULL, client_id VARCHAR(255) NOT NULL,
  requested_at DATETIME {_NOW}, scopes TEXT NOT NULL, audience TEXT NOT NULL, handled_response_types TEXT NOT NULL,
  response_mode TEXT NOT NULL, response_mode_default TEXT NOT NULL, revoked BOOLEAN NOT NULL DEFAULT FALSE,
  form_data TEXT NOT NULL, session_data BLOB NOT NULL
);
CREATE UNIQUE INDEX oauth2_par_context_signature_key ON oauth2_par_context (signature);
"""

_BAN_TABLES = "".join(
    f"""
CREATE TABLE banned_{kind} (
  {_ID}, time TIMESTAMP {_NOW}, expires TIMESTAMP NULL DEFAULT NULL, expired TIMESTAMP NULL DEFAULT NULL,
  revoked BOOLEAN NOT NULL DEFAULT FALSE, {column}, source VARCHAR(10) NOT NULL,
  reason VARCHAR(100) NULL DEFAULT NULL
);
CREATE INDEX banned_{kind}_{name}_idx ON banned_{kind} ({name});
CREATE INDEX banned_{kind}_lookup_idx ON banned_{kind} ({name}, revoked, expires, expired);
CREATE INDEX banned_{kind}_list_idx ON banned_{kind} (revoked, expires, expired);
"""
    for kind, name, column in (
        ("user", "username", "username VARCHAR(100) NOT NULL"),
        ("ip", "ip", "ip VARCHAR(39) NOT NULL"),
    )
)


def statements() -> str:
    """Every table and index of schema 24."""
    return _PLAIN_TABLES + _GRANT_TABLES + _BAN_TABLES + "".join(map(_session_table, SESSION_TABLES))


def _session_table(name: str) -> str:
    optional = name in ("oauth2_access_token_session", "oauth2_device_code_session")
    needed = "NULL DEFAULT NULL" if optional else "NOT NULL"
    signature = "VARCHAR(768)" if name == "oauth2_access_token_session" else "VARCHAR(255)"
    device = name == "oauth2_device_code_session"
    code = "user_code_signature VARCHAR(255) NOT NULL, status INTEGER NOT NULL," if device else ""
    checked = f"checked_at DATETIME {_NOW}," if device else ""
    return f"""
CREATE TABLE {name} (
  {_ID}, challenge_id CHAR(36) {needed}, request_id VARCHAR(40) NOT NULL, client_id VARCHAR(255) NOT NULL,
  signature {signature} NOT NULL, {code} subject CHAR(36) {needed}, requested_at DATETIME {_NOW}, {checked}
  requested_scopes TEXT NOT NULL, granted_scopes TEXT NOT NULL, requested_audience TEXT NULL DEFAULT '',
  granted_audience TEXT NULL DEFAULT '', active BOOLEAN NOT NULL DEFAULT FALSE,
  revoked BOOLEAN NOT NULL DEFAULT FALSE, form_data TEXT NOT NULL, session_data BLOB NOT NULL,
  CONSTRAINT {name}_challenge_id_fkey FOREIGN KEY (challenge_id)
    REFERENCES oauth2_consent_session (challenge_id) ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT {name}_subject_fkey FOREIGN KEY (subject)
    REFERENCES user_opaque_identifier (identifier) ON UPDATE CASCADE ON DELETE RESTRICT
);
CREATE INDEX {name}_request_id_idx ON {name} (request_id);
CREATE INDEX {name}_client_id_idx ON {name} (client_id);
CREATE INDEX {name}_client_id_subject_idx ON {name} (client_id, subject);
"""
