"""AWS on this machine: the template translated, its resources made, its queues and schedules polled."""
