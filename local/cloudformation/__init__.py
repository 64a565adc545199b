"""AWS on this machine: it creates the template's resources, and polls its queues and schedules."""
