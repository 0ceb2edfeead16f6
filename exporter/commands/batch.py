"""One cycle of every model, then the end: what a CronJob runs for a batch model."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from exporter.daemon.cycle import CycleError
from exporter.daemon.models import Model, load_all
from exporter.daemon.recovery import RecoveringCycle
from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import Gauges
from exporter.state import StoreError
from exporter.web.delivery import DeliveryError, Target
from mlslo.command_line import WRONG
from mlslo.version import VERSION
from mlslo.yamlfile import InputError

logger = logging.getLogger(__name__)

_NEXT_TIME = "what was read is kept, and the next run delivers what is true then"


_NOBODY_RECEIVES = "only a daemon receives events; expected a sink of files with --once-then-exit"


def run_once(
    monitors: Sequence[Path], state_dir: Path, targets: Sequence[Target], stopped: Callable[[], bool]
) -> int:
    """Run a cycle of each model on its state, then deliver all gauges, and return the exit code.

    1 where a cycle failed, predictions could not be read, or gauges could not be delivered; the other models are
    gone on with. Raises InputError where a monitor file cannot be used, or has a push sink.
    """
    code = 0
    snapshots: list[Snapshot] = []
    models = load_all(monitors)
    problems = [
        model.monitor.document.problem(("spec", log, "sink", "push"), _NOBODY_RECEIVES)
        for model in models
        for log in model.monitor.pushed()
    ]
    if problems:
        raise InputError(problems)
    for model in models:
        if stopped():
            break
        snapshot = _cycle(model, state_dir, stopped)
        if snapshot is None:
            code = WRONG
            continue
        snapshots.append(snapshot)
        if not snapshot.series.get("ml_sink_up", {}).get((model.name, "predictions"), 1.0):
            code = WRONG
    if stopped():
        logger.error("stopped before the end; %s", _NEXT_TIME)
        return WRONG
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    for target in targets:
        for one in snapshots:
            try:
                target.deliver(one)
            except DeliveryError as error:
                code = WRONG
                logger.error("model %s: gauges not delivered: %s; %s", one.model, error, _NEXT_TIME)  # noqa: TRY400
        try:
            target.deliver_own(process.series)
        except DeliveryError as error:
            code = WRONG
            logger.error("gauges of the exporter itself not delivered: %s", error)  # noqa: TRY400
    return code


def _cycle(model: Model, state_dir: Path, stopped: Callable[[], bool]) -> Snapshot | None:
    try:
        with closing(RecoveringCycle(model, state_dir)) as cycle:
            snapshot = cycle.run(stopped=stopped)
    except (StoreError, CycleError) as error:
        logger.error("model %s: cycle failed: %s", model.name, error)  # noqa: TRY400
        return None
    except Exception:
        # A bug in one model's cycle must not silence the others.
        logger.exception("model %s: cycle failed", model.name)
        return None
    if snapshot is not None:
        predictions = sum(snapshot.series.get("ml_predictions_total", {}).values())
        logger.info("model %s: cycle done, %d prediction(s) so far", model.name, predictions)
    return snapshot
