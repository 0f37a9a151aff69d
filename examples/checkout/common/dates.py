from datetime import date, timedelta


def last_monday(today=None):
    today = today or date.today()
    return today - timedelta(days=today.weekday())
