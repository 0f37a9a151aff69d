import csv
import io

from common.paths import ensure_folder_for


def read(path):
    with io.open(path, encoding="utf-8", newline="") as fh:
        return [dict(r) for r in csv.DictReader(fh)]


def write(path, records):
    fields = sorted(records[0]) if records else []
    with io.open(ensure_folder_for(path), "w", encoding="utf-8", newline="") as fh:
        out = csv.DictWriter(fh, fields, lineterminator="\n")
        out.writeheader()
        out.writerows(records)
    return len(records)
