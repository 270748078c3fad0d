"""Spec and site files: YAML to models, or file:line:column and what is wrong, all of it at once."""

from backupcheck.spec.folder import Loaded, Mistaken, load_each, load_specs, require_known
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
from backupcheck.spec.reading import SITE_FILE, is_spec_file, load_site, load_spec, spec_files, spec_of

__all__ = [
    "SITE_FILE",
    "BoxSpec",
    "HookSpec",
    "Loaded",
    "Mistaken",
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
    "load_each",
    "load_site",
    "load_spec",
    "load_specs",
    "require_known",
    "spec_files",
    "spec_of",
]
