"""The 71 migrations that a Jellyfin 10.11.11 has recorded: 38 of the schema, 33 in code.

Both kinds share one table; a schema migration's version is Entity Framework's, a code migration's the
server's. Names: jellyfin v10.11.11, src/Jellyfin.Database and Jellyfin.Server/Migrations.
"""

from __future__ import annotations

HEAD = "20260524120336_AddUniqueNormalizedUsernameIndex"
SERVER_VERSION = "10.11.11"

SCHEMA_MIGRATIONS = (
    "20200514181226_AddActivityLog",
    "20200613202153_AddUsers",
    "20200728005145_AddDisplayPreferences",
    "20200905220533_FixDisplayPreferencesIndex",
    "20201004171403_AddMaxActiveSessions",
    "20201204223655_AddCustomDisplayPreferences",
    "20210320181425_AddIndexesAndCollations",
    "20210407110544_NullableCustomPrefValue",
    "20210814002109_AddDevices",
    "20221022080052_AddIndexActivityLogsDateCreated",
    "20230526173516_RemoveEasyPassword",
    "20230626233818_AddTrickplayInfos",
    "20230923170422_UserCastReceiver",
    "20240729140605_AddMediaSegments",
    "20240928082930_MarkSegmentProviderIdNonNullable",
    "20241020103111_LibraryDbMigration",
    "20241111131257_AddedCustomDataKey",
    "20241111135439_AddedCustomDataKeyKey",
    "20241112152323_FixAncestorIdConfig",
    "20241112232041_fixMediaStreams",
    "20241112234144_FixMediaStreams2",
    "20241113133548_EnforceUniqueItemValue",
    "20250202021306_FixedCollation",
    "20250204092455_MakeStartEndDateNullable",
    "20250214031148_ChannelIdGuid",
    "20250326065026_AddInheritedParentalRatingSubValue",
    "20250327101120_AddKeyframeData",
    "20250327171413_AddHdr10PlusFlag",
    "20250331182844_FixAttachmentMigration",
    "20250401142247_FixAncestors",
    "20250405075612_FixItemValuesIndices",
    "20250609115616_DetachUserDataInsteadOfDelete",
    "20250622170802_BaseItemImageInfoDateModifiedNullable",
    "20250714044826_ResetJournalMode",
    "20250913211637_AddProperParentChildRelationBaseItemWithCascade",
    "20250925203415_ExtendPeopleMapKey",
    "20260522092303_AddNormalizedUsername",
    HEAD,
)

CODE_MIGRATIONS = (
    "20250420000000_CreateNetworkConfiguration",
    "20250420010000_MigrateEncodingOptions",
    "20250420020000_MigrateMusicBrainzTimeout",
    "20250420030000_MigrateNetworkConfiguration",
    "20250420040000_RenameEnableGroupingIntoCollections",
    "20250420050000_DisableTranscodingThrottling",
    "20250420060000_CreateUserLoggingConfigFile",
    "20250420070000_MigrateActivityLogDb",
    "20250420080000_RemoveDuplicateExtras",
    "20250420090000_AddDefaultPluginRepository",
    "20250420100000_MigrateUserDb",
    "20250420110000_ReaddDefaultPluginRepository",
    "20250420120000_MigrateDisplayPreferencesDb",
    "20250420130000_RemoveDownloadImagesInAdvance",
    "20250420140000_MigrateAuthenticationDb",
    "20250420150000_FixPlaylistOwner",
    "20250420160000_AddDefaultCastReceivers",
    "20250420170000_UpdateDefaultPluginRepository",
    "20250420180000_FixAudioData",
    "20250420190000_RemoveDuplicatePlaylistChildren",
    "20250420193000_MigrateLibraryDbCompatibilityCheck",
    "20250420200000_MigrateLibraryDb",
    "20250420210000_MoveExtractedFiles",
    "20250420220000_MigrateRatingLevels",
    "20250420230000_MoveTrickplayFiles",
    "20250420230000_RefreshInternalDateModified",
    "20250421000000_MigrateKeyframeData",
    "20250618010000_MigrateLibraryUserData",
    "20250620180000_FixDates",
    "20250730215000_ReseedFolderFlag",
    "20251008120000_RefreshCleanNames",
    "20251009200000_CleanMusicArtist",
    "20260522092304_UpdateNormalizedUsername",
)


def rows() -> list[tuple[str, str]]:
    """Each migration with the version that applied it."""
    schema = [(name, "9.0.16" if name > "2026" else "9.0.9") for name in SCHEMA_MIGRATIONS]
    code = [(name, f"{SERVER_VERSION}.0" if name > "2026" else "10.11.1.0") for name in CODE_MIGRATIONS]
    return sorted(schema + code)
