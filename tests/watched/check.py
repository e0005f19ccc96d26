"""Reads OpenMetrics text from standard input with the parser of the Prometheus project, and prints what it understood: one JSON
object a sample. Ends with an error where the text is not what the standard wants."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    for sample in family.samples:
        told = {"family": family.name, "type": family.type, "name": sample.name, "labels": sample.labels, "value": sample.value}
        print(json.dumps(told))
