-- LLDAP's schema 11 as sea-query writes it for SQLite (facts: LLDAP v0.6.3, server/src/domain/sql_migrations.rs
-- and server/src/jwt_sql_tables.rs). Columns stand in the order in which its migrations added them.

CREATE TABLE "users" (
  "user_id" varchar(255) NOT NULL PRIMARY KEY,
  "email" varchar(255) NOT NULL,
  "creation_date" datetime_text NOT NULL,
  "password_hash" blob,
  "totp_secret" varchar(64),
  "mfa_type" varchar(64),
  "uuid" varchar(36) NOT NULL,
  "display_name" varchar(255),
  "lowercase_email" varchar(255) NOT NULL DEFAULT 'UNSET',
  "modified_date" datetime_text NOT NULL DEFAULT '2026-01-10 19:02:11.402117836',
  "password_modified_date" datetime_text NOT NULL DEFAULT '2026-01-10 19:02:11.402993120'
);
CREATE UNIQUE INDEX "unique-user-email" ON "users" ("email");
CREATE UNIQUE INDEX "unique-user-uuid" ON "users" ("uuid");
CREATE UNIQUE INDEX "unique-user-lower-email" ON "users" ("lowercase_email");

CREATE TABLE "groups" (
  "group_id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
  "display_name" varchar(255) NOT NULL UNIQUE,
  "creation_date" datetime_text NOT NULL,
  "uuid" varchar(36) NOT NULL,
  "lowercase_display_name" varchar(255) NOT NULL DEFAULT 'UNSET',
  "modified_date" datetime_text NOT NULL DEFAULT '2026-01-10 19:02:11.403662004'
);
CREATE UNIQUE INDEX "unique-group-uuid" ON "groups" ("uuid");
CREATE UNIQUE INDEX "unique-group-id" ON "groups" ("lowercase_display_name");

CREATE TABLE "memberships" (
  "user_id" varchar(255) NOT NULL,
  "group_id" integer NOT NULL,
  CONSTRAINT "memberships_pkey" PRIMARY KEY ("user_id", "group_id"),
  FOREIGN KEY ("user_id") REFERENCES "users" ("user_id") ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY ("group_id") REFERENCES "groups" ("group_id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "unique-memberships" ON "memberships" ("user_id", "group_id");

CREATE TABLE "user_attribute_schema" (
  "user_attribute_schema_name" varchar(64) NOT NULL PRIMARY KEY,
  "user_attribute_schema_type" varchar(64) NOT NULL,
  "user_attribute_schema_is_list" boolean NOT NULL,
  "user_attribute_schema_is_user_visible" boolean NOT NULL,
  "user_attribute_schema_is_user_editable" boolean NOT NULL,
  "user_attribute_schema_is_hardcoded" boolean NOT NULL
);
CREATE TABLE "group_attribute_schema" (
  "group_attribute_schema_name" varchar(64) NOT NULL PRIMARY KEY,
  "group_attribute_schema_type" varchar(64) NOT NULL,
  "group_attribute_schema_is_list" boolean NOT NULL,
  "group_attribute_schema_is_group_visible" boolean NOT NULL,
  "group_attribute_schema_is_group_editable" boolean NOT NULL,
  "group_attribute_schema_is_hardcoded" boolean NOT NULL
);
CREATE TABLE "user_attributes" (
  "user_attribute_user_id" varchar(255) NOT NULL,
  "user_attribute_name" varchar(64) NOT NULL,
  "user_attribute_value" blob NOT NULL,
  PRIMARY KEY ("user_attribute_user_id", "user_attribute_name"),
  FOREIGN KEY ("user_attribute_user_id") REFERENCES "users" ("user_id") ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY ("user_attribute_name") REFERENCES "user_attribute_schema" ("user_attribute_schema_name")
    ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE "group_attributes" (
  "group_attribute_group_id" integer NOT NULL,
  "group_attribute_name" varchar(64) NOT NULL,
  "group_attribute_value" blob NOT NULL,
  PRIMARY KEY ("group_attribute_group_id", "group_attribute_name"),
  FOREIGN KEY ("group_attribute_group_id") REFERENCES "groups" ("group_id") ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY ("group_attribute_name") REFERENCES "group_attribute_schema" ("group_attribute_schema_name")
    ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE "user_object_classes" (
  "lower_object_class" varchar(255) NOT NULL PRIMARY KEY,
  "object_class" varchar(255) NOT NULL
);
CREATE TABLE "group_object_classes" (
  "lower_object_class" varchar(255) NOT NULL PRIMARY KEY,
  "object_class" varchar(255) NOT NULL
);
CREATE TABLE "metadata" (
  "version" smallint PRIMARY KEY,
  "private_key_hash" blob,
  "private_key_location" varchar(255)
);

CREATE TABLE "jwt_refresh_storage" (
  "refresh_token_hash" bigint NOT NULL PRIMARY KEY,
  "user_id" varchar(255) NOT NULL,
  "expiry_date" datetime_text NOT NULL,
  FOREIGN KEY ("user_id") REFERENCES "users" ("user_id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE "jwt_storage" (
  "jwt_hash" bigint NOT NULL PRIMARY KEY,
  "user_id" varchar(255) NOT NULL,
  "expiry_date" datetime_text NOT NULL,
  "blacklisted" boolean NOT NULL DEFAULT FALSE,
  FOREIGN KEY ("user_id") REFERENCES "users" ("user_id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE "password_reset_tokens" (
  "token" varchar(255) NOT NULL PRIMARY KEY,
  "user_id" varchar(255) NOT NULL,
  "expiry_date" datetime_text NOT NULL,
  FOREIGN KEY ("user_id") REFERENCES "users" ("user_id") ON DELETE CASCADE ON UPDATE CASCADE
);
