"""Asks questions by clickhouse-connect: {"port", "key", "directory", "questions"} on stdin, what came of it on stdout."""

import json
import sys

asked = json.load(sys.stdin)
sys.path.insert(0, asked["directory"])

import clickhouse_connect  # noqa: E402

client = clickhouse_connect.get_client(
    host="127.0.0.1",
    port=asked["port"],
    username="anybody",
    password=asked["key"],
    proxy_path="v1/clickhouse",
)
answers = []
for sql in asked["questions"]:
    result = client.query(sql)
    answers.append({"columns": list(result.column_names), "rows": [[str(value) for value in row] for row in result.result_rows]})
bound = client.query("SELECT {a:UInt32} + 1, {s:String}", parameters={"a": 7, "s": "it's\n{x}"}).result_rows
refused = ""
try:
    client.query("SELECT * FROM events_v1")
except clickhouse_connect.driver.exceptions.DatabaseError as error:
    refused = str(error)
print(json.dumps({"version": client.server_version, "answers": answers, "bound": bound, "refused": refused}))
