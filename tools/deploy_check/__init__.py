"""Deploys the built template to MiniStack, an emulator of AWS that is not Darkroom's own."""
