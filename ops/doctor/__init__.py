"""What must hold for the system to run, looked at one by one: each line green, red with what mends it, or not checked and why."""
