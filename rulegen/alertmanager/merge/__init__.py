"""``--base``: our part of an alertmanager.yaml among what others keep there."""

from rulegen.alertmanager.merge.base import Base
from rulegen.alertmanager.merge.clashes import check

__all__ = ["Base", "check"]
