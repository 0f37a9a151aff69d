import configparser

from .config_sources import sources


def load():
    parser = configparser.ConfigParser(interpolation=None)
    for source in sources():
        if isinstance(source, dict):
            parser.read_dict(source)
        else:
            parser.read(source)   # silently skips what is not there
    return parser
