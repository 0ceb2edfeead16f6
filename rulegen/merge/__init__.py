"""``--base``: our part of an alertmanager.yaml among what others keep there."""

from rulegen.merge.base import Base
from rulegen.merge.clashes import check

__all__ = ["Base", "check"]
