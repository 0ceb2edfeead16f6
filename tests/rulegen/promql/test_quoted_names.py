"""Names of metrics and labels in quotes, which Prometheus 3 is the first to read."""

import pytest

from rulegen.promql import query
from rulegen.promql.versions import QUOTED_NAMES

TAKEN = (
    '{"my.metric"}',
    '{"my.metric", model="a"}',
    'up{"a.b"="c"}',
    'sum by ("a.b") (x)',
    'x / on (a, "a.b") group_left ("c.d") y',
    'sum without("a.b") (rate({"http.requests"}[5m]))',
)


@pytest.mark.parametrize("text", TAKEN)
def test_a_name_in_quotes_is_taken_from_prometheus_3_on(text: str) -> None:
    parsed = query.parse(text)
    query.refuse_unsupported(parsed, "3.0", "3.0")
    with pytest.raises(query.QueryError) as caught:
        query.refuse_unsupported(parsed, "2.53", "2.53")
    assert str(caught.value) == QUOTED_NAMES.refusal("2.53")
    assert caught.value.offset == text.index('"')


@pytest.mark.parametrize(
    "text", ['up{a="b"}', 'label_replace(x, "a", "$1", "b", "c")', 'count_values("v", x)']
)
def test_other_texts_are_no_names(text: str) -> None:
    query.refuse_unsupported(query.parse(text), "2.42", "2.42")
