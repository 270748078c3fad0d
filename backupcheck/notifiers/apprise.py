"""Messages by mail, ntfy, Telegram, Slack, Matrix and a hundred more, through the library Apprise."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backupcheck.errors import BackupcheckError
from backupcheck.notifier import Notice, Notifier, Stage, hush
from backupcheck.result import Finding

if TYPE_CHECKING:
    from apprise import AppriseAsset

LONGEST_SCHEMA = 20


class Apprise(Notifier):
    """A message through Apprise (https://github.com/caronc/apprise): what is bad, what is still bad, what is good
    again.

    The file holds one of Apprise's addresses a line, such as `mailtos://user:password@example.org`, `ntfys://topic`
    or `tgram://token/chat`. What is newly bad is told at once, with all that is bad; what is still bad once a day;
    what was bad and is good again, once. A plain good run is silent unless `when` has `always`. A message that
    could not be delivered is sent with the next run.

        - apprise: {url_file: /etc/backupcheck/apprise.url}
        - apprise: {url_file: /etc/backupcheck/chat.url, when: [failure, recovery], again_after: 6d20h}

    It needs `pip install 'backupcheck[notify]'`. Findings: `notify.not-delivered`, `notify.timed-out`,
    `notify.url-invalid`, `notify.library-missing`, `notify.file-missing`, `notify.file-unreadable`, and as a
    warning `notify.file-open`. Why a server refused a message is not repeated: its answer may quote the address.
    """

    def deliver(self, notice: Notice) -> Iterator[Finding]:
        """One message to each address, one after the other."""
        hush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's plug-ins, also of those that are not used
            asset = _asset()
            for number, url in enumerate(self.urls(), 1):
                yield self._told_by(url, f"address {number}", notice, asset)

    def _told_by(self, url: str, name: str, notice: Notice, asset: AppriseAsset) -> Finding:
        import apprise

        kind = {
            Stage.GOOD: apprise.NotifyType.SUCCESS,
            Stage.BAD: apprise.NotifyType.FAILURE,
        }.get(notice.stage, apprise.NotifyType.INFO)
        try:
            server = apprise.Apprise.instantiate(url, asset=asset)
            if server is None:
                return self.untold(
                    "url-invalid",
                    f"{name} in {self.url_file} is none that Apprise knows, or it is not complete",
                    "see https://github.com/caronc/apprise/wiki for how it is written",
                    name,
                )
            name = f"{name} ({_schema(url)})"
            if server.overflow_mode == apprise.OverflowMode.UPSTREAM:
                server.overflow_mode = apprise.OverflowMode.SPLIT
            messenger = apprise.Apprise(asset=asset)
            messenger.add(server)
            done = messenger.notify(
                body=notice.text, title=notice.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:  # noqa: BLE001  a plug-in's error may quote the address, so its name is enough
            return self._failed(name, f" ({type(error).__name__})")
        return self.told(name) if done else self._failed(name, "")

    def _failed(self, name: str, how: str) -> Finding:
        return self.untold(
            "not-delivered",
            f"the message was not delivered by {name} of {self.url_file}{how}",
            "see that the server can be reached and takes this address: `backupcheck notify --test`",
            name,
        )


def _schema(url: str) -> str:
    """The part of an address that is no secret."""
    schema = url.partition("://")[0]
    return schema if schema.isalnum() and schema.isascii() and len(schema) <= LONGEST_SCHEMA else "?"


def _asset() -> AppriseAsset:
    """Apprise without logs, files, plug-ins and redirects."""
    try:
        import apprise
    except ImportError:
        raise BackupcheckError(
            "the library Apprise is not installed",
            id="notify.library-missing",
            advice="pip install 'backupcheck[notify]'",
        ) from None
    return apprise.AppriseAsset(
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        app_id="backupcheck",
        app_desc="backupcheck",
        async_mode=False,
        secure_logging=True,
        http_redirects=False,
        interpret_emojis=False,
    )
