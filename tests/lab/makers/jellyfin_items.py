"""Jellyfin's library: three collections as a tree of items, and the pictures on disk that they refer to."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tests.lab.makers import family, pictures
from tests.lab.makers.tree import Database, Tree, Value

DATA = "/var/lib/jellyfin"
PLACEHOLDER = "00000000-0000-0000-0000-000000000001"
"""The item on which the user data of deleted items hangs; Jellyfin's schema puts it there."""

_ENTITIES = "MediaBrowser.Controller.Entities"
PRIMARY, BACKDROP = 0, 2
PICTURE_NAMES = {PRIMARY: "poster.jpg", BACKDROP: "backdrop.jpg"}

LIBRARIES = {"Movies": "/srv/media/movies", "Shows": "/srv/media/shows", "Music": "/srv/media/music"}
COLLECTION_TYPES = {"Movies": "movies", "Shows": "tvshows", "Music": "music"}

_FIRST = ("Silent", "Northern", "Paper", "Distant", "Amber", "Winter", "Hidden", "Iron", "Golden", "Restless")
_SECOND = ("Harbour", "Orchard", "Signal", "Lanterns", "Archive", "Tide", "Garden", "Compass")
GENRES = ("Drama", "Comedy", "Documentary", "Science Fiction", "Family", "Crime")
ACTORS = ("Liv Aaberg", "Tomas Renn", "Odile Marchand", "Kofi Adu", "Yuki Hara", "Marta Sol", "Ben Okri")

MOVIES, SERIES, SEASONS, EPISODES, ALBUMS, TRACKS = 72, 6, 2, 5, 6, 6


def guid(rng: random.Random) -> str:
    """An id as Entity Framework writes it: upper case, with dashes."""
    return str(uuid.UUID(bytes=rng.randbytes(16), version=4)).upper()


