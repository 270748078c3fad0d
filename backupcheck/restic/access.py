"""How a restic repository is opened: its URL, its password, its storage's credentials."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from backupcheck.errors import RepositoryError

CLOUDS = ("b2", "azure", "gs", "swift")
AT_HOME = (".local", ".lan", ".home", ".internal", ".localdomain", ".home.arpa")
SECRET = re.compile(r"KEY|SECRET|TOKEN|PASS|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """How a repository is opened: restic's URL, the password's file, the storage's environment variables.

    With a `home`, restic finds there what it looks for in a user's home, such as rclone's configuration.
    """

    url: str
    password_file: Path
    environment_file: Path | None = None
    home: Path | None = None

    @property
    def folder(self) -> Path | None:
        """The repository's folder, if it is one of this machine's."""
        path = self.url.removeprefix("local:")
        return None if re.match(r"[a-z0-9]+:", path) else Path(path).absolute()

    @property
    def name(self) -> str:
        """The URL as it may be shown."""
        inside = urlsplit(self.url.partition(":")[2]).password
        return self.url.replace(f":{inside}@", ":***@") if inside else self.url

    @property
    def off_site(self) -> bool:
        """Whether the URL leads elsewhere: to a cloud, or to a name or address that is public."""
        scheme, host = self._server
        if scheme in CLOUDS or not host:
            return scheme in CLOUDS
        try:
            return ipaddress.ip_address(host).is_global
        except ValueError:
            return "." in host and not host.lower().endswith(AT_HOME)

    @property
    def place(self) -> str:
        """What it would be lost with: a server, or a cloud's bucket."""
        scheme, host = self._server
        return f"server {host}" if host and scheme in ("sftp", "rest") else self.name

    @property
    def _server(self) -> tuple[str, str]:
        """The scheme and the host in the URL, each empty where there is none."""
        match = re.match(r"([a-z0-9]+):(.*)", self.url)
        if match is None or match[1] in ("local", "rclone"):
            return "", ""
        rest = match[2] if "://" in match[2] else "//" + match[2].lstrip("/")
        if match[1] == "sftp":  # `sftp:me@host:/folder` and `sftp://me@host:22//folder`
            rest = match[2] if match[2].startswith("//") else "//" + match[2].partition(":")[0]
        try:
            return match[1], urlsplit(rest).hostname or ""
        except ValueError:
            return match[1], ""

    def environment(self) -> dict[str, str]:
        """The variables for restic. Raises `RepositoryError` where a file of them is missing or empty."""
        try:
            empty = not self.password_file.read_bytes().strip()
        except OSError as error:
            raise RepositoryError(
                f"the repository's password file {self.password_file} cannot be read: {error.strerror}",
                id="repository.password-missing",
                advice="put the password there, or name its file in site.yaml under repository.password_file",
            ) from error
        if empty:
            raise RepositoryError(
                f"the password file {self.password_file} is empty", id="repository.password-missing"
            )
        own = {
            "RESTIC_REPOSITORY": str(self.folder or self.url),
            "RESTIC_PASSWORD_FILE": str(self.password_file.absolute()),
        }
        home = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home)} if self.home else {}
        return {**home, **self._credentials(), **own}

    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: a password in the URL, and the credentials that are secret by their names."""
        inside = urlsplit(self.url.partition(":")[2]).password or ""
        return (inside, *(value for name, value in self._credentials().items() if SECRET.search(name)))

    def _credentials(self) -> dict[str, str]:
        if self.environment_file is None:
            return {}
        try:
            lines = self.environment_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RepositoryError(
                f"the storage's credentials in {self.environment_file} cannot be read: {type(error).__name__}",
                id="repository.credentials-missing",
                advice="put NAME=value lines there, or correct repository.environment_file",
            ) from error
        pairs = (line.removeprefix("export ").partition("=") for line in map(str.strip, lines) if "=" in line)
        return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs if not name.startswith("#")}
