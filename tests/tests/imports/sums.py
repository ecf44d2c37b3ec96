"""Counts and sums of OCDS files and ISO 20022 messages, as another program sees them.

Prints one JSON document: of each file given, the number of records that it should become, and its sums, by stage and currency for
releases and by currency for messages. It shares nothing with civiclog but the standards.
"""

import json
import sys
import xml.etree.ElementTree as tree
from decimal import Decimal


def ocds(text):
    sums = {}

    def add(stage, value):
        if value:
            of = sums.setdefault(stage, {})
            of[value["currency"]] = of.get(value["currency"], Decimal(0)) + value["amount"]

    document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    releases = document["releases"] if "releases" in document else [document]
    for release in releases:
        add("budget", release.get("planning", {}).get("budget", {}).get("amount"))
        add("tender", release.get("tender", {}).get("value"))
        for award in release.get("awards", []):
            add("award", award.get("value"))
        for contract in release.get("contracts", []):
            add("contract", contract.get("value"))
            for transaction in contract.get("implementation", {}).get("transactions", []):
                add("transaction", transaction.get("value", transaction.get("amount")))
    stages = {stage: cents(of) for stage, of in sums.items()}
    return {"records": len(releases), "stages": stages, "totals": {}}


def message(text):
    root = tree.fromstring(text)
    sums, records = {}, 0

    def find(node, *names):
        return [it for it in node.iter() if it.tag.rsplit("}", 1)[-1] in names]

    def child(node, name):
        found = [it for it in node if it.tag.rsplit("}", 1)[-1] == name]
        return found[0] if found else None

    def add(amount, sign):
        currency = amount.attrib["Ccy"]
        sums[currency] = sums.get(currency, Decimal(0)) + sign * Decimal(amount.text)

    for transaction in find(root, "CdtTrfTxInf"):
        amount = child(transaction, "Amt")
        amount = amount[0] if "Ccy" in amount[0].attrib else child(amount[0], "Amt")
        add(amount, 1)
        records += 1
    for entry in find(root, "Ntry"):
        add(child(entry, "Amt"), -1 if child(entry, "CdtDbtInd").text == "DBIT" else 1)
        records += 1
    files = find(root, "CstmrCdtTrfInitn", "Stmt")
    return {"records": records + len(files), "stages": {}, "totals": cents(sums)}


def cents(sums):
    return {currency: f"{total:.2f}" for currency, total in sorted(sums.items())}


results = {}
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        text = file.read()
    results[path] = message(text) if path.endswith(".xml") else ocds(text)
json.dump(results, sys.stdout)
