"""`recipebox admin`: what is done on the server's own machine. A file here is a command's.

::

    admin ─┬─ audit
           ├─ check
           ├─ namespace ── list  show  set
           ├─ read-only ── on  off  status
           ├─ retention ── show  set  simulate  apply
           ├─ sweep
           └─ token ── create  list  revoke

Each file imports `registry` within its functions only: `recipebox --help` loads them all.
"""

import click

from web.commands.admin.audit import audit
from web.commands.admin.check import check
from web.commands.admin.namespace import namespace
from web.commands.admin.read_only import read_only
from web.commands.admin.retention import retention
from web.commands.admin.sweep import sweep
from web.commands.admin.token import token


@click.group("admin")
def command() -> None:
    """Administer a server from its own machine. Works while it runs, and before its first start.

    Whoever may write the data folder may use these.
    """


for subcommand in (audit, check, namespace, read_only, retention, sweep, token):
    command.add_command(subcommand)
