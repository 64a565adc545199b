"""Access to AWS services except DynamoDB, one module each."""
