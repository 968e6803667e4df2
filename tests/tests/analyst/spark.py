"""Opens an export's datasets with Spark: a JSON object of SQL statements by dataset as the
argument, their rows as JSON lists on standard output. In a statement the dataset is a table of its
name."""

import json
import os
import sys

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
answers = {}
for dataset, statement in json.loads(sys.argv[1]).items():
    spark.read.parquet(os.path.join("laju", dataset)).createOrReplaceTempView(dataset)
    answers[dataset] = [list(row) for row in spark.sql(statement).collect()]
spark.stop()
json.dump(answers, sys.stdout)
