-- Wishlist's schema after its 45 migrations (facts: cmintey/wishlist v0.66.0, prisma/schema.prisma and
-- prisma/migrations; the table of migrations is Prisma's own).

CREATE TABLE "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL,
  "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
);
CREATE TABLE "patch" (
  "id" TEXT NOT NULL PRIMARY KEY, "executed_at" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX "patch_id_key" ON "patch" ("id");

CREATE TABLE "role" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NOT NULL);
CREATE UNIQUE INDEX "role_id_key" ON "role" ("id");
CREATE TABLE "group" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT NOT NULL);
CREATE UNIQUE INDEX "group_id_key" ON "group" ("id");
CREATE UNIQUE INDEX "group_name_key" ON "group" ("name");
CREATE TABLE "user" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "username" TEXT NOT NULL COLLATE NOCASE,
  "name" TEXT NOT NULL,
  "email" TEXT NOT NULL DEFAULT 'changeme@email.com' COLLATE NOCASE,
  "picture" TEXT,
  "roleId" INTEGER NOT NULL DEFAULT 1,
  "hashedPassword" TEXT NOT NULL,
  "oauthId" TEXT,
  "preferredLanguage" TEXT,
  CONSTRAINT "user_roleId_fkey" FOREIGN KEY ("roleId") REFERENCES "role" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "user_id_key" ON "user" ("id");
