"""Run a registry: OCI, the API and the pages, over a data folder."""

import os
from typing import Any

import click

from web.commands.common import (
    STORE_SETTINGS,
    json_option,
    print_json,
    read_settings,
    setting_options,
    told_plainly,
    wants_json,
)

_EPILOG = """\b
Examples:
  recipebox serve --data ./data
  recipebox serve --data /var/lib/recipebox --listen 0.0.0.0:8080 --workers 4
  recipebox serve --data ./data --listen 127.0.0.1:0 --address-file ./url
  recipebox serve --data ./data --store s3 --s3-bucket blobs --s3-endpoint http://minio:9000
  recipebox serve --data ./data --tls-certificate server.pem --tls-key server.key

\b
Signals: TERM finishes the requests in flight and stops; HUP reads the configuration and the
files of TLS again and replaces the workers one by one; INT stops at once.
"""


@click.command("serve", epilog=_EPILOG)
@setting_options(
    "data",
    "database",
    "migration_copy",
    *STORE_SETTINGS,
    "listen",
    "address_file",
    "public_url",
    "workers",
    "threads",
    "cache_memory",
    "graceful_timeout",
    "client_timeout",
    "server",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
    "trusted_proxies",
    "accel_prefix",
    "redirects",
    "redirect_lifetime",
    "server_key",
    "token_key",
    "rate_limit",
    "rate_limit_anonymous",
    "rate_limit_failures",
    "rate_storage",
    "log_format",
    "config",
)
@json_option
@click.pass_context
def command(ctx: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """Run a registry over the data folder DIR.

    The first start makes the folder, the database and the server's own key, and prints an
    administrator's token, once.
    """
    as_json = wants_json(ctx, as_json)
    with told_plainly(as_json):
        from web.config import ServerConfig, read_config
        from web.listening import listen, url_of
        from web.preparing import prepare
        from web.serving import choose_server, raise_file_limit, spare_memory
        from web.tls import check_tls

        def read() -> ServerConfig:
            return read_config(*read_settings(flags))

        config = read()
        make_server = choose_server(config.server)
        check_tls(config.tls)
        socket = listen(config.host, config.port)
        url = config.public_url or url_of(socket, config.scheme)
        token = prepare(config)
        if as_json:
            print_json({"url": url, "data": str(config.data), "first_token": token})
        else:
            _greet(url, str(config.data), token)
        raise_file_limit()
        spare_memory()
        server = make_server(read, config, socket, url)
    server.run()


def _greet(url: str, data: str, token: str | None) -> None:
    lines = []
    if token is not None:
        lines = [
            f"This is the first start with {data}.",
            "An administrator's token, which is shown this once:",
            "",
            f"    {token}",
            "",
            "For the command line:",
            f"    export RECIPEBOX_URL={url}",
            f"    export RECIPEBOX_TOKEN={token}",
            f"In a browser, paste it at {url}/login",
            "",
        ]
    lines.append(f"Recipebox serves {data} at {url} (process {os.getpid()}).")
    click.echo("\n".join(lines))
