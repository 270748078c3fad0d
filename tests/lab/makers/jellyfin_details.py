"""What Jellyfin knows of what can be played: streams, chapters, people, genres, ids elsewhere, keyframes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from tests.lab.makers.jellyfin_items import ACTORS, GENRES, Item, guid
from tests.lab.makers.tree import Database

GENRE = 2
VIDEO, AUDIO, SUBTITLE = 1, 0, 2
SECOND = 10_000_000
"""Ticks of a second."""


@dataclass
class Details:
    """Rows that hang on the playable items."""

    database: Database
    rng: random.Random

    def fill(self, items: list[Item]) -> None:
        genres = self._genres()
        people = self._people()
        for item in items:
            self._streams(item)
            if item.kind == "Audio.Audio":
                continue
            self._video(item)
            for genre in self.rng.sample(genres, 2):
                self.database.add("ItemValuesMap", ItemId=item.id, ItemValueId=genre)
            for order, person in enumerate(self.rng.sample(people, 2)):
                role = self.rng.choice(("The captain", "A neighbour", "Herself", ""))
                self.database.add(
                    "PeopleBaseItemMap",
                    ItemId=item.id,
                    PeopleId=person,
                    Role=role,
                    SortOrder=order,
                    ListOrder=order,
                )

    def _genres(self) -> list[str]:
        ids = []
        for name in GENRES:
            ids.append(guid(self.rng))
            self.database.add("ItemValues", ItemValueId=ids[-1], Type=GENRE, Value=name, CleanValue=name.lower())
        return ids

    def _people(self) -> list[str]:
        ids = []
        for name in ACTORS:
            ids.append(guid(self.rng))
            self.database.add("Peoples", Id=ids[-1], Name=name, PersonType="Actor")
        return ids

    def _streams(self, item: Item) -> None:
        plan = (
            ((AUDIO, "flac"),)
            if item.kind == "Audio.Audio"
            else ((VIDEO, "hevc"), (AUDIO, "eac3"), (SUBTITLE, "subrip"))
        )
        for index, (kind, codec) in enumerate(plan):
            size = {"Width": 1920, "Height": 1080, "BitDepth": 10} if kind == VIDEO else {}
            self.database.add(
                "MediaStreamInfos",
                ItemId=item.id,
                StreamIndex=index,
                StreamType=kind,
                Codec=codec,
                Language=None if kind == VIDEO else self.rng.choice(("swe", "eng", "fra")),
                IsDefault=kind != SUBTITLE,
                IsForced=False,
                IsExternal=False,
                BitRate=self.rng.randrange(300_000, 9_000_000),
                **size,
            )

    def _video(self, item: Item) -> None:
        self.database.insert("BaseItemProviders", item.id, "Tmdb", str(self.rng.randrange(100, 999_999)))
        self.database.insert("BaseItemProviders", item.id, "Imdb", f"tt{self.rng.randrange(10**6, 10**7):07}")
        start = 0
        for number in range(4):
            self.database.add(
                "Chapters",
                ItemId=item.id,
                ChapterIndex=number,
                StartPositionTicks=start,
                Name=f"Chapter {number + 1}",
            )
            start += self.rng.randrange(200, 900) * SECOND
        chance = self.rng.random()
        if chance < 0.1:
            ticks = json.dumps([number * 4 * SECOND for number in range(20)])
            self.database.add("KeyframeData", ItemId=item.id, TotalDuration=start, KeyframeTicks=ticks)
        elif chance < 0.2:
            self.database.add(
                "AttachmentStreamInfos",
                ItemId=item.id,
                Index=3,
                Codec="ttf",
                Filename="a.ttf",
                MimeType="font/ttf",
            )
        elif chance < 0.3:
            self.database.add("BaseItemMetadataFields", Id=self.rng.randrange(8), ItemId=item.id)
        elif chance < 0.4:
            self.database.add("BaseItemTrailerTypes", Id=2, ItemId=item.id)
        elif chance < 0.6:
            self.database.add(
                "MediaSegments",
                Id=guid(self.rng),
                ItemId=item.id,
                Type=5,
                StartTicks=0,
                EndTicks=60 * SECOND,
                SegmentProviderId="5a0c8ad7f1d44b87a8b9e2f1c0d3e4f5",
            )
