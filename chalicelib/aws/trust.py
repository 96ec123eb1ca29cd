"""Whose certificates are believed: those that boto3 believes."""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path


def botocores_ca_bundle() -> Path | None:
    """The file of certificates that botocore brings along; None where there is no botocore."""
    # Looked up, not imported: botocore is large.
    spec = PathFinder.find_spec("botocore")
    places = spec.submodule_search_locations if spec else None
    bundle = Path(places[0], "cacert.pem") if places else None
    return bundle if bundle and bundle.is_file() else None
