-- Jellyfin's schema at 20260524120336 (facts: jellyfin v10.11.11, the model snapshot of
-- Jellyfin.Database.Providers.Sqlite and the migrations after it): 30 tables of its own, and Entity Framework's two.

CREATE TABLE "__EFMigrationsHistory" (
  "MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY, "ProductVersion" TEXT NOT NULL
);
CREATE TABLE "__EFMigrationsLock" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK___EFMigrationsLock" PRIMARY KEY, "Timestamp" TEXT NOT NULL
);

CREATE TABLE "Users" (
  "Id" TEXT NOT NULL CONSTRAINT "PK_Users" PRIMARY KEY, "Username" TEXT NOT NULL,
  "NormalizedUsername" TEXT NOT NULL DEFAULT '', "Password" TEXT, "MustUpdatePassword" INTEGER NOT NULL,
  "AudioLanguagePreference" TEXT, "AuthenticationProviderId" TEXT NOT NULL,
  "PasswordResetProviderId" TEXT NOT NULL, "InvalidLoginAttemptCount" INTEGER NOT NULL,
  "LastActivityDate" TEXT, "LastLoginDate" TEXT, "LoginAttemptsBeforeLockout" INTEGER,
  "MaxActiveSessions" INTEGER NOT NULL, "SubtitleMode" INTEGER NOT NULL,
  "PlayDefaultAudioTrack" INTEGER NOT NULL, "SubtitleLanguagePreference" TEXT,
  "DisplayMissingEpisodes" INTEGER NOT NULL, "DisplayCollectionsView" INTEGER NOT NULL,
  "EnableLocalPassword" INTEGER NOT NULL, "HidePlayedInLatest" INTEGER NOT NULL,
  "RememberAudioSelections" INTEGER NOT NULL, "RememberSubtitleSelections" INTEGER NOT NULL,
  "EnableNextEpisodeAutoPlay" INTEGER NOT NULL, "EnableAutoLogin" INTEGER NOT NULL,
  "EnableUserPreferenceAccess" INTEGER NOT NULL, "MaxParentalRatingScore" INTEGER,
  "MaxParentalRatingSubScore" INTEGER, "RemoteClientBitrateLimit" INTEGER, "InternalId" INTEGER NOT NULL,
  "SyncPlayAccess" INTEGER NOT NULL, "CastReceiverId" TEXT, "RowVersion" INTEGER NOT NULL
);
CREATE UNIQUE INDEX "IX_Users_Username" ON "Users" ("Username");
CREATE UNIQUE INDEX "IX_Users_NormalizedUsername" ON "Users" ("NormalizedUsername");

