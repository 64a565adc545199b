"""The rules. They know no AWS, no clock, no network and no environment."""
