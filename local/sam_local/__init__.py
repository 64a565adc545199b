"""Files with which `sam local` runs the functions of the build beside the running stack."""
