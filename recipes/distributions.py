"""Which distribution an import comes from, where the two have different names.

What is installed where the packing is done must not decide, so the names are written down; the
longest dotted name wins. `[wheels]` of recipebox.toml comes first. What isn't here is nobody's: a
name that is only guessed may be registered on an index by anybody (dependency confusion).
"""

from collections.abc import Mapping
from typing import Final

DISTRIBUTIONS: Final[Mapping[str, str]] = {
    "Crypto": "pycryptodome",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "_yaml": "PyYAML",
    "apt_pkg": "python-apt",
    "attr": "attrs",
    "azure.identity": "azure-identity",
    "azure.storage.blob": "azure-storage-blob",
    "bs4": "beautifulsoup4",
    "cairo": "pycairo",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "github": "PyGithub",
    "gnupg": "python-gnupg",
    "google.auth": "google-auth",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.pubsub": "google-cloud-pubsub",
    "google.cloud.storage": "google-cloud-storage",
    "google.protobuf": "protobuf",
    "grpc": "grpcio",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "ldap": "python-ldap",
    "ldap3": "ldap3",
    "lxml": "lxml",
    "magic": "python-magic",
    "markdown": "Markdown",
    "mpl_toolkits": "matplotlib",
    "mysql.connector": "mysql-connector-python",
    "nacl": "PyNaCl",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pylab": "matplotlib",
    "pythoncom": "pywin32",
    "pywintypes": "pywin32",
    "ruamel.yaml": "ruamel.yaml",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "snappy": "python-snappy",
    "socks": "PySocks",
    "telegram": "python-telegram-bot",
    "usb": "pyusb",
    "websocket": "websocket-client",
    "win32api": "pywin32",
    "win32com": "pywin32",
    "wx": "wxPython",
    "yaml": "PyYAML",
    "dns": "dnspython",
    "zmq": "pyzmq",
}
"""Import -> distribution, as PyPI has them."""

SAME: Final = frozenset(
    """
    aiofiles aiohttp alembic altair anyio arrow asyncpg babel backoff bcrypt blinker bokeh boto3
    botocore cachetools celery certifi cffi chardet charset_normalizer click cloudpickle
    colorama coverage croniter cryptography cssselect cycler cython dask dateparser decorator
    defusedxml deprecated dill distro django docker docutils duckdb email_validator et_xmlfile
    faker fastapi feedparser filelock flask fsspec ftfy gevent greenlet gspread gunicorn h11
    h5py html5lib httpcore httplib2 httpx humanize hypothesis idna imageio importlib_metadata
    importlib_resources invoke isodate itsdangerous jinja2 jmespath joblib jsonpath_ng
    jsonschema keyring kombu lark loguru lz4 mako markupsafe marshmallow matplotlib mistune
    more_itertools mpmath msgpack msgspec multidict mypy narwhals nbformat networkx nltk numba
    numexpr numpy oauthlib openpyxl orjson packaging pandas paramiko parso passlib patsy peewee
    pendulum pexpect phonenumbers pika platformdirs plotly pluggy polars prettytable
    prometheus_client psutil psycopg pyarrow pyasn1 pycountry pycparser pydantic
    pydantic_settings pygments pymongo pymysql pyodbc pyparsing pypdf pyproj pytest pytz
    rapidfuzz redis referencing regex reportlab requests requests_oauthlib responses retrying
    rich rsa ruff s3fs scipy seaborn sentry_sdk setuptools shapely simplejson six
    sortedcontainers soupsieve sphinx sqlalchemy sqlparse starlette statsmodels structlog sympy
    tables tabulate tblib tenacity termcolor textual threadpoolctl toml tomli tomli_w tomlkit
    toolz tornado tqdm typer typing_extensions tzdata tzlocal ujson unidecode uritemplate
    urllib3 uvicorn watchdog watchfiles wcwidth webencodings websockets werkzeug wheel wrapt
    xarray xlrd xlsxwriter xlwt xmltodict xxhash yarl zipp zstandard
    """.split()  # noqa: SIM905 - a line each would hide the rest of the file
)
"""Imports whose distribution has the same name on PyPI."""


def is_known(module: str) -> bool:
    """Whether the distribution of an import is written down here."""
    parts = module.split(".")
    names = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return parts[0] in SAME or not names.isdisjoint(DISTRIBUTIONS)


def distribution_of(module: str, own: Mapping[str, str]) -> tuple[str, str]:
    """Return which import decides (a beginning of `module`), and its distribution.

    `own` is `[wheels]` of recipebox.toml.
    """
    parts = module.split(".")
    for table in (own, DISTRIBUTIONS):
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in table:
                return name, table[name]
    return parts[0], parts[0]
