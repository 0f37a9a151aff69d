"""Make, show, compare, verify and copy bundles: a lock with all that it pins."""

from typing import TYPE_CHECKING, Any

import click

from recipebox.invocation import Invocation
from recipebox.output import human_size, human_time
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from recipebox.bundle_work import BundleDifference, ShownBundle
    from recipebox.bundles import BundledImage
    from recipebox.output import Output
    from recipebox.promotion import ImageReference
    from resolver.lock import LockedPackage

_application = click.option(
    "--application", metavar="NS/APP", help="Whose bundle it must be signed as; a copy says not."
)
_allow_unsigned = click.option(
    "--allow-unsigned",
    is_flag=True,
    help="Take a bundle without a signature of its own, as crane leaves it.",
)


image_option = click.option(
    "--image",
    "images",
    metavar="IMAGE",
    multiple=True,
    help="An image of this registry, `team/app/image@sha256:…` or `:TAG`; again for more.",
)


@click.group("bundle")
def command() -> None:
    """Make, show, compare, verify and copy bundles: a lock with all that it pins, and images.

    REF is `team/app@sha256:…` or `team/app:CHANNEL`; in another registry `HOST/name@sha256:…` or
    `HOST/name:TAG`; in an OCI layout the path of its folder (`./layout`) or `.tar`.
    """


@command.command("create")
@click.argument("application", metavar="NS/APP")
@click.option("--lock", "lock_path", metavar="FILE", required=True, help="The lock; `-` is stdin.")
@click.option(
    "--key",
    metavar="KEY",
    help="Fingerprint of the key.  [env: RECIPEBOX_SIGNING_FINGERPRINT]",
)
@image_option
@pass_invocation
def create(
    invocation: Invocation,
    application: str,
    lock_path: str,
    key: str | None,
    images: tuple[str, ...],
) -> None:
    """Make the bundle of a lock and images, and sign it; the first one creates the application.

    The server makes it; it is compared with the lock and the images here before it is signed with
    your key. The same lock and images give the same bundle. It is refused, with every part named,
    where one is missing, yanked or unsigned (exit code 4).

    Of an image everything below its digest comes along, for every platform, and what signs it
    there (cosign, Notation). A tag is what it names at that moment.

    \b
    Examples:
      recipebox bundle create team/shop --lock recipebox.lock
      recipebox bundle create team/shop --lock recipebox.lock --image team/shop/image@sha256:…

    \b
    JSON: {application, digest, reference, packages: {name: version},
           images: [{repository, digest}], signed_by, is_newly_signed, url}
    """  # noqa: D301 - \b is click's
    if key:
        invocation.set("signing_fingerprint", key)
    text = invocation.read_text(lock_path)
    made = invocation.client.bundles.create(application, text, images)
    output = invocation.output
    reference = f"{made.application}@{made.digest}"
    output.result(
        {
            "application": made.application,
            "digest": str(made.digest),
            "reference": reference,
            "packages": made.packages,
            "images": [_draw_reference(each) for each in made.images],
            "signed_by": made.fingerprint,
            "is_newly_signed": made.is_newly_signed,
            "url": made.url,
        }
    )
    output.say(reference, "good")
    for name, version in sorted(made.packages.items()):
        output.say(f"  {name} {version}")
    for repository, digest in made.images:
        output.say(f"  {repository}@{digest}")
    said = "signed by" if made.is_newly_signed else "signed already by"
    output.note(f"{said} {made.fingerprint}; its application: {made.url}")
    output.note(f"next: recipebox promote {made.application} --bundle {made.digest} --to CHANNEL")


