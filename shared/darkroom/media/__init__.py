"""The media bucket in S3, and the processing of images and videos."""
