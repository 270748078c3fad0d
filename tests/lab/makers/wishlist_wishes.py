"""What the family wishes for: lists, items, prices, pictures, and who has promised what."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass
from datetime import datetime

from tests.lab.makers import family
from tests.lab.makers.tree import Database, Value

WISHES = (
    "Cast iron pan",
    "Wool socks",
    "Telescope",
    "Bicycle bell",
    "Chess clock",
    "Fountain pen",
    "Rain jacket",
    "Board game: Cascadia",
    "Watercolour set",
    "Head torch",
    "Sourdough basket",
    "Hammock",
    "Jigsaw puzzle, 2000 pieces",
    "Espresso cups",
    "Kalimba",
    "Bird guide",
)
SHOPS = ("https://shop.example/products", "https://www.books.example/item")


@dataclass(frozen=True)
class User:
    """A row of `user`: its id, who it is, and the upload that is their picture."""

    id: str
    person: family.Person
    picture: str | None


def identifier(rng: random.Random) -> str:
    return str(uuid.UUID(bytes=rng.randbytes(16), version=4))


def milliseconds(moment: datetime) -> int:
    """A date as Prisma's native engine writes it."""
    return int(moment.timestamp() * 1000)


@dataclass
class Wishes:
    """The rows of the lists and of what hangs on them; `uploads` are the names that they refer to."""

    database: Database
    rng: random.Random
    users: list[User]
    group: str

    def __post_init__(self) -> None:
        self.uploads: list[str] = []

    def fill(self) -> None:
        guest = identifier(self.rng)
        self.database.add("system_user", id=guest, username=f"guest@{family.DOMAIN}", name="Guest")
        for number, owner in enumerate(self.users):
            listing = self._list(owner, "Birthday" if number % 2 else None, public=number == 0)
            if number in (3, 5):
                self.database.add("list_manager", id=identifier(self.rng), userId=self.users[0].id, listId=listing)
            others = [user for user in self.users if user is not owner]
            for order, wish in enumerate(self.rng.sample(WISHES, 8)):
                item = self._listed_item(wish, owner, listing, order)
                if number == order == 0:
                    self._claim(item, listing, publicClaimedById=guest)
                elif self.rng.random() < 0.35:
                    self._claim(item, listing, claimedById=self.rng.choice(others).id)

    def _list(self, owner: User, name: str | None, *, public: bool) -> str:
        listing = identifier(self.rng)
        self.database.add("list", id=listing, name=name, ownerId=owner.id, groupId=self.group, public=public)
        return listing

    def _listed_item(self, wish: str, owner: User, listing: str, order: int) -> int:
        author = owner if self.rng.random() < 0.8 else self.rng.choice(self.users)
        item = self._item(wish, owner, author)
        self.database.add(
            "list_item",
            id=identifier(self.rng),
            listId=listing,
            itemId=item,
            addedById=author.id,
            approved=author is owner or self.rng.random() < 0.5,
            displayOrder=order,
        )
        return item

    def _item(self, wish: str, owner: User, author: User) -> int:
        price = identifier(self.rng)
        self.database.add("item_price", id=price, value=self.rng.randrange(500, 25000), currency="EUR")
        shop = f"{self.rng.choice(SHOPS)}/{self.rng.randrange(10_000, 99_999)}"
        return self.database.add(
            "items",
            name=wish,
            itemPriceId=price,
            url=shop if self.rng.random() < 0.7 else None,
            note=self.rng.choice((None, "In green, if there is one", "Second-hand is fine")),
            imageUrl=self._picture(wish),
            quantity=self.rng.choice((1, 1, 1, 2, None)),
            userId=owner.id,
            createdById=author.id,
            mostWanted=self.rng.random() < 0.1,
        )

    def _picture(self, wish: str) -> str | None:
        """An upload (`<slug>-<milliseconds>.webp`), the address of a picture elsewhere, or nothing."""
        kind = self.rng.choices(("upload", "elsewhere", "none"), (6, 2, 2))[0]
        slug = re.sub(r"[^a-z0-9]+", "-", wish.lower()).strip("-")
        if kind == "upload":
            self.uploads.append(f"{slug}-{milliseconds(family.before(self.rng, 500))}.webp")
            return self.uploads[-1]
        return f"https://images.example/{slug}.jpg" if kind == "elsewhere" else None

    def _claim(self, item: int, listing: str, **by: Value) -> None:
        purchased = self.rng.random() < 0.5
        self.database.add(
            "list_item_claim", id=identifier(self.rng), itemId=item, listId=listing, purchased=purchased, **by
        )
