"""Every setting there is: its name, kind, default, unit, and why one would change it.

A setting `data` is the flag `--data`, the variable `RECIPEBOX_DATA` and the key `data` of the
configuration file, in this order of precedence. Client and server share one list, since one person
often runs both in one shell, and a variable that neither knows is a mistake worth stopping for.
docs/settings.md is made from this table.
"""

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "RECIPEBOX_"


class Kind(StrEnum):
    """What a setting's text is read as."""

    TEXT = "text"
    PATH = "path"
    WHOLE = "whole number"
    SWITCH = "switch"  # true or false
    ADDRESS = "HOST:PORT"
    CHOICE = "choice"
    REGISTRIES = "registries"  # settings/registries.py draws them


class Side(StrEnum):
    """Which program reads a setting."""

    CLIENT = "client"
    SERVER = "server"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; `smallest` bounds a whole number, `choices` a choice, `unit` is for people."""

    name: str
    kind: Kind
    side: Side
    meaning: str
    reason: str
    default: str | int | bool | None = None
    unit: str = ""
    smallest: int = 0
    choices: tuple[str, ...] = ()
    secret: bool = False
    file_allowed: bool = True

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The command line's flag for it."""
        return "--" + self.name.replace("_", "-")


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "config",
        Kind.PATH,
        Side.BOTH,
        "The configuration file to read, TOML, with these names as its keys.",
        "By default the platform's place for configuration (`~/.config/recipebox/config.toml` on "
        "Linux), and for a server `recipebox.toml` in its data folder.",
        file_allowed=False,
    ),
    Setting(
        "url",
        Kind.TEXT,
        Side.CLIENT,
        "The registry to talk to, such as `https://recipes.example.org`.",
        "`recipebox login` keeps it; a CI job sets the variable.",
    ),
    Setting(
        "token",
        Kind.TEXT,
        Side.CLIENT,
        "The token to authenticate with.",
        "`recipebox login` keeps it in a file of mode 600; a CI job sets the variable.",
        secret=True,
        file_allowed=False,
    ),
    Setting(
        "registries",
        Kind.REGISTRIES,
        Side.CLIENT,
        "Other registries, and the beginnings of names that come from each, and from it alone: in "
        'the file tables such as `[registries.acme]` with `url = "https://recipes.acme.example"` '
        'and `prefixes = ["acme/", "team/private-"]`, in the variable '
        '`acme = {url = "…", prefixes = ["acme/"]}`.',
        "So that nobody who publishes one of your names elsewhere gets anything by it: it is never "
        "looked up there ([more](resolving.md#reserved-prefixes)).",
    ),
    Setting(
        "insecure",
        Kind.SWITCH,
        Side.CLIENT,
        "Allow plain http to other machines than this one.",
        "A token sent in the clear can be read on the way: only for networks that you trust.",
        default=False,
    ),
    Setting(
        "offline",
        Kind.SWITCH,
        Side.CLIENT,
        "Use only what is in the cache; never the network.",
        "Where there is no network, or to see that there is no need of one.",
        default=False,
    ),
    Setting(
        "cache",
        Kind.PATH,
        Side.CLIENT,
        "The folder of the content-addressed cache.",
        "By default the platform's cache folder; CI may point it to one that it keeps.",
    ),
    Setting(
        "jobs",
        Kind.WHOLE,
        Side.CLIENT,
        "How many transfers run at once.",
        "More helps where latency is high; fewer is kinder to a thin line.",
        default=4,
        unit="transfers",
        smallest=1,
    ),
    Setting(
        "timeout",
        Kind.WHOLE,
        Side.CLIENT,
        "How long a silent connection is waited for.",
        "A line that stalls longer than this is tried again.",
        default=30,
        unit="seconds",
        smallest=1,
    ),
    Setting(
        "retries",
        Kind.WHOLE,
        Side.CLIENT,
        "How often a failed request is tried again, with growing pauses.",
        "0 shows every failure at once.",
        default=4,
        unit="tries",
    ),
    Setting(
        "signing_key",
        Kind.TEXT,
        Side.CLIENT,
        "An armoured GPG secret key to sign with, instead of one in the keyring.",
        "For CI, where the key is a secret of the job.",
        secret=True,
        file_allowed=False,
    ),
    Setting(
        "signing_passphrase",
        Kind.TEXT,
        Side.CLIENT,
        "The passphrase of the signing key.",
        "Where no agent and no person can be asked.",
        secret=True,
        file_allowed=False,
    ),
    Setting(
        "signing_fingerprint",
        Kind.TEXT,
        Side.CLIENT,
        "Which key of the keyring signs, by its fingerprint.",
        "Needed only when the keyring has more than one secret key.",
    ),
    Setting(
        "data",
        Kind.PATH,
        Side.SERVER,
        "The folder of the server's database, blobs and key.",
        "Everything that a backup must hold is in it.",
    ),
    Setting(
        "database",
        Kind.TEXT,
        Side.SERVER,
        "A PostgreSQL database for what the server knows, "
        "`postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full`.",
        "By default a file of SQLite in the data folder, which is enough for one machine. Several "
        "machines share a database of PostgreSQL 13 or newer, in UTF-8, which is the server's own. "
        "libpq's options, variables and password file count too.",
        secret=True,
    ),
    Setting(
        "migration_copy",
        Kind.SWITCH,
        Side.SERVER,
        "Copy the database into the folder `backups` of the data before its schema moves forward.",
        "The last three copies stay. On PostgreSQL pg_dump makes them, and where it isn't at hand, "
        "or can't, the server doesn't start: switch this off where you have a copy of your own.",
        default=True,
    ),
    Setting(
        "store",
        Kind.CHOICE,
        Side.SERVER,
        "Where blobs are kept: in the data folder, or in a bucket by boto3 (s3) or by MinIO's own "
        "library (minio).",
        "A bucket is for several servers of one registry, or for more than a disk holds. Both "
        "have the same tree: to change, stop the server and copy `blobs/` from the data folder to "
        "the bucket, below its prefix, or back.",
        default="folder",
        choices=("folder", "s3", "minio"),
    ),
    Setting(
        "s3_bucket",
        Kind.TEXT,
        Side.SERVER,
        "The bucket that keeps the blobs.",
        "It must be there: the server makes none.",
    ),
    Setting(
        "s3_prefix",
        Kind.TEXT,
        Side.SERVER,
        "What the keys of all objects begin with, such as `recipebox/`.",
        "Where a bucket has other things too.",
    ),
    Setting(
        "s3_endpoint",
        Kind.TEXT,
        Side.SERVER,
        "The URL of the S3 server, such as `http://minio:9000`.",
        "By default AWS's own of the region.",
    ),
    Setting(
        "s3_public_endpoint",
        Kind.TEXT,
        Side.SERVER,
        "The URL under which clients reach the S3 server, for the redirects that blobs leave by.",
        "By default `s3_endpoint`; needed where that is a name of an inner network.",
    ),
    Setting(
        "s3_region",
        Kind.TEXT,
        Side.SERVER,
        "The bucket's region.",
        "Servers other than AWS rarely have any, but sign with one all the same.",
        default="us-east-1",
    ),
    Setting(
        "s3_access_key",
        Kind.TEXT,
        Side.SERVER,
        "The id of the key to sign requests with.",
        "By default what the library finds itself: AWS's variables and files, or the machine's "
        "role.",
        file_allowed=False,
    ),
    Setting(
        "s3_secret_key",
        Kind.TEXT,
        Side.SERVER,
        "The secret of that key.",
        "Beside `s3_access_key`, or neither.",
        secret=True,
        file_allowed=False,
    ),
    Setting(
        "s3_path_style",
        Kind.SWITCH,
        Side.SERVER,
        "Name the bucket in the path of URLs, and not in the host.",
        "Off for servers that know only `https://BUCKET.HOST/`.",
        default=True,
    ),
    Setting(
        "listen",
        Kind.ADDRESS,
        Side.SERVER,
        "Where the server listens; port 0 takes a free one.",
        "Loopback by default, since a first try should not be an open door.",
        default="127.0.0.1:8080",
    ),
    Setting(
        "address_file",
        Kind.PATH,
        Side.SERVER,
        "A file that gets the server's URL once it listens.",
        "For scripts that start a server on a free port.",
    ),
    Setting(
        "public_url",
        Kind.TEXT,
        Side.SERVER,
        "The URL under which people reach the server, for the links that it hands out.",
        "Needed behind a proxy; by default the host that was asked.",
    ),
    Setting(
        "workers",
        Kind.WHOLE,
        Side.SERVER,
        "How many processes answer requests.",
        "One or two a processor core.",
        default=2,
        unit="processes",
        smallest=1,
    ),
    Setting(
        "threads",
        Kind.WHOLE,
        Side.SERVER,
        "How many requests each process answers at once.",
        "A slow transfer holds a thread for as long as it takes: have many, or a proxy in front.",
        default=16,
        unit="threads",
        smallest=1,
    ),
    Setting(
        "cache_memory",
        Kind.WHOLE,
        Side.SERVER,
        "How much memory each process may fill with answers to pulls.",
        "They hold for as long as nothing is written. 0 keeps none; more helps where several "
        "thousand manifests and blobs are pulled all the time.",
        default=32,
        unit="MiB",
    ),
    Setting(
        "solve_deadline",
        Kind.WHOLE,
        Side.SERVER,
        "How long a solve here may take, by the page `/solve` or `POST /api/v1/solve`.",
        "Most solves take a tenth of a second. Who needs longer can solve with the command line.",
        default=10,
        unit="seconds",
        smallest=1,
    ),
    Setting(
        "solve_rounds",
        Kind.WHOLE,
        Side.SERVER,
        "How many rounds of search `POST /api/v1/solve` may take.",
        "Hard requirements that have an answer take some hundreds; the deadline bounds it as well.",
        default=20_000,
        unit="rounds",
        smallest=1,
    ),
    Setting(
        "solves_at_once",
        Kind.WHOLE,
        Side.SERVER,
        "How many solves each process runs at once; one more is answered 503.",
        "A solve needs a processor for itself, and what else the process answers waits for it. "
        "0 switches solving here off.",
        default=1,
        unit="solves",
    ),
    Setting(
        "solve_body",
        Kind.WHOLE,
        Side.SERVER,
        "How large the request of a solve may be.",
        "64 KiB are a thousand requirements; what a solve costs grows faster than they do.",
        default=64,
        unit="KiB",
        smallest=1,
    ),
    Setting(
        "graceful_timeout",
        Kind.WHOLE,
        Side.SERVER,
        "How long a stopping server waits for the requests in flight.",
        "As long as the longest transfer that should be let finish.",
        default=120,
        unit="seconds",
        smallest=1,
    ),
    Setting(
        "server",
        Kind.CHOICE,
        Side.SERVER,
        "Which WSGI server answers.",
        "gunicorn sends files by the kernel and ends clients that stall; granian "
        "(`pip install recipebox[granian]`) answers small requests quicker, and wants a proxy in "
        "front that buffers slow ones.",
        default="gunicorn",
        choices=("gunicorn", "granian"),
    ),
    Setting(
        "client_timeout",
        Kind.WHOLE,
        Side.SERVER,
        "How long a client may stall in its request or in taking the answer (gunicorn only).",
        "A client that stalls holds a thread. What came of an upload is kept, and it can go on.",
        default=60,
        unit="seconds",
        smallest=1,
    ),
    Setting(
        "tls_certificate",
        Kind.PATH,
        Side.SERVER,
        "A PEM file with the server's certificate, and its issuers after it: with it, the server "
        "speaks TLS, 1.2 or newer.",
        "Without a proxy that does so. HUP reads it again.",
    ),
    Setting(
        "tls_key",
        Kind.PATH,
        Side.SERVER,
        "A PEM file with the certificate's key, without a passphrase.",
        "By default the key stands in the certificate's file.",
    ),
    Setting(
        "tls_client_ca",
        Kind.PATH,
        Side.SERVER,
        "A PEM file of authorities: every client must show a certificate of one of them.",
        "Where only known machines may connect at all; they still need a token.",
    ),
    Setting(
        "server_key",
        Kind.PATH,
        Side.SERVER,
        "A file with the server's own armoured GPG secret key, without a passphrase.",
        "By default one is made in the data folder at first start; several servers of one registry "
        "must share one.",
    ),
    Setting(
        "token_key",
        Kind.PATH,
        Side.SERVER,
        "A PEM file with the Ed25519 key that signs the bearer tokens of Docker's token protocol.",
        "By default one is made in the data folder at first start; several servers of one registry "
        "without a shared folder must be given one (`openssl genpkey -algorithm ed25519`).",
    ),
    Setting(
        "rate_limit",
        Kind.WHOLE,
        Side.SERVER,
        "How many requests a minute all tokens of one name may send; 0 is no limit.",
        "A build that pushes an image sends some hundred. Over it a client is answered 429, with "
        "when to come back. Without `rate_storage` each process counts for itself.",
        default=0,
        unit="requests a minute",
    ),
    Setting(
        "rate_limit_anonymous",
        Kind.WHOLE,
        Side.SERVER,
        "How many requests a minute may come from one address without a token; 0 is no limit.",
        "For registries that are public. Of IPv6 a /64 is one address; behind a proxy set "
        "`trusted_proxies`, or all clients share the proxy's.",
        default=0,
        unit="requests a minute",
    ),
    Setting(
        "rate_limit_failures",
        Kind.WHOLE,
        Side.SERVER,
        "How many refused log-ins a minute may come from one address before it is told to wait; "
        "0 is no limit.",
        "Slows down who tries tokens. Tokens that hold are taken all the same.",
        default=0,
        unit="log-ins a minute",
    ),
    Setting(
        "rate_storage",
        Kind.TEXT,
        Side.SERVER,
        "Where requests are counted for all processes together, such as `redis://HOST:6379/0`.",
        "By default each process counts in its memory. Needs `pip install recipebox[redis]`; while "
        "Redis is away, nothing is limited.",
        secret=True,
        file_allowed=False,
    ),
    Setting(
        "log_format",
        Kind.CHOICE,
        Side.SERVER,
        "How the log is written.",
        "json for machines that collect it.",
        default="text",
        choices=("text", "json"),
    ),
    Setting(
        "read_only",
        Kind.SWITCH,
        Side.SERVER,
        "Refuse every write through `/v2/` and `/api/`, whatever `recipebox admin read-only` says.",
        "For a server over a copy of the data, or while it moves. `recipebox admin read-only on` "
        "does the same while servers run, at once and with a reason.",
        default=False,
    ),
    Setting(
        "trusted_proxies",
        Kind.TEXT,
        Side.SERVER,
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are believed, "
        "such as `127.0.0.1, 10.0.0.0/8`.",
        "None by default: what anybody can write into a header must not choose the address that "
        "is logged and limited. Behind a proxy, name it and no more.",
    ),
    Setting(
        "accel_prefix",
        Kind.TEXT,
        Side.SERVER,
        "Let the proxy send blobs from the store's folder, by X-Accel-Redirect below this internal "
        "location, such as `/_blobs/`.",
        "nginx sends files quicker and holds no thread of the server's; only for requests that "
        "come from `trusted_proxies`. deploy/server/nginx.conf has the location.",
    ),
    Setting(
        "redirects",
        Kind.SWITCH,
        Side.SERVER,
        "Send a GET of a blob to the store, with a URL that it has signed, where it can (S3).",
        "Switch it off where clients can't reach the store, or a proxy rewrites what passes. Who "
        "logs in is never sent to another port or a subdomain of the server's own host: clients "
        "would take the login along.",
        default=True,
    ),
    Setting(
        "redirect_lifetime",
        Kind.WHOLE,
        Side.SERVER,
        "How long a signed URL of the store holds.",
        "A client begins at once, but may come back for the rest; whoever has the URL may read.",
        default=1200,
        unit="seconds",
        smallest=1,
    ),
    Setting(
        "sweep_grace",
        Kind.WHOLE,
        Side.SERVER,
        "How long what nothing refers to is kept from its last touch, before a sweep removes it.",
        "It must be longer than the longest push, from the first question if a blob is there to "
        "the manifest that needs it; and it is the time in which a tag that was deleted by mistake "
        "can be set again. What it held waits as long again, step by step.",
        default=86_400,
        unit="seconds",
    ),
    Setting(
        "sweep_every",
        Kind.WHOLE,
        Side.SERVER,
        "How often the server sweeps by itself; 0: never.",
        "One process of all that serve a registry does it, in small steps between requests. With "
        "0, run `recipebox admin sweep` when it suits you.",
        default=3600,
        unit="seconds",
    ),
    Setting(
        "failpoint",
        Kind.TEXT,
        Side.SERVER,
        "Kill the process at this point of the code, as tests of crashes do.",
        "Never set it on a server that is used.",
        file_allowed=False,
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}
