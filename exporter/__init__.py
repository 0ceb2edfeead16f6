"""The exporter: prediction and label logs in, Prometheus gauges out.

For notebooks: ``baseline``, ``once``, ``report`` and the ``InputError`` that they raise, imported when they are
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["InputError", "baseline", "once", "report"]

if TYPE_CHECKING:
    from exporter.notebook import baseline, once, report
    from mlslo.yamlfile import InputError
else:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'exporter' has no attribute '{name}'")
        from exporter import notebook

        return getattr(notebook, name)