@command.command("show")
@click.argument("reference", metavar="REF")
@pass_invocation
def show(invocation: Invocation, reference: str) -> None:
    """Show a bundle: its lock, releases, wheels, images, who signed it, where it was promoted.

    Signatures of the bundle are judged by the keys that are pinned here; `recipebox bundle verify`
    looks at those of its parts, too.

    \b
    Examples:
      recipebox bundle show team/shop:production
      recipebox bundle show registry.example.org/mirror/shop@sha256:… --json

    \b
    JSON: {place, digest, size, lock: {digest, revision, python, platform, requirements},
           packages: [{name, version, digest, signers, wheel_sets: {platform: digest}}],
           images: [{repositories: [names], digest, size, platforms}],
           entries: [{digest, type, size, about}],
           signatures: [{fingerprint, application, problem}],
           promotions: [{application, channel, from, at, asked_by}], channels: [names] or null}
    """  # noqa: D301 - \b is click's
    shown = invocation.client.bundles.show(reference)
    output = invocation.output
    output.result(_draw_shown(shown))
    _say_parts(output, shown)
    for each in shown.signatures:
        if each.problem is None:
            output.say(f"signed as {each.application} by {each.fingerprint}", "good")
        else:
            output.say(f"a signature that doesn't count: {each.problem}", "warn")
    if not shown.signatures:
        output.say("not signed by anybody", "warn")
    for promotion in shown.promotions:
        when = human_time(promotion.time.isoformat())
        output.say(
            f"promoted to {promotion.application} {promotion.channel} {when}, asked by "
            f"{promotion.asked_by.name}"
        )
    for problem in shown.ignored:
        output.say(f"a promotion that doesn't count: {problem}", "warn")
    if shown.channels:
        output.say(f"now in {', '.join(shown.channels)}")


@command.command("diff")
@click.argument("before", metavar="REF")
@click.argument("after", metavar="REF")
@click.option("--exit-code", "tells", is_flag=True, help="End with 1 where they differ.")
@pass_invocation
def diff(invocation: Invocation, before: str, after: str, *, tells: bool) -> int:
    """Show what differs from one bundle to another: packages, images, requirements, environment.

    \b
    Examples:
      recipebox bundle diff team/shop:production team/shop:staging
      recipebox bundle diff team/shop:dev ./layout --exit-code

    \b
    JSON: {before, after, same: BOOL, added: [package], removed: [package],
           changed: [{name, before: package, after: package}],
           requirements: {removed: [texts], added: [texts]}, environment: {before, after},
           images: {added: [image], removed: [image], changed: [{repository, before, after}]}},
          image: {repository, digest},
          package: {name, version, digest, requires: [texts], wheel_sets: {platform: digest}}
    """  # noqa: D301 - \b is click's
    found = invocation.client.bundles.diff(before, after)
    output = invocation.output
    output.result(_draw_difference(found))
    if found.is_none:
        output.say("no difference" if found.before == found.after else _SAME_PARTS)
    for line, style in _difference_lines(found):
        output.say(line, style)
    if found.environments[0] != found.environments[1]:
        output.say(f"~ for {found.environments[0]} -> {found.environments[1]}", "warn")
    return 1 if tells and not found.is_none else 0


_SAME_PARTS = "no difference in what they pin: their signatures or index revisions are others"


@command.command("verify")
@click.argument("reference", metavar="REF")
@_application
@_allow_unsigned
@pass_invocation
def verify(
    invocation: Invocation, reference: str, *, application: str | None, allow_unsigned: bool
) -> None:
    """Verify a bundle where it lies: every byte, every signature, the lock against the releases.

    Everything is read from there anew, and hashed; with --offline, what is in the cache is. Each
    check is told; the first that fails ends it with exit code 4.

    \b
    Examples:
      recipebox bundle verify team/shop:production
      recipebox bundle verify registry.example.org/mirror/shop@sha256:… --application team/shop
      recipebox bundle verify ./layout --offline

    \b
    JSON: {digest, checks: [{check, detail}], packages: [{name, version, digest, signers}],
           images: [{repositories: [names], digest, size, platforms}],
           signatures: [{application, fingerprint}], promotions: [{application, channel, at}]}
    """  # noqa: D301 - \b is click's
    output = invocation.output
    checks: list[dict[str, str]] = []

    def tell(check: str, detail: str) -> None:
        checks.append({"check": check, "detail": detail})
        output.say(f"{check}: {detail}", "good")

    checked = invocation.client.bundles.verify(
        reference, application=application, allow_unsigned=allow_unsigned, tell=tell
    )
    output.result(
        {
            "digest": str(checked.bundle.digest),
            "checks": checks,
            "packages": [
                {
                    "name": str(each.name),
                    "version": each.metadata.version,
                    "digest": str(each.descriptor.digest),
                    "signers": list(each.signatures),
                }
                for each in checked.releases
            ],
            "images": [_draw_image(each) for each in checked.bundle.images],
            "signatures": [
                {"application": str(each.application), "fingerprint": each.fingerprint}
                for each in checked.signatures
            ],
            "promotions": [
                {
                    "application": str(each.application),
                    "channel": each.channel,
                    "at": each.time.isoformat(),
                }
                for each in checked.promotions
            ],
        }
    )
    output.say(f"verified {checked.bundle.digest}", "strong")


