"""`make sam-local`: every sample event and the routes of the API, by SAM CLI in containers."""
