"""Records of which none is chosen by `where`, or joined."""

from __future__ import annotations

from contextlib import closing

from exporter.records.accounts.field_accounts import Account, MappedField, Records
from exporter.records.reshaping import reshapings
from exporter.state import Store
from mlslo.monitor import Monitor
from mlslo.yamlfile import quoted_list

_SHOWN = 3


def none_chosen(monitor: Monitor, sink: str, lines: bytes) -> str | None:
    """Say why the records of a log give no whole one; None where that is not by its conditions."""
    log = monitor.spec.logs[sink]
    with closing(Store()) as store, store.transaction():
        reshaped = reshapings(monitor, store)[sink].plain(lines, 0)
        requests, responses = (store.halves.count(sink, role) for role in ("request", "response"))
    if requests or responses:
        return (
            f"of the records looked at {requests} are requests and {responses} responses, and none belong together by "
            "'join'; are both logged?"
        )
    number = reshaped.rejected["not_selected"]
    if not number:
        return None
    conditions = log.where
    if conditions is None:
        join = monitor.spec.predictions.join
        assert join is not None
        conditions = {**join.request, **join.response}
    records = Records(lines, [MappedField(path, path, path) for path in conditions])
    found = "; ".join(_found(records, account) for account in records.accounts)
    return f"no record of {number} is chosen by '{'join' if log.where is None else 'where'}': {found}"


def _found(records: Records, account: Account) -> str:
    if not account.there:
        return f"nothing at '{account.path}'"
    values = [f"'{text}'" for text in sorted(records.texts(account.field.path))]
    return f"'{account.path}' is {quoted_list(values, _SHOWN)}"