@command.command("copy")
@click.argument("reference", metavar="REF")
@click.argument("target", metavar="TARGET")
@_application
@_allow_unsigned
@pass_invocation
def copy(
    invocation: Invocation,
    reference: str,
    target: str,
    *,
    application: str | None,
    allow_unsigned: bool,
) -> None:
    """Copy a bundle with its signatures and promotions to another registry, a folder or a file.

    TARGET is `HOST[:PORT]/name[:TAG]`, an OCI layout (`./layout`, or a new `shop.tar`), or a name
    in this registry: `team/mirror/shop` is a plain repository, and `team/shop` an application, of
    which the server makes the bundle anew from the releases that are listed there.

    Every signature is verified first, every byte as it passes; the index comes last, so nobody
    sees half of a bundle. Run it again to go on where it broke off. The login to another registry
    is docker's.

    \b
    Examples:
      recipebox bundle copy team/shop:production registry.example.org/mirror/shop:2026-11
      recipebox bundle copy team/shop:production ./layout
      recipebox bundle copy registry.example.org/mirror/shop@sha256:… team/shop

    \b
    JSON: {digest, target, blobs: {there, mounted, sent}, manifests, referrers}
    """  # noqa: D301 - \b is click's
    done = invocation.client.bundles.copy(
        reference, target, application=application, allow_unsigned=allow_unsigned
    )
    output = invocation.output
    output.result(
        {
            "digest": str(done.digest),
            "target": done.target,
            "blobs": done.blobs,
            "manifests": done.manifests,
            "referrers": done.referrers,
        }
    )
    output.say(f"copied {done.digest}", "good")
    output.say(f"  to {done.target}, with {done.referrers} signatures and records about it")
    ways = ", ".join(f"{count} {way}" for way, count in done.blobs.items() if count)
    output.note(f"blobs: {ways or 'none'}")


def _say_parts(output: "Output", shown: "ShownBundle") -> None:
    """Tell what a bundle holds."""
    bundle = shown.bundle
    output.say(f"bundle {bundle.digest}", "strong")
    output.say(f"  in {shown.place}, {human_size(bundle.size)}, {len(bundle.entries)} entries")
    lock = bundle.lock
    output.say(f"lock: for {lock.environment}, of the index's revision {lock.revision}")
    for requirement in lock.requirements:
        output.say(f"  asked for {requirement}")
    for package in lock.packages:
        output.say(f"{package.name} {package.version}", "strong")
        output.say(f"  {package.digest}")
        output.say(f"  signed by {', '.join(package.signers) or 'nobody'}")
        for platform, digest in sorted(package.wheel_sets.items()):
            output.say(f"  wheels for {platform}: {digest}")
    for image in bundle.images:
        output.say(f"image {', '.join(map(str, image.repositories))}", "strong")
        output.say(f"  {image.digest}")
        platforms = ", ".join(image.platforms) or "no platform that it names"
        output.say(f"  for {platforms}, {human_size(image.size)}")


def _draw_reference(image: "ImageReference") -> dict[str, str]:
    repository, digest = image
    return {"repository": str(repository), "digest": str(digest)}


def _draw_image(image: "BundledImage") -> dict[str, Any]:
    return {
        "repositories": [str(each) for each in image.repositories],
        "digest": str(image.digest),
        "size": image.size,
        "platforms": list(image.platforms),
    }


def _draw_package(package: "LockedPackage") -> dict[str, Any]:
    return {
        "name": str(package.name),
        "version": str(package.version),
        "digest": str(package.digest),
        "requires": [str(each) for each in package.requires],
        "wheel_sets": {name: str(digest) for name, digest in sorted(package.wheel_sets.items())},
    }


