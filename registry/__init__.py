"""The domain: namespaces, repositories, releases, bundles, channels. The only user of the database.

`registry.assembly.open_registry` builds everything once; each verb takes the `Principal` who asks,
and raises an error of `registry.errors` when it may not or can't.
"""
