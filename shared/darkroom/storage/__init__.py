"""DynamoDB: the one table, its rows, and every write to it."""
