"""Lambda on this machine: the functions run in AWS's own Lambda Runtime Interface Emulator."""
