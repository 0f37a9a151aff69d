import logging

from common.config import CONFIG


class LineFormat(logging.Formatter):
    def __init__(self):
        logging.Formatter.__init__(self, CONFIG.get("log", "format"))
