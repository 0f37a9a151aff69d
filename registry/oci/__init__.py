"""What `/v2/` does: uploads, blobs, manifests, tags, referrers, repositories."""
