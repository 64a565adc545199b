"""The use cases, one module each. They combine storage, media, providers and AWS services."""
