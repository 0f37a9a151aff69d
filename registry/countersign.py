"""The server's word: signed statements of its own, kept in the store before their rows are."""

from artifacts.descriptor import Descriptor
from registry.oci.contents import Contents, KeptManifest
from registry.server_key import ServerKey
from signing.statement import Statement


class Countersigning:
    """Signs statements by the server's key and keeps them with what carries them."""

    def __init__(self, contents: Contents, server_key: ServerKey) -> None:
        self._contents = contents
        self._server_key = server_key

    def keep(self, subject: Descriptor, statement: Statement) -> KeptManifest:
        """Sign `statement` about `subject`; the rows are the caller's to add."""
        data = statement.to_bytes()
        signature = self._server_key.sign(data)
        return self._contents.keep_statement(subject, statement.kind, data, signature)
