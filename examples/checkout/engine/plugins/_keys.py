def key_of(record):
    return (record.get("email") or "").lower()
