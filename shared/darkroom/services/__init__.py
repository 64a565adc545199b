"""One use case each. Only they combine storage, media, providers and AWS."""
