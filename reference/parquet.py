"""Writes crates/amodal/tests/golden/datasets.parquet: what Hugging Face's `datasets` and pandas put into Parquet files;
and interval.parquet, with a kind of value that DuckDB writes and the decoder does not know.

    python -m venv venv && venv/bin/pip install duckdb pyarrow
    venv/bin/python reference/parquet.py

Written with pyarrow 25.0.0 and DuckDB 2.0.1.
"""

import datetime
import json
import pathlib

import duckdb
import pyarrow
import pyarrow.parquet

FILE = pathlib.Path(__file__).parent.parent / "crates/amodal/tests/golden/datasets.parquet"

FEATURES = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}

TABLE = pyarrow.table(
    {
        "image": pyarrow.array(
            [{"bytes": b"first picture", "path": "a.png"}, {"bytes": None, "path": "beside.png"}, None],
            pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
        ),
        "label": pyarrow.array([0, 1, 1], pyarrow.int64()),
        "score": pyarrow.array([0.5, float("nan"), 2.0], pyarrow.float64()),
        "box": pyarrow.array([[1, 2, 3], [], None], pyarrow.list_(pyarrow.int32())),
        "steps": pyarrow.array([[[1.0, 2.0], [3.0]], [[4.0]], None], pyarrow.list_(pyarrow.list_(pyarrow.float32()))),
        "day": pyarrow.array([datetime.date(2020, 1, 1), None, datetime.date(2024, 2, 29)], pyarrow.date32()),
        "raw": pyarrow.array([b"a", None, b"\x00\xff"], pyarrow.binary()),
        "extra": pyarrow.array([{"a": 1}, {"a": 2}, None], pyarrow.struct([("a", pyarrow.int8())])),
    }
)

FILE.parent.mkdir(exist_ok=True)
metadata = {b"huggingface": json.dumps({"info": {"features": FEATURES}})}
pyarrow.parquet.write_table(TABLE.replace_schema_metadata(metadata), FILE, compression="snappy")

duckdb.sql(f"COPY (SELECT 'a' AS text, INTERVAL 1 DAY AS wait, 1.5::DOUBLE AS score) TO '{FILE.parent / 'interval.parquet'}'")
