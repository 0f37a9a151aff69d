"""Memory before the fork: what is shared then, and what is given back afterwards."""

import gc

from web.serving import spare_memory


def test_what_was_made_before_the_fork_is_collected_no_more() -> None:
    try:
        spare_memory()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
