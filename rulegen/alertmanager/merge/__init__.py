"""``--base``: our part of an alertmanager.yaml among what others keep there."""

from rulegen.alertmanager.merge.base import Base, check

__all__ = ["Base", "check"]
