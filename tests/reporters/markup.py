"""A page as a browser's parser sees it: its elements in order, and its text."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """`elements` are names with the names of their attributes, in order; `texts` the texts between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps an element; `id` and `class` values are the template's own."""
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keeps a text."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All text with its white space folded."""
        return " ".join(" ".join(self.texts).split())

    def having(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        """The attributes of the elements of this name that have these values."""
        return [
            found
            for name, found in self.attributes
            if name == tag and all(found.get(key.rstrip("_")) == value for key, value in attributes.items())
        ]