def _draw_difference(found: "BundleDifference") -> dict[str, Any]:
    return {
        "before": str(found.before),
        "after": str(found.after),
        "same": found.is_none,
        "added": [_draw_package(each) for each in found.added.values()],
        "removed": [_draw_package(each) for each in found.removed.values()],
        "changed": [
            {"name": name, "before": _draw_package(old), "after": _draw_package(new)}
            for name, (old, new) in found.changed.items()
        ],
        "requirements": {
            "removed": list(found.requirements[0]),
            "added": list(found.requirements[1]),
        },
        "environment": {"before": found.environments[0], "after": found.environments[1]},
        "images": {
            "added": [_draw_reference(each) for each in found.images.added],
            "removed": [_draw_reference(each) for each in found.images.removed],
            "changed": [
                {"repository": str(name), "before": str(was), "after": str(now)}
                for name, was, now in found.images.changed
            ],
        },
    }


def _difference_lines(found: "BundleDifference") -> list[tuple[str, str]]:
    """Return what differs, a line each, with how it looks."""
    gone, come = found.requirements
    images = found.images
    return [
        *((f"- {each.name} {each.version}", "bad") for each in found.removed.values()),
        *((f"+ {each.name} {each.version}", "good") for each in found.added.values()),
        *((line, "warn") for pair in found.changed.values() for line in _changes(*pair)),
        *((f"- image {name}@{digest}", "bad") for name, digest in images.removed),
        *((f"+ image {name}@{digest}", "good") for name, digest in images.added),
        *((f"~ image {name} {was} -> {now}", "warn") for name, was, now in images.changed),
        *((f"- asked for {each}", "bad") for each in gone),
        *((f"+ asked for {each}", "good") for each in come),
    ]


def _changes(old: "LockedPackage", new: "LockedPackage") -> list[str]:
    """Return how a package differs, a line each; the first says that it does."""
    name = str(new.name)
    if old.version != new.version:
        lines = [f"~ {name} {old.version} -> {new.version}"]
    elif old.digest != new.digest:
        lines = [f"~ {name} {new.version}, with other bytes: {old.digest} -> {new.digest}"]
    else:
        lines = [f"~ {name} {new.version}"]
    before, after = {str(each) for each in old.requires}, {str(each) for each in new.requires}
    lines += [f"    no longer requires {each}" for each in sorted(before - after)]
    lines += [f"    now requires {each}" for each in sorted(after - before)]
    if old.signers != new.signers:
        was, now = ", ".join(old.signers), ", ".join(new.signers)
        lines.append(f"    signed by {now or 'nobody'}, before by {was or 'nobody'}")
    if dict(old.wheel_sets) != dict(new.wheel_sets):
        lines.append("    other wheels")
    return lines


def _draw_shown(shown: "ShownBundle") -> dict[str, Any]:
    bundle = shown.bundle
    lock = bundle.lock
    return {
        "place": shown.place,
        "digest": str(bundle.digest),
        "size": bundle.size,
        "lock": {
            "digest": str(bundle.lock_digest),
            "revision": lock.revision,
            "python": lock.environment.python,
            "platform": lock.environment.platform,
            "requirements": [str(each) for each in lock.requirements],
        },
        "packages": [
            _draw_package(each) | {"signers": list(each.signers)} for each in lock.packages
        ],
        "images": [_draw_image(each) for each in bundle.images],
        "entries": [
            {
                "digest": str(each.digest),
                "type": each.manifest.kind or each.descriptor.media_type,
                "size": each.descriptor.size,
                "about": None if each.about is None else str(each.about),
            }
            for each in bundle.entries
        ],
        "signatures": [
            {
                "fingerprint": each.fingerprint,
                "application": each.application,
                "problem": each.problem,
            }
            for each in shown.signatures
        ],
        "promotions": [
            {
                "application": str(each.application),
                "channel": each.channel,
                "from": each.came_from,
                "at": each.time.isoformat(),
                "asked_by": each.asked_by.name,
            }
            for each in shown.promotions
        ],
        "channels": shown.channels,
    }
