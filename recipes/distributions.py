"""Which distribution an import comes from, where the two have different names.

What is installed where the packing is done must not decide, so the names are written down; the
longest dotted name wins. What isn't here is the distribution of the import's own name. `[wheels]`
of recipebox.toml comes first.
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
    "zmq": "pyzmq",
}
"""Import -> distribution, as PyPI has them."""


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
