#!/usr/bin/env python3
"""Extracts what twilio_calls.json holds from Twilio's published OpenAPI description (twilio-oai, api v2010, MIT licence).

    tests/data/twilio_calls.py twilio_api_v2010.json > tests/data/twilio_calls.json

Only names, types, limits and enumerations of the resources that calld uses; run again when Twilio publishes a new one.
"""
import json
import sys

ROOT = "/2010-04-01/Accounts/{AccountSid}/Calls"
KEPT = ("type", "enum", "format", "pattern", "minimum", "maximum", "nullable")


def resolve(schema, spec):
    while "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def facts(schema, spec):
    whole = resolve(schema, spec)
    out = {key: whole[key] for key in KEPT if key in whole}
    if "items" in whole:
        out["items"] = facts(whole["items"], spec) if "$ref" not in whole["items"] else "resource"
    return out


def properties(schema, spec):
    return {name: facts(value, spec) for name, value in resolve(schema, spec)["properties"].items()}


def form(operation, spec):
    schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    return {"required": schema.get("required", []), "fields": properties(schema, spec)}


def query(operation, spec):
    return {p["name"]: facts(p["schema"], spec) for p in operation["parameters"] if p["in"] == "query"}


def answer(operation, status, spec):
    return properties(operation["responses"][status]["content"]["application/json"]["schema"], spec)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    calls, call = spec["paths"][ROOT + ".json"], spec["paths"][ROOT + "/{Sid}.json"]
    events = spec["paths"][ROOT.replace("/Calls", "/Calls/{CallSid}/Events.json")]
    json.dump({
        "source": f"twilio-oai, version {spec['info']['version']}, MIT licence",
        "create": form(calls["post"], spec),
        "update": form(call["post"], spec),
        "list": query(calls["get"], spec),
        "call": answer(call["get"], "200", spec),
        "calls": answer(calls["get"], "200", spec),
        "events": answer(events["get"], "200", spec),
        "event": properties(spec["components"]["schemas"]["api.v2010.account.call.call_event"], spec),
    }, sys.stdout, indent=1)
    print()


main()
