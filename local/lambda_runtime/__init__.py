"""The functions, in AWS's own Lambda Runtime Interface Emulator."""
