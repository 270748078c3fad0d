"""Spec and site files: YAML to models, or file:line:column and what is wrong, all of it at once."""

from backupcheck.spec.models import (
    BoxSpec,
    HookSpec,
    Outline,
    RepositorySpec,
    ScratchSpec,
    Site,
    SiteOutline,
    SourceSpec,
    Spec,
    SshSpec,
    in_bytes,
)
from backupcheck.spec.reading import SITE_FILE, is_spec_file, load_site, load_spec, load_specs, spec_files

__all__ = [
    "SITE_FILE",
    "BoxSpec",
    "HookSpec",
    "Outline",
    "RepositorySpec",
    "ScratchSpec",
    "Site",
    "SiteOutline",
    "SourceSpec",
    "Spec",
    "SshSpec",
    "in_bytes",
    "is_spec_file",
    "load_site",
    "load_spec",
    "load_specs",
    "spec_files",
]
