"""Pages of a model's last cycle: pictures for a person, data for a program.

From outside: ``page`` renders a page of the status pages and of reports, ``as_data`` returns its figures,
``VersionsCompared`` says how two versions differ.
"""

from exporter.pages.comparison import VersionsCompared
from exporter.pages.data import as_data
from exporter.pages.rendering import Choice, Frame, index, page

__all__ = ["Choice", "Frame", "VersionsCompared", "as_data", "index", "page"]
