"""Who uses Jellyfin: accounts, rights, devices, keys, what they have seen, and the log of it."""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass

from tests.lab.makers import family
from tests.lab.makers.jellyfin_items import PLACEHOLDER, Item, guid, text
from tests.lab.makers.tree import Database, Value

LOCAL = "Jellyfin.Server.Implementations.Users.DefaultAuthenticationProvider"
LDAP = "Jellyfin.Plugin.LDAP_Auth.LdapAuthenticationProviderPlugin"
RESET = "Jellyfin.Server.Implementations.Users.DefaultPasswordResetProvider"
PICTURED = family.FAMILY[:3]
PERMISSIONS, PREFERENCES = 24, 13
"""How many kinds there are of each; every user has a row of every kind."""
APPS = (("Jellyfin Web", "10.11.11"), ("Jellyfin Android", "2.6.3"), ("Findroid", "0.15.4"), ("Kodi", "1.0.8"))


def profile_picture(person: family.Person) -> str:
    return f"/etc/jellyfin/users/{person.username}/profile.jpg"


@dataclass
class Users:
    """The rows of the people, and of what hangs on them."""

    database: Database
    rng: random.Random

    def fill(self, items: list[Item]) -> None:
        for number, person in enumerate(family.FAMILY):
            user = guid(self.rng)
            self._account(user, person, number)
            self._rights(user, number == 0)
            self._displays(user)
            self._devices(user, person)
            self._seen(user, self.rng.sample(items, 25))
        for name in ("Jellyseerr", "Homepage"):
            when = text(family.before(self.rng, 400))
            token = self.rng.randbytes(16).hex()
            self.database.add("ApiKeys", DateCreated=when, DateLastActivity=when, Name=name, AccessToken=token)

    def _account(self, user: str, person: family.Person, number: int) -> None:
        local = number < 2
        self.database.add(
            "Users",
            Id=user,
            Username=person.username,
            NormalizedUsername=person.username.upper(),
            Password=_hashed(person.password, self.rng, old=number == 1) if local else None,
            AuthenticationProviderId=LOCAL if local else LDAP,
            PasswordResetProviderId=RESET,
            LastActivityDate=text(family.before(self.rng, 5)),
            LastLoginDate=text(family.before(self.rng, 40, 5)),
            InternalId=number + 1,
            MaxParentalRatingScore=12 if "children" in person.groups else None,
            CastReceiverId="F007D354",
            SubtitleMode=0,
            **dict.fromkeys(_COUNTERS, 0),
            **dict.fromkeys(_OFF, False),
            **dict.fromkeys(_ON, True),
        )
        if person in PICTURED:
            changed = text(family.before(self.rng, 300))
            self.database.add("ImageInfos", UserId=user, Path=profile_picture(person), LastModified=changed)
        if "children" in person.groups:
            self.database.add("AccessSchedules", UserId=user, DayOfWeek=7, StartHour=7.0, EndHour=20.5)

    def _rights(self, user: str, admin: bool) -> None:
        """Kind 0 is IsAdministrator, 2 IsDisabled."""
        for kind in range(PERMISSIONS):
            value = admin if kind == 0 else kind not in (1, 2)
            self.database.add("Permissions", UserId=user, Kind=kind, Value=value, RowVersion=0)
        for kind in range(PREFERENCES):
            self.database.add("Preferences", UserId=user, Kind=kind, Value="", RowVersion=0)

    def _displays(self, user: str) -> None:
        view = str(uuid.UUID(int=0))
        display = self.database.add(
            "DisplayPreferences",
            UserId=user,
            ItemId=view,
            Client="emby",
            ShowSidebar=False,
            ShowBackdrop=True,
            ScrollDirection=0,
            SkipForwardLength=30000,
            SkipBackwardLength=10000,
            ChromecastVersion=0,
            EnableNextVideoInfoOverlay=True,
        )
        for order in range(4):
            self.database.add("HomeSection", DisplayPreferencesId=display, Order=order, Type=order + 1)
        self.database.add(
            "ItemDisplayPreferences",
            UserId=user,
            ItemId=view,
            Client="emby",
            ViewType=1,
            RememberIndexing=False,
            RememberSorting=True,
            SortBy="SortName",
            SortOrder=0,
        )
        self.database.add(
            "CustomItemDisplayPreferences",
            UserId=user,
            ItemId=view,
            Client="emby",
            Key="landing-movies",
            Value="latest",
        )

    def _devices(self, user: str, person: family.Person) -> None:
        for app, version in self.rng.sample(APPS, 2):
            made, used = text(family.before(self.rng, 500, 60)), text(family.before(self.rng, 50))
            device = self.rng.randbytes(20).hex()
            name = f"{person.given_name}'s {app.split()[-1]}"
            self.database.add(
                "Devices",
                UserId=user,
                AccessToken=self.rng.randbytes(16).hex(),
                AppName=app,
                AppVersion=version,
                DeviceName=name,
                DeviceId=device,
                IsActive=True,
                DateCreated=made,
                DateModified=used,
                DateLastActivity=used,
            )
            if app == "Kodi":
                self.database.add("DeviceOptions", DeviceId=device, CustomName="Living room")

    def _seen(self, user: str, items: list[Item]) -> None:
        for item in items:
            played = self.rng.random() < 0.7
            self._watched(item.id, user, item.id.lower(), played=played)
            self.database.add(
                "ActivityLogs",
                Name=f"{item.name} was played",
                Type="VideoPlaybackStopped",
                UserId=user,
                ItemId=item.id.replace("-", "").lower(),
                DateCreated=text(family.before(self.rng, 90)),
                LogSeverity=2,
                RowVersion=0,
            )
        gone = {"RetentionDate": text(family.before(self.rng, 60))}
        self._watched(PLACEHOLDER, user, f"tt{self.rng.randrange(10**6, 10**7)}", played=True, **gone)

    def _watched(self, item: str, user: str, key: str, *, played: bool, **more: Value) -> None:
        self.database.add(
            "UserData",
            ItemId=item,
            UserId=user,
            CustomDataKey=key,
            PlaybackPositionTicks=0 if played else self.rng.randrange(10**9, 10**10),
            PlayCount=1,
            IsFavorite=self.rng.random() < 0.1,
            LastPlayedDate=text(family.before(self.rng, 300)),
            Played=played,
            **more,
        )


def _hashed(password: str, rng: random.Random, old: bool) -> str:
    """The password as Jellyfin keeps it; the old form is PBKDF2 with SHA-1, 1000 rounds and half the length."""
    salt = rng.randbytes(16)
    name, digest, rounds, length = ("PBKDF2", "sha1", 1000, 32) if old else ("PBKDF2-SHA512", "sha512", 210000, 64)
    key = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds, length)
    return f"${name}$iterations={rounds}${salt.hex().upper()}${key.hex().upper()}"


_COUNTERS = ("InvalidLoginAttemptCount", "MaxActiveSessions", "SyncPlayAccess", "RowVersion")
_OFF = (
    "MustUpdatePassword",
    "DisplayMissingEpisodes",
    "DisplayCollectionsView",
    "EnableLocalPassword",
    "EnableAutoLogin",
)
_ON = (
    "PlayDefaultAudioTrack",
    "HidePlayedInLatest",
    "RememberAudioSelections",
    "RememberSubtitleSelections",
    "EnableNextEpisodeAutoPlay",
    "EnableUserPreferenceAccess",
)