CREATE UNIQUE INDEX "user_username_key" ON "user" ("username");
CREATE UNIQUE INDEX "user_email_key" ON "user" ("email");
CREATE TABLE "system_user" (
  "id" TEXT NOT NULL PRIMARY KEY, "username" TEXT, "name" TEXT DEFAULT 'ANONYMOUS_NAME'
);
CREATE UNIQUE INDEX "system_user_id_key" ON "system_user" ("id");
CREATE TABLE "session" (
  "id" TEXT NOT NULL PRIMARY KEY, "userId" TEXT NOT NULL, "expiresAt" DATETIME NOT NULL,
  CONSTRAINT "session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "session_id_key" ON "session" ("id");
CREATE INDEX "session_userId_idx" ON "session" ("userId");
CREATE TABLE "user_group_membership" (
  "id" TEXT NOT NULL PRIMARY KEY, "active" BOOLEAN NOT NULL DEFAULT false, "userId" TEXT NOT NULL,
  "groupId" TEXT NOT NULL, "roleId" INTEGER NOT NULL DEFAULT 1,
  CONSTRAINT "user_group_membership_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "user_group_membership_groupId_fkey" FOREIGN KEY ("groupId") REFERENCES "group" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "user_group_membership_roleId_fkey" FOREIGN KEY ("roleId") REFERENCES "role" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "user_group_membership_id_key" ON "user_group_membership" ("id");
CREATE INDEX "user_group_membership_userId_idx" ON "user_group_membership" ("userId");
CREATE INDEX "user_group_membership_groupId_idx" ON "user_group_membership" ("groupId");
CREATE INDEX "user_group_membership_userId_groupId_idx" ON "user_group_membership" ("userId", "groupId");

CREATE TABLE "list" (
  "id" TEXT NOT NULL PRIMARY KEY, "name" TEXT, "ownerId" TEXT NOT NULL, "groupId" TEXT NOT NULL,
  "public" BOOLEAN NOT NULL DEFAULT false, "icon" TEXT, "iconColor" TEXT, "description" TEXT,
  CONSTRAINT "list_ownerId_fkey" FOREIGN KEY ("ownerId") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_groupId_fkey" FOREIGN KEY ("groupId") REFERENCES "group" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "list_id_key" ON "list" ("id");
CREATE INDEX "list_ownerId_idx" ON "list" ("ownerId");
CREATE INDEX "list_groupId_idx" ON "list" ("groupId");
CREATE INDEX "list_ownerId_groupId_idx" ON "list" ("ownerId", "groupId");
CREATE TABLE "list_manager" (
  "id" TEXT NOT NULL PRIMARY KEY, "userId" TEXT NOT NULL, "listId" TEXT NOT NULL,
  CONSTRAINT "list_manager_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_manager_listId_fkey" FOREIGN KEY ("listId") REFERENCES "list" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "list_manager_id_key" ON "list_manager" ("id");
CREATE INDEX "list_manager_listId_idx" ON "list_manager" ("listId");
CREATE TABLE "item_price" ("id" TEXT NOT NULL PRIMARY KEY, "value" INTEGER NOT NULL, "currency" TEXT NOT NULL);
CREATE UNIQUE INDEX "item_price_id_key" ON "item_price" ("id");
CREATE TABLE "items" (
  "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "name" TEXT NOT NULL, "price" TEXT, "itemPriceId" TEXT,
  "url" TEXT, "note" TEXT, "imageUrl" TEXT, "quantity" INTEGER, "userId" TEXT NOT NULL, "createdById" TEXT NOT NULL,
  "mostWanted" BOOLEAN NOT NULL DEFAULT false,
  CONSTRAINT "items_itemPriceId_fkey" FOREIGN KEY ("itemPriceId") REFERENCES "item_price" ("id")
    ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT "items_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "items_createdById_fkey" FOREIGN KEY ("createdById") REFERENCES "user" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "items_id_key" ON "items" ("id");
CREATE INDEX "items_userId_idx" ON "items" ("userId");
CREATE TABLE "list_item" (
  "id" TEXT NOT NULL PRIMARY KEY, "listId" TEXT NOT NULL, "itemId" INTEGER NOT NULL, "addedById" TEXT NOT NULL,
  "approved" BOOLEAN NOT NULL DEFAULT true, "displayOrder" INTEGER,
  CONSTRAINT "list_item_listId_fkey" FOREIGN KEY ("listId") REFERENCES "list" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_item_itemId_fkey" FOREIGN KEY ("itemId") REFERENCES "items" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_item_addedById_fkey" FOREIGN KEY ("addedById") REFERENCES "user" ("id")
    ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "list_item_id_key" ON "list_item" ("id");
CREATE UNIQUE INDEX "list_item_listId_itemId_key" ON "list_item" ("listId", "itemId");
CREATE INDEX "list_item_listId_idx" ON "list_item" ("listId");
CREATE INDEX "list_item_itemId_idx" ON "list_item" ("itemId");
CREATE TABLE "list_item_claim" (
  "id" TEXT NOT NULL PRIMARY KEY, "itemId" INTEGER NOT NULL, "listId" TEXT NOT NULL, "claimedById" TEXT,
  "publicClaimedById" TEXT, "purchased" BOOLEAN NOT NULL DEFAULT false, "quantity" INTEGER NOT NULL DEFAULT 1,
  CONSTRAINT "list_item_claim_itemId_fkey" FOREIGN KEY ("itemId") REFERENCES "items" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_item_claim_listId_fkey" FOREIGN KEY ("listId") REFERENCES "list" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_item_claim_claimedById_fkey" FOREIGN KEY ("claimedById") REFERENCES "user" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "list_item_claim_publicClaimedById_fkey" FOREIGN KEY ("publicClaimedById") REFERENCES "system_user" ("id")
    ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE UNIQUE INDEX "list_item_claim_id_key" ON "list_item_claim" ("id");
CREATE INDEX "list_item_claim_itemId_idx" ON "list_item_claim" ("itemId");
CREATE INDEX "list_item_claim_claimedById_idx" ON "list_item_claim" ("claimedById");

CREATE TABLE "password_resets" (
  "id" TEXT NOT NULL PRIMARY KEY, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "userId" TEXT NOT NULL,
  "hashedToken" TEXT NOT NULL, "redeemed" BOOLEAN NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX "password_resets_id_key" ON "password_resets" ("id");
CREATE INDEX "password_resets_hashedToken_idx" ON "password_resets" ("hashedToken");
CREATE TABLE "signup_tokens" (
  "id" TEXT NOT NULL PRIMARY KEY, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "hashedToken" TEXT NOT NULL, "redeemed" BOOLEAN NOT NULL DEFAULT false, "groupId" TEXT NOT NULL DEFAULT 'global'
);
CREATE UNIQUE INDEX "signup_tokens_id_key" ON "signup_tokens" ("id");
CREATE INDEX "signup_tokens_hashedToken_idx" ON "signup_tokens" ("hashedToken");
CREATE TABLE "system_config" (
  "key" TEXT NOT NULL, "value" TEXT, "groupId" TEXT NOT NULL, PRIMARY KEY ("key", "groupId")
);
