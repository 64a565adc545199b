"""AWS on this machine: create the template's resources, poll its queues, fire its schedules."""
