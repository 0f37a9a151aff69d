"""Phone numbers: digits only, with a plus."""
import re


def apply(records):
    for r in records:
        digits = re.sub(r"[^0-9]", "", r.get("phone", ""))
        if digits.startswith("00"):
            digits = digits[2:]
        r["phone"] = "+" + digits if digits else ""
    return records
