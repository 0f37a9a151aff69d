"""CONFIG is the configuration. Import it, don't make another."""
from common.config_loader import load

CONFIG = load()
