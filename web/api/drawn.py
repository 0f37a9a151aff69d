"""How the domain's values are drawn as JSON: the words are those of the pages and the index."""

import json
from typing import Any

from registry.bundles import Bundle
from registry.catalog import PackagePage, PackageSummary, ReleaseInfo
from registry.channels import Application, Channel
from registry.clock import rfc3339
from registry.namespaces import Namespace, NamespaceKey
from registry.promotions import Promotion
from registry.publish import Yank
from registry.relations import Affected, Dependents, Graph
from registry.retention import Verdict
from registry.tokens import Token
from resolver.lock import Lock


def draw_namespace(namespace: Namespace) -> dict[str, Any]:
    """{name, public, owner, created}; for its members also {quota, used_bytes, sparse, ...}."""
    drawn: dict[str, Any] = {
        "name": namespace.name,
        "public": namespace.public,
        "owner": namespace.owner,
        "created": rfc3339(namespace.created),
    }
    settings = namespace.settings
    if settings is not None:
        rules = settings.retention
        drawn |= {
            "quota": settings.quota,
            "used_bytes": settings.used,
            "sparse": settings.sparse,
            "immutable_tags": list(settings.immutable_tags),
            "retention": None if rules is None else json.loads(rules.draw()),
        }
    return drawn


def draw_token(token: Token) -> dict[str, Any]:
    """{id, name, role, namespace, verbs, made_by, created, expires, revoked}; never its secret."""
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "namespace": token.namespace,
        "verbs": None if token.verbs is None else [verb.value for verb in token.verbs],
        "made_by": token.made_by,
        "created": rfc3339(token.created),
        "expires": None if token.expires is None else rfc3339(token.expires),
        "revoked": None if token.revoked is None else rfc3339(token.revoked),
    }


def draw_key(key: NamespaceKey) -> dict[str, Any]:
    """{fingerprint, user_ids, roles, algorithm, created, expires, added, added_by}."""
    return {
        "fingerprint": key.fingerprint,
        "user_ids": list(key.user_ids),
        "roles": list(key.roles),
        "algorithm": key.algorithm,
        "created": rfc3339(key.created),
        "expires": None if key.expires is None else rfc3339(key.expires),
        "added": rfc3339(key.added),
        "added_by": key.added_by,
    }


def draw_summary(package: PackageSummary) -> dict[str, Any]:
    """{name, summary, latest, published, signers, proof}: whether the latest came with a proof."""
    return {
        "name": str(package.name),
        "summary": package.summary,
        "latest": package.latest,
        "published": rfc3339(package.published),
        "signers": list(package.signers),
        "proof": package.is_proved,
    }


def draw_package(package: PackagePage) -> dict[str, Any]:
    """{name, summary, public, latest, releases: [...], channels: [...]}."""
    return {
        "name": str(package.name),
        "summary": package.summary,
        "public": package.public,
        "latest": package.latest.version,
        "releases": [draw_release(release) for release in package.releases],
        "channels": [
            {"application": str(use.application), "channel": use.channel, "version": use.version}
            for use in package.channels
        ],
    }


def draw_release(release: ReleaseInfo) -> dict[str, Any]:
    """{version, digest, size, published, yanked, signers, requires, python, platforms, ...}.

    `proof` is null or {referrer, statement, compared, enforced, not_enforced}; `documents` gives
    each document's {digest, media_type, size} by its name.
    """
    return {
        "version": release.version,
        "digest": str(release.digest),
        "size": release.size,
        "published": rfc3339(release.published),
        "yanked": None if release.yanked is None else draw_yank(release.yanked),
        "signers": list(release.signers),
        "requires": dict(release.requires),
        "python": release.python,
        "platforms": {name: str(digest) for name, digest in release.platforms.items()},
        "receipt": str(release.receipt),
        "revision": release.revision,
        "proof": None if release.proof is None else dict(release.proof),
        "documents": {name: dict(one) for name, one in sorted(release.documents.items())},
    }


def draw_lock(lock: Lock) -> dict[str, Any]:
    """{revision, python, platform, lock (its text), packages: [{name, version, digest, ...}]}."""
    return {
        "revision": lock.revision,
        "python": lock.environment.python,
        "platform": lock.environment.platform,
        "lock": lock.dumps(),
        "packages": [
            {
                "name": str(one.name),
                "version": str(one.version),
                "digest": str(one.digest),
                "extras": list(one.extras),
                "required_by": [str(name) for name in lock.required_by(one.name)],
            }
            for one in lock.packages
        ],
    }