def text(moment: datetime) -> str:
    """A date as Entity Framework writes it: seven digits of a second, without a zone."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}0"


@dataclass(frozen=True)
class Item:
    """A row of BaseItems, with the items above it, nearest first."""

    id: str
    kind: str
    name: str
    path: str
    above: tuple[Item, ...] = ()
    values: dict[str, Value] = field(default_factory=dict)

    @property
    def playable(self) -> bool:
        return self.kind in ("Movies.Movie", "TV.Episode", "Audio.Audio")


@dataclass
class Library:
    """The library while it is being written: rows into `database`, pictures into `tree`."""

    database: Database
    tree: Tree
    rng: random.Random

    def fill(self) -> list[Item]:
        """Write everything, return the items that can be played."""
        self._placeholder()
        items = list(self._items())
        for item in items:
            self._row(item)
        for item in items:
            for above in item.above:
                self.database.add("AncestorIds", ItemId=item.id, ParentItemId=above.id)
            self._pictures(item)
        return [item for item in items if item.playable]

    def _placeholder(self) -> None:
        name = "This is a placeholder item for UserData that has been detacted from its original item"
        self.database.add("BaseItems", Id=PLACEHOLDER, Type="PLACEHOLDER", Name=name, **_FLAGS)

    def _items(self) -> Iterator[Item]:
        root = self._item("AggregateFolder", "Media Folders", f"{DATA}/root", ())
        views = self._item("UserRootFolder", "Media Folders", f"{DATA}/root/default", (root,))
        yield from (root, views)
        for name, path in LIBRARIES.items():
            yield self._item("CollectionFolder", name, f"{DATA}/root/default/{name}", (views, root))
            folder = self._item("Folder", path.rsplit("/", 1)[1], path, (root,))
            yield folder
            yield from {"Movies": self._movies, "Shows": self._shows, "Music": self._music}[name](folder)

    def _item(self, kind: str, name: str, path: str, above: tuple[Item, ...], **values: Value) -> Item:
        return Item(guid(self.rng), kind, name, path, above, values)

    def _titles(self, count: int) -> list[str]:
        return self.rng.sample([f"{first} {second}" for first in _FIRST for second in _SECOND], count)

    def _movies(self, folder: Item) -> Iterator[Item]:
        for title in self._titles(MOVIES):
            year = self.rng.randrange(1960, 2026)
            name = f"{title} ({year})"
            path = f"{folder.path}/{name}/{name}.mkv"
            yield self._item(
                "Movies.Movie", title, path, (folder, *folder.above), ProductionYear=year, IsMovie=True
            )

    def _shows(self, folder: Item) -> Iterator[Item]:
        for title in self._titles(SERIES):
            series = self._item(
                "TV.Series", title, f"{folder.path}/{title}", (folder, *folder.above), IsSeries=True
            )
            yield series
            for number in range(1, SEASONS + 1):
                series_values: dict[str, Value] = {"SeriesId": series.id, "SeriesName": title}
                name = f"Season {number}"
                season = self._item(
                    "TV.Season",
                    name,
                    f"{series.path}/Season {number:02}",
                    (series, *series.above),
                    IndexNumber=number,
                    **series_values,
                )
                yield season
                series_values.update(SeasonId=season.id, SeasonName=name, ParentIndexNumber=number)
                for episode, about in enumerate(self._titles(EPISODES), 1):
                    path = f"{season.path}/{title} S{number:02}E{episode:02}.mkv"
                    above = (season, *season.above)
                    yield self._item("TV.Episode", about, path, above, IndexNumber=episode, **series_values)

    def _music(self, folder: Item) -> Iterator[Item]:
        for title in self._titles(ALBUMS):
            artist = self.rng.choice(ACTORS)
            path = f"{folder.path}/{artist} - {title}"
            album = self._item("Audio.MusicAlbum", title, path, (folder, *folder.above), AlbumArtists=artist)
            yield album
            for number, track in enumerate(self._titles(TRACKS), 1):
                path = f"{album.path}/{number:02} {track}.flac"
                above = (album, *album.above)
                yield self._item(
                    "Audio.Audio", track, path, above, IndexNumber=number, Album=title, AlbumArtists=artist
                )

    def _row(self, item: Item) -> None:
        created = text(family.before(self.rng, 700))
        top = next((above.id for above in (item, *item.above) if above.kind == "Folder"), None)
        values: dict[str, Value] = {
            **_FLAGS,
            "Id": item.id,
            "Type": f"{_ENTITIES}.{item.kind}",
            "Name": item.name,
            "CleanName": item.name.lower(),
            "SortName": item.name.lower(),
            "Path": item.path,
            "ParentId": item.above[0].id if item.above else None,
            "TopParentId": top,
            "Data": json.dumps({"IsHD": True} if item.playable else {}),
            "DateCreated": created,
            "DateModified": created,
            "DateLastRefreshed": text(family.before(self.rng, 30)),
            "DateLastSaved": text(family.before(self.rng, 30)),
            "IsFolder": not item.playable,
            "MediaType": _media_type(item.kind),
            "PresentationUniqueKey": item.id.replace("-", "").lower(),
            "RunTimeTicks": self.rng.randrange(120, 9000) * 10_000_000 if item.playable else None,
            "Size": self.rng.randrange(10**7, 10**10) if item.playable else None,
            "Genres": "|".join(self.rng.sample(GENRES, 2)) if item.kind in ("Movies.Movie", "TV.Series") else None,
        }
        self.database.add("BaseItems", **values | item.values)

    def _pictures(self, item: Item) -> None:
        kinds = {"Movies.Movie": (PRIMARY, BACKDROP), "TV.Series": (PRIMARY, BACKDROP)}.get(item.kind, (PRIMARY,))
        if item.kind in ("AggregateFolder", "UserRootFolder", "Folder", "Audio.Audio"):
            return
        for kind in kinds:
            columns, rows = (8, 12) if kind == PRIMARY else (16, 9)
            self.database.add(
                "BaseItemImageInfos",
                Id=guid(self.rng),
                ItemId=item.id,
                Path=self._picture(item, kind, (columns, rows)),
                DateModified=text(family.before(self.rng, 400)),
                ImageType=kind,
                Width=columns * 8,
                Height=rows * 8,
                Blurhash=b"L6PZfSi_.AyE_3t7t7R**0o#DgR4",
            )

    def _picture(self, item: Item, kind: int, blocks: tuple[int, int]) -> str:
        """The path in the row: beside an episode's media, else in the metadata, where a file is written.

        Rows from before 10.11 have `%MetadataPath%` for the metadata folder.
        """
        if item.kind == "TV.Episode":
            return item.path.removesuffix(".mkv") + "-thumb.jpg"
        folder = item.id.replace("-", "").lower()
        inner = f"library/{folder[:2]}/{folder}/{PICTURE_NAMES[kind]}"
        self.tree.file(f"{DATA}/metadata/{inner}", pictures.jpeg(self.rng, *blocks))
        return f"%MetadataPath%/{inner}" if self.rng.random() < 0.05 else f"{DATA}/metadata/{inner}"


_FLAGS: dict[str, Value] = dict.fromkeys(
    ("IsFolder", "IsInMixedFolder", "IsLocked", "IsMovie", "IsRepeat", "IsSeries", "IsVirtualItem"), False
)


def _media_type(kind: str) -> str | None:
    return {"Movies.Movie": "Video", "TV.Episode": "Video", "Audio.Audio": "Audio"}.get(kind)
