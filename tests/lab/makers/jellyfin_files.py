"""Jellyfin's files beside the database: configuration, plugins, libraries' folders, markers, tasks."""

from __future__ import annotations

import json
import random
from xml.sax.saxutils import escape

from tests.lab.makers import family, pictures
from tests.lab.makers.jellyfin_history import SERVER_VERSION
from tests.lab.makers.jellyfin_items import COLLECTION_TYPES, DATA, LIBRARIES
from tests.lab.makers.jellyfin_users import PICTURED, profile_picture
from tests.lab.makers.tree import Tree

CONFIG = "/etc/jellyfin"
MARKERS = (
    f"{DATA}/.jellyfin-data",
    f"{DATA}/data/.jellyfin-data",
    f"{DATA}/plugins/.jellyfin-plugin",
    f"{CONFIG}/.jellyfin-config",
)
"""Empty files that say which kind of folder this is; in a folder of another kind they stop the start."""

PLUGINS = {
    "LDAP Authentication": ("958aad66-3784-4d2a-b89a-a7b6fab6e25c", "22.0.0.0", "LDAP-Auth"),
    "Open Subtitles": ("4b9ed42f-5185-48b5-9803-6ff2989014c4", "23.0.0.0", "Jellyfin.Plugin.OpenSubtitles"),
    "Playback Reporting": (
        "5c534381-91a3-43cb-907a-35aa02eb9d2c",
        "17.0.0.0",
        "Jellyfin.Plugin.PlaybackReporting",
    ),
}
"""Name: guid, version, and the name of its assembly."""

_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_NAMESPACES = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'


def write(tree: Tree, rng: random.Random) -> None:
    """Write every file that is not the database or a picture of an item."""
    for marker in MARKERS:
        tree.file(marker, b"")
    tree.file(f"{DATA}/data/device.txt", rng.randbytes(16).hex())
    for folder in ("collections", "playlists", "subtitles", "attachments", "SQLiteBackups"):
        tree.folder(f"{DATA}/data/{folder}")
    for name in ("RefreshLibrary", "DeleteCacheFiles"):
        task = {"StatusCode": "Completed", "Name": name, "Key": name, "Id": rng.randbytes(16).hex()}
        tree.file(f"{DATA}/data/ScheduledTasks/{task['Id']}.js", json.dumps(task))
    _configuration(tree)
    _plugins(tree, rng)
    _libraries(tree)
    for person in PICTURED:
        tree.file(profile_picture(person), pictures.jpeg(rng, 12, 12))


def _document(name: str, values: dict[str, str]) -> str:
    """An XML document of one level, as .NET's serializer writes it."""
    lines = "".join(
        f"  <{key}>{escape(value)}</{key}>\n" if value else f"  <{key} />\n" for key, value in values.items()
    )
    return f"{_XML}<{name} {_NAMESPACES}>\n{lines}</{name}>"


def _configuration(tree: Tree) -> None:
    for name, (kind, values) in _DOCUMENTS.items():
        tree.file(f"{CONFIG}/{name}.xml", _document(kind, values))
    levels = {"Default": "Information", "Override": {"Microsoft": "Warning", "System": "Warning"}}
    logging = {"Serilog": {"MinimumLevel": levels, "WriteTo": [{"Name": "Console"}], "Enrich": ["FromLogContext"]}}
    tree.file(f"{CONFIG}/logging.default.json", json.dumps(logging, indent=4))


def _plugins(tree: Tree, rng: random.Random) -> None:
    for name, (guid, version, assembly) in PLUGINS.items():
        folder = f"{DATA}/plugins/{name}_{version}"
        manifest = {
            "category": "General",
            "changelog": "",
            "description": name,
            "guid": guid,
            "name": name,
            "overview": name,
            "owner": "jellyfin",
            "targetAbi": "10.11.0.0",
            "timestamp": "2026-03-14T10:00:00.0000000Z",
            "version": version,
            "status": "Active",
            "autoUpdate": True,
            "assemblies": [f"{assembly}.dll"],
        }
        tree.file(f"{folder}/meta.json", json.dumps(manifest, indent=2))
        tree.file(f"{folder}/{assembly}.dll", b"MZ\x90\0" + rng.randbytes(rng.randrange(8000, 20000)))
        settings = _LDAP if assembly == "LDAP-Auth" else {"Username": "", "Password": ""}
        tree.file(f"{DATA}/plugins/configurations/{assembly}.xml", _document("PluginConfiguration", settings))


def _libraries(tree: Tree) -> None:
    for name, path in LIBRARIES.items():
        folder = f"{DATA}/root/default/{name}"
        options = _document("LibraryOptions", {"Enabled": "true", "EnableRealtimeMonitor": "true"})
        place = f"  <PathInfos><MediaPathInfo><Path>{path}</Path></MediaPathInfo></PathInfos>\n"
        options = options.replace("</LibraryOptions>", f"{place}</LibraryOptions>")
        tree.file(f"{folder}/options.xml", options)
        tree.file(f"{folder}/{COLLECTION_TYPES[name]}.collection", b"")
        tree.file(f"{folder}/{path.rsplit('/', 1)[1]}.mblink", path)


_LDAP = {
    "LdapServer": family.LDAP_HOST,
    "LdapPort": "3890",
    "UseSsl": "false",
    "LdapBindUser": family.BIND_USER.dn,
    "LdapBindPassword": family.BIND_PASSWORD,
    "LdapBaseDn": f"ou=people,{family.BASE_DN}",
    "LdapSearchFilter": f"(memberOf=cn=media,ou=groups,{family.BASE_DN})",
    "LdapUidAttribute": "uid",
    "CreateUsersFromLdap": "true",
}

_DOCUMENTS: dict[str, tuple[str, dict[str, str]]] = {
    "system": (
        "ServerConfiguration",
        {
            "LogFileRetentionDays": "3",
            "IsStartupWizardCompleted": "true",
            "CachePath": "",
            "PreviousVersionStr": f"{SERVER_VERSION}.0",
            "EnableMetrics": "false",
            "IsPortAuthorized": "true",
            "QuickConnectAvailable": "true",
            "MetadataPath": "",
            "PreferredMetadataLanguage": "en",
            "MetadataCountryCode": "SE",
            "ServerName": "lindqvist",
            "UICulture": "en-US",
            "LibraryMonitorDelay": "60",
        },
    ),
    "network": (
        "NetworkConfiguration",
        {
            "BaseUrl": "",
            "EnableHttps": "false",
            "InternalHttpPort": "8096",
            "PublicHttpPort": "8096",
            "EnableIPv4": "true",
            "EnableRemoteAccess": "true",
            "KnownProxies": "",
            "PublishedServerUriBySubnet": f"all=https://{family.MEDIA_HOST}",
        },
    ),
    "encoding": (
        "EncodingOptions",
        {
            "EncodingThreadCount": "-1",
            "HardwareAccelerationType": "none",
            "EncoderAppPathDisplay": "/usr/lib/ffmpeg",
        },
    ),
    "branding": (
        "BrandingOptions",
        {"LoginDisclaimer": "Lindqvist", "CustomCss": "", "SplashscreenEnabled": "false"},
    ),
    "database": (
        "DatabaseConfigurationOptions",
        {"DatabaseType": "Jellyfin-SQLite", "LockingBehavior": "NoLock"},
    ),
}
