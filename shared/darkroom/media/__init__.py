"""S3, and what is done with images and videos."""
