"""The server's word: signed statements of its own."""

from artifacts.descriptor import Descriptor
from registry.oci.contents import KeptManifest, inline_statement
from registry.server_key import ServerKey
from signing.statement import Statement


class Countersigning:
    """Signs statements by the server's key, and draws what carries them."""

    def __init__(self, server_key: ServerKey) -> None:
        self._server_key = server_key

    def sign(self, subject: Descriptor, statement: Statement) -> KeptManifest:
        """Sign `statement` about `subject`; the rows are the caller's to add."""
        data = statement.to_bytes()
        signature = self._server_key.sign(data)
        return inline_statement(subject, statement.kind, data, signature)
