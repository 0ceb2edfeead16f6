"""The language of notification templates: types and their fields, functions, and what Alertmanager's templates need.

https://github.com/prometheus/alertmanager/blob/main/template/template.go and https://pkg.go.dev/text/template#hdr-Functions
"""

from __future__ import annotations

import re

# Types by name. A field is "type", a method "type/arguments"; whatever else a mapping of texts has is a text.
FIELDS: dict[str, dict[str, str]] = {
    "the group": {
        "Receiver": "text", "Status": "text", "Alerts": "the alerts", "GroupLabels": "labels", "CommonLabels": "labels",
        "CommonAnnotations": "labels", "ExternalURL": "text", "NotificationReason": "text", "RouteLabels": "labels",
    },
    "an alert": {
        "Status": "text", "Labels": "labels", "Annotations": "labels", "StartsAt": "a time", "EndsAt": "a time",
        "GeneratorURL": "text", "Fingerprint": "text",
    },
    "the alerts": {"Firing": "alerts/0", "Resolved": "alerts/0"},
    "alerts": {},
    "labels": {
        "SortedPairs": "pairs/0", "Remove": "labels/1", "Names": "texts/0", "Values": "texts/0", "String": "text/0",
    },
    "pairs": {"Names": "texts/0", "Values": "texts/0", "String": "text/0"},
    "a pair": {"Name": "text", "Value": "text"},
    "texts": {"Join": "text/1"},
    "a time": {
        **dict.fromkeys(("UTC", "Local"), "a time/0"),
        **dict.fromkeys(("Add", "In", "Round", "Truncate"), "a time/1"), "AddDate": "a time/3",
        **dict.fromkeys(("After", "Before", "Equal", "Compare", "AppendFormat", "GoString"), "any/-1"),
        "Sub": "a length of time/1", "Format": "text/1", "String": "text/0", "IsZero": "any/0",
        **dict.fromkeys(("Month", "Weekday", "Location"), "any/0"),
        **dict.fromkeys(
            ("Day", "Hour", "Minute", "Nanosecond", "Second", "Unix", "UnixMicro", "UnixMilli", "UnixNano", "Year",
             "YearDay"), "number/0"),
    },
    "a length of time": {
        **dict.fromkeys(("Hours", "Microseconds", "Milliseconds", "Minutes", "Nanoseconds", "Seconds"), "number/0"),
        **dict.fromkeys(("Round", "Truncate"), "a length of time/1"), "Abs": "a length of time/0", "String": "text/0",
    },
    "text": {}, "number": {}, "boolean": {},
}  # fmt: skip
ELEMENTS = {
    "the alerts": "an alert", "alerts": "an alert", "labels": "text", "pairs": "a pair", "texts": "text",
}  # fmt: skip
NO_LIST = ("the group", "an alert", "a pair", "a time", "a length of time", "number", "boolean")
# Function: its result, then the types of its arguments; one that ends in "..." stands for any number of them.
FUNCTIONS = {
    "and": ("same", "any", "any..."), "or": ("same", "any", "any..."), "not": ("boolean", "any"),
    "call": ("any", "any", "any..."), "html": ("text", "any..."), "js": ("text", "any..."),
    "index": ("element", "any", "any..."), "len": ("number", "any"), "slice": ("same", "any", "any..."),
    "print": ("text", "any..."), "printf": ("text", "text", "any..."), "println": ("text", "any..."),
    "urlquery": ("text", "any..."), "eq": ("boolean", "any", "any", "any..."),
    **dict.fromkeys(("ne", "lt", "le", "gt", "ge"), ("boolean", "any", "any")),
    **dict.fromkeys(("toUpper", "toLower", "title", "trimSpace", "safeHtml", "safeUrl"), ("text", "text")),
    "urlUnescape": ("text", "text"), "join": ("text", "text", "texts"), "match": ("boolean", "text", "text"),
    "reReplaceAll": ("text", "text", "text", "text"), "stringSlice": ("texts", "text..."),
    "date": ("text", "text", "a time"), "tz": ("a time", "text", "a time"), "since": ("a length of time", "a time"),
    "now": ("a time",), "humanizeDuration": ("text", "any"), "toJson": ("text", "any"), "list": ("any", "any..."),
    "append": ("any", "any", "any..."), "dict": ("any", "any..."),
}  # fmt: skip
# Of arguments, where it is not known.
ANY_NUMBER = -1
KEYWORDS = ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
# Templates of Alertmanager's own that need no data, and those of a list of alerts; all others are of the group.
CONSTANT = re.compile(
    r"__alertmanager|__description|wechat\.default\.(to_.*|agent_id)|discord\.default\.content|rocketchat\.default\.text|"
    r".*\.default\.(username|alias|client|monitoring_tool|callbackid|pretext|icon_?emoji|emoji|iconurl|footer|color)|"
    r"slack\.default\.text"
)
OF_ALERTS = ("__text_alert_list", "__text_alert_list_markdown")
