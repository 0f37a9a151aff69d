"""Where data comes from and goes to."""
import importlib

BACKENDS = {
    "csv": "storage.csv_store",
    "json": "storage.json_store",
    "ledger": "storage.ledger",
}


def open_store(kind):
    return importlib.import_module(BACKENDS[kind])
