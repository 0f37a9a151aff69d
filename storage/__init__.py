"""Where bytes are kept: the `BlobStore` protocol, a folder and a memory that implement it."""
