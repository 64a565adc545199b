"""DynamoDB: the table, its rows, and all reads and writes of them."""