def draw_dependents(found: Dependents) -> dict[str, Any]:
    """{name, dependents: [{name, newest, required, releases, count}], next, held_by, ...}.

    `required` says whether the newest still requires it; `held_by` are applications.
    """
    return {
        "name": str(found.package),
        "dependents": [
            {
                "name": str(one.name),
                "newest": one.newest,
                "required": one.is_current,
                "releases": [
                    {
                        "version": each.version,
                        "range": each.range,
                        "extra": each.extra,
                        "yanked": each.is_yanked,
                    }
                    for each in one.releases
                ],
                "count": one.count,
            }
            for one in found.dependents
        ],
        "next": found.next,
        "held_by": [
            {
                "application": str(one.application),
                "bundles": one.bundles,
                "versions": list(one.versions),
                "channels": [{"name": name, "version": held} for name, held in one.channels],
            }
            for one in found.holders
        ],
        "all_held_by": found.are_all_holders,
    }


def draw_affected(found: Affected) -> dict[str, Any]:
    """{name, version, yanked, bundles, bundle_count, channels, stranded, stranded_count}."""
    return {
        "name": str(found.package),
        "version": found.version,
        "yanked": found.is_yanked,
        "bundles": [
            {
                "application": str(one.application),
                "digest": str(one.digest),
                "created": rfc3339(one.created),
                "channels": list(one.channels),
            }
            for one in found.bundles
        ],
        "bundle_count": found.bundle_count,
        "channels": [
            {"application": str(application), "channel": channel}
            for application, channel in found.channels
        ],
        "stranded": [
            {
                "name": str(one.name),
                "version": one.version,
                "range": one.range,
                "extra": one.extra,
            }
            for one in found.stranded
        ],
        "stranded_count": found.stranded_count,
    }


def draw_graph(graph: Graph) -> dict[str, Any]:
    """{nodes: [{id, name, version, yanked, depth}], edges: [{from, to, range}], whole}."""
    return {
        "nodes": [
            {
                "id": node.id,
                "name": str(node.package),
                "version": node.version,
                "yanked": node.is_yanked,
                "depth": node.depth,
            }
            for node in graph.nodes
        ],
        "edges": [
            {"from": edge.source, "to": edge.target, "range": edge.range} for edge in graph.edges
        ],
        "whole": graph.is_whole,
    }


def draw_yank(yank: Yank) -> dict[str, Any]:
    """{reason, at}."""
    return {"reason": yank.reason, "at": rfc3339(yank.at)}


def draw_bundle(bundle: Bundle) -> dict[str, Any]:
    """{application, digest, size, packages: {name: version}, images, created, created_by}."""
    return {
        "application": str(bundle.application),
        "digest": str(bundle.digest),
        "size": bundle.size,
        "packages": dict(bundle.packages),
        "images": [
            {
                "repository": str(each.repository),
                "digest": str(each.digest),
                "size": each.size,
                "platforms": list(each.platforms),
            }
            for each in bundle.images
        ],
        "created": rfc3339(bundle.created),
        "created_by": bundle.created_by,
    }


def draw_application(application: Application) -> dict[str, Any]:
    """{name, channels: [...]}, in the channels' order."""
    return {
        "name": str(application.name),
        "channels": [_draw_channel(channel) for channel in application.channels],
    }


def draw_promotion(promotion: Promotion) -> dict[str, Any]:
    """{record, application, channel, from, bundle, previous, evidence, asked_by, time, ...}.

    `previous` is the bundle that the channel held before, `previous_record` that move's record.
    """
    previous = promotion.previous_bundle
    record = promotion.previous
    return {
        "record": str(promotion.record),
        "application": str(promotion.application),
        "channel": promotion.channel,
        "from": promotion.from_channel,
        "bundle": str(promotion.bundle),
        "previous": None if previous is None else str(previous),
        "previous_record": None if record is None else str(record),
        "evidence": [str(digest) for digest in promotion.evidence],
        "asked_by": {
            "name": promotion.asked_by,
            "role": promotion.role,
            "proof": promotion.proof,
        },
        "time": rfc3339(promotion.at),
    }


def _draw_channel(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "position": channel.position,
        "bundle": None if channel.bundle is None else str(channel.bundle),
        "promoted": None if channel.promoted is None else rfc3339(channel.promoted),
        "promoted_by": channel.promoted_by,
    }


def draw_verdict(verdict: Verdict) -> dict[str, Any]:
    """{repository, tag, digest, changed, goes, why}: what retention makes of a tag."""
    tag = verdict.tag
    return {
        "repository": tag.repository,
        "tag": tag.name,
        "digest": tag.digest,
        "changed": rfc3339(tag.changed),
        "goes": verdict.goes,
        "why": verdict.why,
    }
