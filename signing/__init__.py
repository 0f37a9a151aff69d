"""Who signed what: keys, statements, detached GPG signatures, and the decision to trust them.

::

    statement.py   what is signed: in-toto statements, drawn
    schema.py      the same as a JSON Schema
    keyring.py     keys: made, listed, exported, imported, read without being kept
    sign.py        a detached signature over bytes
    verify.py      what a signature proves, or why it proves nothing
    trust.py       whether what was proven is enough (a policy, no IO)
    key.py         keys and verified signatures as values
    openpgp.py     armour and packets (RFC 4880), as far as they are checked before gpg sees them
    gpg.py         the one seam to the gpg program, by python-gnupg
"""
