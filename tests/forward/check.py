"""Holds forwarded messages against the parsers and schemas of others. One file a format: check.py FORMAT FILE [SCHEMA].

Prints how many messages were held against what; ends with 1 at the first that does not fit.
"""

import json
import sys


def lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        found = file.read().split("\n")
    assert found[-1] == "", "the last line is whole"
    assert found[:-1], "there are messages"
    return found[:-1]


def cef(found, _):
    import pycef

    for line in found:
        parsed = pycef.parse(line)
        assert parsed is not None, line
        assert parsed["DeviceVendor"] == "ot-sensor" and parsed["CEFVersion"] == "0", parsed
        assert parsed["externalId"] in parsed["Message ID"], parsed
        assert parsed["msg"] and int(parsed["rt"]) > 0 and 0 <= int(parsed["DeviceSeverity"]) <= 10, parsed
        # pycef puts the labels in place of the keys of custom strings.
        assert parsed["Status"] in ("new", "active", "closed"), parsed


def json_schema(found, schema):
    import jsonschema

    with open(schema, encoding="utf-8") as file:
        schema = json.load(file)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for line in found:
        validator.validate(json.loads(line))


def ocsf(found, _):
    import jsonschema
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.3.0")).get_class_schema(
        class_name="detection_finding", profiles=[]
    )
    validator = jsonschema.Draft202012Validator(schema)
    for line in found:
        errors = [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(json.loads(line))]
        assert not errors, errors


def stix(found, _):
    from stix2validator import ValidationOptions, print_results, validate_string

    options = ValidationOptions(version="2.1", strict=False)
    for line in found:
        results = validate_string(line, options)
        if not results.is_valid:
            print_results(results)
        assert results.is_valid
        # {301}: ports are no part of an alert. {302}: a link to a page of ATT&CK has no hash, nor has it in MITRE's own bundles.
        allowed = ("{301}", "{302}")
        warnings = [str(one) for one in results.warnings if not any(code in str(one) for code in allowed)]
        assert not warnings, warnings


def main():
    kind, path = sys.argv[1], sys.argv[2]
    found = lines(path)
    check = {"cef": cef, "json": json_schema, "ocsf": ocsf, "stix": stix}[kind]
    check(found, sys.argv[3] if len(sys.argv) > 3 else None)
    print(f"{kind}: {len(found)} messages fit")


if __name__ == "__main__":
    main()
