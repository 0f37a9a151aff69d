RATE = 0.19


def of(row):
    try:
        return float(row["amount"]) * RATE
    except ValueError:
        return 0.0