CREATE TABLE "BaseItems" (
  "Id" TEXT NOT NULL CONSTRAINT "PK_BaseItems" PRIMARY KEY, "Album" TEXT, "AlbumArtists" TEXT, "Artists" TEXT,
  "Audio" INTEGER, "ChannelId" TEXT, "CleanName" TEXT, "CommunityRating" REAL, "CriticRating" REAL,
  "CustomRating" TEXT, "Data" TEXT, "DateCreated" TEXT, "DateLastMediaAdded" TEXT, "DateLastRefreshed" TEXT,
  "DateLastSaved" TEXT, "DateModified" TEXT, "EndDate" TEXT, "EpisodeTitle" TEXT, "ExternalId" TEXT,
  "ExternalSeriesId" TEXT, "ExternalServiceId" TEXT, "ExtraIds" TEXT, "ExtraType" INTEGER,
  "ForcedSortName" TEXT, "Genres" TEXT, "Height" INTEGER, "IndexNumber" INTEGER,
  "InheritedParentalRatingSubValue" INTEGER, "InheritedParentalRatingValue" INTEGER,
  "IsFolder" INTEGER NOT NULL, "IsInMixedFolder" INTEGER NOT NULL, "IsLocked" INTEGER NOT NULL,
  "IsMovie" INTEGER NOT NULL, "IsRepeat" INTEGER NOT NULL, "IsSeries" INTEGER NOT NULL,
  "IsVirtualItem" INTEGER NOT NULL, "LUFS" REAL, "MediaType" TEXT, "Name" TEXT, "NormalizationGain" REAL,
  "OfficialRating" TEXT, "OriginalTitle" TEXT, "Overview" TEXT, "OwnerId" TEXT, "ParentId" TEXT,
  "ParentIndexNumber" INTEGER, "Path" TEXT, "PreferredMetadataCountryCode" TEXT,
  "PreferredMetadataLanguage" TEXT, "PremiereDate" TEXT, "PresentationUniqueKey" TEXT, "PrimaryVersionId" TEXT,
  "ProductionLocations" TEXT, "ProductionYear" INTEGER, "RunTimeTicks" INTEGER, "SeasonId" TEXT,
  "SeasonName" TEXT, "SeriesId" TEXT, "SeriesName" TEXT, "SeriesPresentationUniqueKey" TEXT, "ShowId" TEXT,
  "Size" INTEGER, "SortName" TEXT, "StartDate" TEXT, "Studios" TEXT, "Tagline" TEXT, "Tags" TEXT,
  "TopParentId" TEXT, "TotalBitrate" INTEGER, "Type" TEXT NOT NULL, "UnratedType" TEXT, "Width" INTEGER,
  CONSTRAINT "FK_BaseItems_BaseItems_ParentId"
    FOREIGN KEY ("ParentId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_BaseItems_ParentId" ON "BaseItems" ("ParentId");
CREATE INDEX "IX_BaseItems_Path" ON "BaseItems" ("Path");
CREATE INDEX "IX_BaseItems_PresentationUniqueKey" ON "BaseItems" ("PresentationUniqueKey");
CREATE INDEX "IX_BaseItems_TopParentId_Id" ON "BaseItems" ("TopParentId", "Id");
CREATE INDEX "IX_BaseItems_Type_TopParentId_Id" ON "BaseItems" ("Type", "TopParentId", "Id");
CREATE INDEX "IX_BaseItems_Type_TopParentId_PresentationUniqueKey" ON
  "BaseItems" ("Type", "TopParentId", "PresentationUniqueKey");
CREATE INDEX "IX_BaseItems_Type_TopParentId_StartDate" ON "BaseItems" ("Type", "TopParentId", "StartDate");
CREATE INDEX "IX_BaseItems_Id_Type_IsFolder_IsVirtualItem" ON
  "BaseItems" ("Id", "Type", "IsFolder", "IsVirtualItem");
CREATE INDEX "IX_BaseItems_MediaType_TopParentId_IsVirtualItem_PresentationUniqueKey" ON
  "BaseItems" ("MediaType", "TopParentId", "IsVirtualItem", "PresentationUniqueKey");
CREATE INDEX "IX_BaseItems_Type_SeriesPresentationUniqueKey_IsFolder_IsVirtualItem" ON
  "BaseItems" ("Type", "SeriesPresentationUniqueKey", "IsFolder", "IsVirtualItem");
CREATE INDEX "IX_BaseItems_Type_SeriesPresentationUniqueKey_PresentationUniqueKey_SortName" ON
  "BaseItems" ("Type", "SeriesPresentationUniqueKey", "PresentationUniqueKey", "SortName");
CREATE INDEX "IX_BaseItems_IsFolder_TopParentId_IsVirtualItem_PresentationUniqueKey_DateCreated" ON
  "BaseItems" ("IsFolder", "TopParentId", "IsVirtualItem", "PresentationUniqueKey", "DateCreated");
CREATE INDEX "IX_BaseItems_Type_TopParentId_IsVirtualItem_PresentationUniqueKey_DateCreated" ON
  "BaseItems" ("Type", "TopParentId", "IsVirtualItem", "PresentationUniqueKey", "DateCreated");

CREATE TABLE "DisplayPreferences" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_DisplayPreferences" PRIMARY KEY AUTOINCREMENT, "UserId" TEXT NOT NULL,
  "ItemId" TEXT NOT NULL, "Client" TEXT NOT NULL, "ShowSidebar" INTEGER NOT NULL,
  "ShowBackdrop" INTEGER NOT NULL, "ScrollDirection" INTEGER NOT NULL, "IndexBy" INTEGER,
  "SkipForwardLength" INTEGER NOT NULL, "SkipBackwardLength" INTEGER NOT NULL,
  "ChromecastVersion" INTEGER NOT NULL, "EnableNextVideoInfoOverlay" INTEGER NOT NULL, "DashboardTheme" TEXT,
  "TvHome" TEXT,
  CONSTRAINT "FK_DisplayPreferences_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "IX_DisplayPreferences_UserId_ItemId_Client" ON
  "DisplayPreferences" ("UserId", "ItemId", "Client");

CREATE TABLE "ItemValues" (
  "ItemValueId" TEXT NOT NULL CONSTRAINT "PK_ItemValues" PRIMARY KEY, "Type" INTEGER NOT NULL,
  "Value" TEXT NOT NULL, "CleanValue" TEXT NOT NULL
);
CREATE INDEX "IX_ItemValues_Type_CleanValue" ON "ItemValues" ("Type", "CleanValue");
CREATE UNIQUE INDEX "IX_ItemValues_Type_Value" ON "ItemValues" ("Type", "Value");

CREATE TABLE "Peoples" (
  "Id" TEXT NOT NULL CONSTRAINT "PK_Peoples" PRIMARY KEY, "Name" TEXT NOT NULL, "PersonType" TEXT NOT NULL
);
CREATE UNIQUE INDEX "IX_Peoples_Name_PersonType" ON "Peoples" ("Name", "PersonType");

CREATE TABLE "AccessSchedules" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_AccessSchedules" PRIMARY KEY AUTOINCREMENT, "UserId" TEXT NOT NULL,
  "DayOfWeek" INTEGER NOT NULL, "StartHour" REAL NOT NULL, "EndHour" REAL NOT NULL,
  CONSTRAINT "FK_AccessSchedules_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_AccessSchedules_UserId" ON "AccessSchedules" ("UserId");

CREATE TABLE "ActivityLogs" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_ActivityLogs" PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL,
  "Overview" TEXT, "ShortOverview" TEXT, "Type" TEXT NOT NULL, "UserId" TEXT NOT NULL, "ItemId" TEXT,
  "DateCreated" TEXT NOT NULL, "LogSeverity" INTEGER NOT NULL, "RowVersion" INTEGER NOT NULL
);
CREATE INDEX "IX_ActivityLogs_DateCreated" ON "ActivityLogs" ("DateCreated");

CREATE TABLE "AncestorIds" (
  "ParentItemId" TEXT NOT NULL, "ItemId" TEXT NOT NULL,
  CONSTRAINT "PK_AncestorIds" PRIMARY KEY ("ItemId", "ParentItemId"),
  CONSTRAINT "FK_AncestorIds_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE,
  CONSTRAINT "FK_AncestorIds_BaseItems_ParentItemId"
    FOREIGN KEY ("ParentItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_AncestorIds_ParentItemId" ON "AncestorIds" ("ParentItemId");

CREATE TABLE "ApiKeys" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_ApiKeys" PRIMARY KEY AUTOINCREMENT, "DateCreated" TEXT NOT NULL,
  "DateLastActivity" TEXT NOT NULL, "Name" TEXT NOT NULL, "AccessToken" TEXT NOT NULL
);
CREATE UNIQUE INDEX "IX_ApiKeys_AccessToken" ON "ApiKeys" ("AccessToken");

CREATE TABLE "AttachmentStreamInfos" (
  "ItemId" TEXT NOT NULL, "Index" INTEGER NOT NULL, "Codec" TEXT, "CodecTag" TEXT, "Comment" TEXT,
  "Filename" TEXT, "MimeType" TEXT, CONSTRAINT "PK_AttachmentStreamInfos" PRIMARY KEY ("ItemId", "Index"),
  CONSTRAINT "FK_AttachmentStreamInfos_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);

CREATE TABLE "BaseItemImageInfos" (
  "Id" TEXT NOT NULL CONSTRAINT "PK_BaseItemImageInfos" PRIMARY KEY, "Path" TEXT NOT NULL, "DateModified" TEXT,
  "ImageType" INTEGER NOT NULL, "Width" INTEGER NOT NULL, "Height" INTEGER NOT NULL, "Blurhash" BLOB,
  "ItemId" TEXT NOT NULL,
  CONSTRAINT "FK_BaseItemImageInfos_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_BaseItemImageInfos_ItemId" ON "BaseItemImageInfos" ("ItemId");

CREATE TABLE "BaseItemMetadataFields" (
  "Id" INTEGER NOT NULL, "ItemId" TEXT NOT NULL,
  CONSTRAINT "PK_BaseItemMetadataFields" PRIMARY KEY ("Id", "ItemId"),
  CONSTRAINT "FK_BaseItemMetadataFields_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_BaseItemMetadataFields_ItemId" ON "BaseItemMetadataFields" ("ItemId");

CREATE TABLE "BaseItemProviders" (
  "ItemId" TEXT NOT NULL, "ProviderId" TEXT NOT NULL, "ProviderValue" TEXT NOT NULL,
  CONSTRAINT "PK_BaseItemProviders" PRIMARY KEY ("ItemId", "ProviderId"),
  CONSTRAINT "FK_BaseItemProviders_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_BaseItemProviders_ProviderId_ProviderValue_ItemId" ON
  "BaseItemProviders" ("ProviderId", "ProviderValue", "ItemId");

CREATE TABLE "BaseItemTrailerTypes" (
  "Id" INTEGER NOT NULL, "ItemId" TEXT NOT NULL,
  CONSTRAINT "PK_BaseItemTrailerTypes" PRIMARY KEY ("Id", "ItemId"),
  CONSTRAINT "FK_BaseItemTrailerTypes_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_BaseItemTrailerTypes_ItemId" ON "BaseItemTrailerTypes" ("ItemId");

CREATE TABLE "Chapters" (
  "ItemId" TEXT NOT NULL, "ChapterIndex" INTEGER NOT NULL, "StartPositionTicks" INTEGER NOT NULL, "Name" TEXT,
  "ImagePath" TEXT, "ImageDateModified" TEXT, CONSTRAINT "PK_Chapters" PRIMARY KEY ("ItemId", "ChapterIndex"),
  CONSTRAINT "FK_Chapters_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);

CREATE TABLE "CustomItemDisplayPreferences" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_CustomItemDisplayPreferences" PRIMARY KEY AUTOINCREMENT,
  "UserId" TEXT NOT NULL, "ItemId" TEXT NOT NULL, "Client" TEXT NOT NULL, "Key" TEXT NOT NULL, "Value" TEXT
);
CREATE UNIQUE INDEX "IX_CustomItemDisplayPreferences_UserId_ItemId_Client_Key" ON
  "CustomItemDisplayPreferences" ("UserId", "ItemId", "Client", "Key");

CREATE TABLE "DeviceOptions" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_DeviceOptions" PRIMARY KEY AUTOINCREMENT, "DeviceId" TEXT NOT NULL,
  "CustomName" TEXT
);
CREATE UNIQUE INDEX "IX_DeviceOptions_DeviceId" ON "DeviceOptions" ("DeviceId");

CREATE TABLE "Devices" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_Devices" PRIMARY KEY AUTOINCREMENT, "UserId" TEXT NOT NULL,
  "AccessToken" TEXT NOT NULL, "AppName" TEXT NOT NULL, "AppVersion" TEXT NOT NULL, "DeviceName" TEXT NOT NULL,
  "DeviceId" TEXT NOT NULL, "IsActive" INTEGER NOT NULL, "DateCreated" TEXT NOT NULL,
  "DateModified" TEXT NOT NULL, "DateLastActivity" TEXT NOT NULL,
  CONSTRAINT "FK_Devices_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_Devices_DeviceId" ON "Devices" ("DeviceId");
CREATE INDEX "IX_Devices_AccessToken_DateLastActivity" ON "Devices" ("AccessToken", "DateLastActivity");
CREATE INDEX "IX_Devices_DeviceId_DateLastActivity" ON "Devices" ("DeviceId", "DateLastActivity");
CREATE INDEX "IX_Devices_UserId_DeviceId" ON "Devices" ("UserId", "DeviceId");

CREATE TABLE "HomeSection" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_HomeSection" PRIMARY KEY AUTOINCREMENT,
  "DisplayPreferencesId" INTEGER NOT NULL, "Order" INTEGER NOT NULL, "Type" INTEGER NOT NULL,
  CONSTRAINT "FK_HomeSection_DisplayPreferences_DisplayPreferencesId"
    FOREIGN KEY ("DisplayPreferencesId") REFERENCES "DisplayPreferences" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_HomeSection_DisplayPreferencesId" ON "HomeSection" ("DisplayPreferencesId");

CREATE TABLE "ImageInfos" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_ImageInfos" PRIMARY KEY AUTOINCREMENT, "UserId" TEXT,
  "Path" TEXT NOT NULL, "LastModified" TEXT NOT NULL,
  CONSTRAINT "FK_ImageInfos_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "IX_ImageInfos_UserId" ON "ImageInfos" ("UserId");

CREATE TABLE "ItemDisplayPreferences" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_ItemDisplayPreferences" PRIMARY KEY AUTOINCREMENT,
  "UserId" TEXT NOT NULL, "ItemId" TEXT NOT NULL, "Client" TEXT NOT NULL, "ViewType" INTEGER NOT NULL,
  "RememberIndexing" INTEGER NOT NULL, "IndexBy" INTEGER, "RememberSorting" INTEGER NOT NULL,
  "SortBy" TEXT NOT NULL, "SortOrder" INTEGER NOT NULL,
  CONSTRAINT "FK_ItemDisplayPreferences_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_ItemDisplayPreferences_UserId" ON "ItemDisplayPreferences" ("UserId");

CREATE TABLE "ItemValuesMap" (
  "ItemId" TEXT NOT NULL, "ItemValueId" TEXT NOT NULL,
  CONSTRAINT "PK_ItemValuesMap" PRIMARY KEY ("ItemValueId", "ItemId"),
  CONSTRAINT "FK_ItemValuesMap_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE,
  CONSTRAINT "FK_ItemValuesMap_ItemValues_ItemValueId"
    FOREIGN KEY ("ItemValueId") REFERENCES "ItemValues" ("ItemValueId") ON DELETE CASCADE
);
CREATE INDEX "IX_ItemValuesMap_ItemId" ON "ItemValuesMap" ("ItemId");

CREATE TABLE "KeyframeData" (
  "ItemId" TEXT NOT NULL CONSTRAINT "PK_KeyframeData" PRIMARY KEY, "TotalDuration" INTEGER NOT NULL,
  "KeyframeTicks" TEXT,
  CONSTRAINT "FK_KeyframeData_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);

CREATE TABLE "MediaSegments" (
  "Id" TEXT NOT NULL CONSTRAINT "PK_MediaSegments" PRIMARY KEY, "ItemId" TEXT NOT NULL,
  "Type" INTEGER NOT NULL, "EndTicks" INTEGER NOT NULL, "StartTicks" INTEGER NOT NULL,
  "SegmentProviderId" TEXT NOT NULL
);

CREATE TABLE "MediaStreamInfos" (
  "ItemId" TEXT NOT NULL, "StreamIndex" INTEGER NOT NULL, "StreamType" INTEGER NOT NULL, "Codec" TEXT,
  "Language" TEXT, "ChannelLayout" TEXT, "Profile" TEXT, "AspectRatio" TEXT, "Path" TEXT,
  "IsInterlaced" INTEGER, "BitRate" INTEGER, "Channels" INTEGER, "SampleRate" INTEGER,
  "IsDefault" INTEGER NOT NULL, "IsForced" INTEGER NOT NULL, "IsExternal" INTEGER NOT NULL, "Height" INTEGER,
  "Width" INTEGER, "AverageFrameRate" REAL, "RealFrameRate" REAL, "Level" REAL, "PixelFormat" TEXT,
  "BitDepth" INTEGER, "IsAnamorphic" INTEGER, "RefFrames" INTEGER, "CodecTag" TEXT, "Comment" TEXT,
  "NalLengthSize" TEXT, "IsAvc" INTEGER, "Title" TEXT, "TimeBase" TEXT, "CodecTimeBase" TEXT,
  "ColorPrimaries" TEXT, "ColorSpace" TEXT, "ColorTransfer" TEXT, "DvVersionMajor" INTEGER,
  "DvVersionMinor" INTEGER, "DvProfile" INTEGER, "DvLevel" INTEGER, "RpuPresentFlag" INTEGER,
  "ElPresentFlag" INTEGER, "BlPresentFlag" INTEGER, "DvBlSignalCompatibilityId" INTEGER,
  "IsHearingImpaired" INTEGER, "Rotation" INTEGER, "KeyFrames" TEXT, "Hdr10PlusPresentFlag" INTEGER,
  CONSTRAINT "PK_MediaStreamInfos" PRIMARY KEY ("ItemId", "StreamIndex"),
  CONSTRAINT "FK_MediaStreamInfos_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_MediaStreamInfos_StreamIndex" ON "MediaStreamInfos" ("StreamIndex");
CREATE INDEX "IX_MediaStreamInfos_StreamType" ON "MediaStreamInfos" ("StreamType");
CREATE INDEX "IX_MediaStreamInfos_StreamIndex_StreamType" ON "MediaStreamInfos" ("StreamIndex", "StreamType");
CREATE INDEX "IX_MediaStreamInfos_StreamIndex_StreamType_Language" ON
  "MediaStreamInfos" ("StreamIndex", "StreamType", "Language");

CREATE TABLE "PeopleBaseItemMap" (
  "ItemId" TEXT NOT NULL, "PeopleId" TEXT NOT NULL, "Role" TEXT NOT NULL, "SortOrder" INTEGER,
  "ListOrder" INTEGER, CONSTRAINT "PK_PeopleBaseItemMap" PRIMARY KEY ("ItemId", "PeopleId", "Role"),
  CONSTRAINT "FK_PeopleBaseItemMap_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE,
  CONSTRAINT "FK_PeopleBaseItemMap_Peoples_PeopleId"
    FOREIGN KEY ("PeopleId") REFERENCES "Peoples" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_PeopleBaseItemMap_PeopleId" ON "PeopleBaseItemMap" ("PeopleId");
CREATE INDEX "IX_PeopleBaseItemMap_ItemId_ListOrder" ON "PeopleBaseItemMap" ("ItemId", "ListOrder");
CREATE INDEX "IX_PeopleBaseItemMap_ItemId_SortOrder" ON "PeopleBaseItemMap" ("ItemId", "SortOrder");

CREATE TABLE "Permissions" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_Permissions" PRIMARY KEY AUTOINCREMENT, "UserId" TEXT,
  "Kind" INTEGER NOT NULL, "Value" INTEGER NOT NULL, "RowVersion" INTEGER NOT NULL,
  "Permission_Permissions_Guid" TEXT,
  CONSTRAINT "FK_Permissions_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "IX_Permissions_UserId_Kind" ON "Permissions" ("UserId", "Kind") WHERE "UserId" IS NOT NULL;

CREATE TABLE "Preferences" (
  "Id" INTEGER NOT NULL CONSTRAINT "PK_Preferences" PRIMARY KEY AUTOINCREMENT, "UserId" TEXT,
  "Kind" INTEGER NOT NULL, "Value" TEXT NOT NULL, "RowVersion" INTEGER NOT NULL,
  "Preference_Preferences_Guid" TEXT,
  CONSTRAINT "FK_Preferences_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "IX_Preferences_UserId_Kind" ON "Preferences" ("UserId", "Kind") WHERE "UserId" IS NOT NULL;

CREATE TABLE "TrickplayInfos" (
  "ItemId" TEXT NOT NULL, "Width" INTEGER NOT NULL, "Height" INTEGER NOT NULL, "TileWidth" INTEGER NOT NULL,
  "TileHeight" INTEGER NOT NULL, "ThumbnailCount" INTEGER NOT NULL, "Interval" INTEGER NOT NULL,
  "Bandwidth" INTEGER NOT NULL, CONSTRAINT "PK_TrickplayInfos" PRIMARY KEY ("ItemId", "Width")
);

CREATE TABLE "UserData" (
  "ItemId" TEXT NOT NULL, "UserId" TEXT NOT NULL, "CustomDataKey" TEXT NOT NULL, "Rating" REAL,
  "PlaybackPositionTicks" INTEGER NOT NULL, "PlayCount" INTEGER NOT NULL, "IsFavorite" INTEGER NOT NULL,
  "LastPlayedDate" TEXT, "Played" INTEGER NOT NULL, "AudioStreamIndex" INTEGER, "SubtitleStreamIndex" INTEGER,
  "Likes" INTEGER, "RetentionDate" TEXT,
  CONSTRAINT "PK_UserData" PRIMARY KEY ("ItemId", "UserId", "CustomDataKey"),
  CONSTRAINT "FK_UserData_BaseItems_ItemId"
    FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE,
  CONSTRAINT "FK_UserData_Users_UserId"
    FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE
);
CREATE INDEX "IX_UserData_UserId" ON "UserData" ("UserId");
CREATE INDEX "IX_UserData_ItemId_UserId_IsFavorite" ON "UserData" ("ItemId", "UserId", "IsFavorite");
CREATE INDEX "IX_UserData_ItemId_UserId_LastPlayedDate" ON "UserData" ("ItemId", "UserId", "LastPlayedDate");
CREATE INDEX "IX_UserData_ItemId_UserId_PlaybackPositionTicks" ON
  "UserData" ("ItemId", "UserId", "PlaybackPositionTicks");
CREATE INDEX "IX_UserData_ItemId_UserId_Played" ON "UserData" ("ItemId", "UserId", "Played");
