"""IAM as the template declares it: roles, policies, and what each request needs."""
