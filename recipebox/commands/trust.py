"""Say which signers this machine trusts, whatever a server says."""

import click

from recipebox.invocation import Invocation
from recipebox.prompts import confirm, pass_invocation, yes_option


@click.group("trust")
def command() -> None:
    """Say which signers this machine trusts, whatever a server says.

    Without a pin the first signer that is seen is pinned and shown. `_server` is the registry's
    own key, which signs receipts and promotions.
    """


@command.command("add")
@click.argument("namespace", metavar="NS")
@click.argument("fingerprint", metavar="FINGERPRINT")
@pass_invocation
def add(invocation: Invocation, namespace: str, fingerprint: str) -> None:
    """Trust a key to sign for the namespace NS of this registry.

    \b
    Examples:
      recipebox trust add team "9F2C 1B7A …"

    \b
    JSON: {registry, namespace, fingerprint, is_new}
    """  # noqa: D301 - \b is click's
    from artifacts.reference import check_namespace
    from recipebox.trust import SERVER, read_fingerprint

    name = namespace if namespace == SERVER else check_namespace(namespace)
    store = invocation.client.trust
    read = read_fingerprint(fingerprint)
    is_new = store.add(name, read, "command")
    invocation.output.result(
        {"registry": store.registry, "namespace": name, "fingerprint": read, "is_new": is_new}
    )
    said = "is trusted for" if is_new else "was trusted already for"
    invocation.output.say(f"{read} {said} {name} of {store.registry}", "good")


@command.command("list")
@pass_invocation
def list_pins(invocation: Invocation) -> None:
    """List the keys that are trusted for this registry.

    \b
    JSON: {registry, pins: [{namespace, fingerprint, added, how}]}
    """  # noqa: D301 - \b is click's
    store = invocation.client.trust
    pins = store.pins()
    invocation.output.result(
        {
            "registry": store.registry,
            "pins": [
                {
                    "namespace": pin.namespace,
                    "fingerprint": pin.fingerprint,
                    "added": pin.added,
                    "how": pin.how,
                }
                for pin in pins
            ],
        }
    )
    invocation.output.table(
        [[pin.namespace, pin.fingerprint, f"{pin.how}, {pin.added}"] for pin in pins]
    )


@command.command("remove")
@click.argument("namespace", metavar="NS")
@click.argument("fingerprint", metavar="FINGERPRINT")
@yes_option
@pass_invocation
def remove(invocation: Invocation, namespace: str, fingerprint: str, *, yes: bool) -> None:
    """Stop trusting a key. Where it was the last, the next signer that is seen is pinned.

    \b
    JSON: {registry, namespace, fingerprint}
    """  # noqa: D301 - \b is click's
    from recipebox.trust import read_fingerprint

    store = invocation.client.trust
    read = read_fingerprint(fingerprint)
    confirm(f"Stop trusting {read} for {namespace} of {store.registry}?", yes=yes)
    store.remove(namespace, read)
    invocation.output.result(
        {"registry": store.registry, "namespace": namespace, "fingerprint": read}
    )
    invocation.output.say(f"{read} is not trusted any more for {namespace}", "good")


@command.command("export")
@click.argument("namespace", metavar="NS")
@click.option("-o", "--output", "path", default="-", metavar="FILE", help="`-` is stdout.")
@pass_invocation
def export(invocation: Invocation, namespace: str, path: str) -> None:
    """Export the public keys that are trusted for NS, armoured, for plain gpg.

    \b
    Examples:
      recipebox trust export team | gpg --import

    \b
    JSON: {namespace, armored, fingerprints}
    """  # noqa: D301 - \b is click's
    from recipebox.errors import Missing

    store = invocation.client.trust
    known = {
        fingerprint: store.find_key(fingerprint) for fingerprint in store.fingerprints(namespace)
    }
    armored = "".join(key for key in known.values() if key)
    if not armored:
        raise Missing(
            f"no key of {namespace} was seen on this machine yet",
            hint=f"fetch or verify something of it first: recipebox search {namespace}",
        )
    invocation.output.result(
        {"namespace": namespace, "armored": armored, "fingerprints": [f for f in known if known[f]]}
    )
    if path != "-":
        invocation.write_text(path, armored)
    elif not invocation.output.json:
        click.echo(armored, nl=False)
